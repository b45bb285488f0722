-- One row per study, candidate person with an index date and outcome not prevalent on it: what came
-- first of the outcome (1), death before it (2) and the end of follow-up (0), and when. On one day
-- the outcome comes before death, and death before the end of follow-up. What happens after the end
-- does not count.
with

follow_up as (

    select * from {{ ref('int_follow_up') }}
    where index_date is not null

),

outcomes as (

    select * from {{ source('study', 'outcome') }}

),

outcome_dates as (

    select * from {{ ref('int_outcome_date') }}

),

in_follow_up as (

    select
        follow_up.study_id,
        follow_up.person_id,
        outcomes.outcome,
        follow_up.follow_up_end_date,
        follow_up.end_reason,
        case
            when follow_up.death_date <= follow_up.follow_up_end_date then follow_up.death_date
        end as death_date,
        case
            when outcome_dates.outcome_date <= follow_up.follow_up_end_date
                then outcome_dates.outcome_date
        end as outcome_date
    from follow_up
    inner join outcomes on follow_up.study_id = outcomes.study_id
    left join outcome_dates
        on
            follow_up.study_id = outcome_dates.study_id
            and follow_up.person_id = outcome_dates.person_id
            and outcomes.outcome = outcome_dates.outcome
    where coalesce(outcome_dates.outcome_date > follow_up.index_date, true)

)

select
    study_id,
    person_id,
    outcome,
    end_reason,
    case
        when outcome_date is not null and coalesce(outcome_date <= death_date, true)
            then outcome_date
        when death_date is not null then death_date
        else follow_up_end_date
    end as event_date,
    case
        when outcome_date is not null and coalesce(outcome_date <= death_date, true) then 1
        when death_date is not null then 2
        else 0
    end as event_code
from in_follow_up
