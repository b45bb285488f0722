-- One row per included person and outcome that stands neither in time_to_event nor in
-- prevalent_outcome, or in both.
with

expected as (

    select
        cohort.study_id,
        cohort.person_id,
        outcomes.outcome
    from {{ ref('cohort') }} as cohort
    inner join {{ source('study', 'outcome') }} as outcomes
        on cohort.study_id = outcomes.study_id

),

found as (

    select
        study_id,
        person_id,
        outcome
    from {{ ref('time_to_event') }}

    union all

    select
        study_id,
        person_id,
        outcome
    from {{ ref('prevalent_outcome') }}

),

counted as (

    select
        study_id,
        person_id,
        outcome,
        count(*) as n
    from found
    group by
        study_id,
        person_id,
        outcome

)

select
    coalesce(expected.study_id, counted.study_id) as study_id,
    coalesce(expected.person_id, counted.person_id) as person_id,
    coalesce(expected.outcome, counted.outcome) as outcome
from expected
full outer join counted
    on
        expected.study_id = counted.study_id
        and expected.person_id = counted.person_id
        and expected.outcome = counted.outcome
where coalesce(counted.n, 0) <> 1 or expected.person_id is null
