-- One row per study, included person and outcome not prevalent at index: days to the first of the
-- outcome (1), death before it (2) or the end of follow-up (0). On one day the outcome comes before
-- death, and death before the end of follow-up. What happens after the end does not count. Nobody
-- enters late: everybody is at risk from day 0.
with

cohort as (

    select * from {{ ref('cohort') }}

),

outcomes as (

    select * from {{ source('study', 'outcome') }}

),

outcome_dates as (

    select * from {{ ref('int_outcome_date') }}

),

prevalent as (

    select * from {{ ref('prevalent_outcome') }}

),

at_risk as (

    select
        cohort.study_id,
        cohort.person_id,
        outcomes.outcome,
        cohort.index_date,
        cohort.follow_up_end_date,
        cohort.follow_up_end_reason,
        case
            when cohort.death_date <= cohort.follow_up_end_date then cohort.death_date
        end as death_date,
        case
            when outcome_dates.outcome_date <= cohort.follow_up_end_date
                then outcome_dates.outcome_date
        end as outcome_date
    from cohort
    inner join outcomes on cohort.study_id = outcomes.study_id
    left join outcome_dates
        on
            cohort.study_id = outcome_dates.study_id
            and cohort.person_id = outcome_dates.person_id
            and outcomes.outcome = outcome_dates.outcome
    left join prevalent
        on
            cohort.study_id = prevalent.study_id
            and cohort.person_id = prevalent.person_id
            and outcomes.outcome = prevalent.outcome
    where prevalent.person_id is null

),

first_of_them as (

    select
        study_id,
        person_id,
        outcome,
        index_date,
        follow_up_end_reason,
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
    from at_risk

)

select
    study_id,
    person_id,
    outcome,
    cast(0 as bigint) as entry_days,
    cast({{ days_between('index_date', 'event_date') }} as bigint) as days,
    cast(event_code as integer) as event_code,
    case when event_code = 0 then follow_up_end_reason end as censor_reason
from first_of_them
