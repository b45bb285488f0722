-- One row per study, candidate person and outcome that occurred: its earliest date, whenever that
-- was. From the tumour, hospital diagnoses and death; the first of several is the earliest of them.
with

told as (

    select * from {{ ref('int_outcome_tumour') }}

    union all

    select * from {{ ref('int_outcome_diagnosis') }}

    union all

    select * from {{ ref('int_outcome_death') }}

),

parts as (

    select * from {{ source('study', 'outcome_part') }}

),

first_of_several as (

    select
        parts.study_id,
        told.person_id,
        parts.outcome,
        min(told.outcome_date) as outcome_date
    from parts
    inner join told
        on
            parts.study_id = told.study_id
            and parts.part = told.outcome
    group by
        parts.study_id,
        told.person_id,
        parts.outcome

)

select
    study_id,
    person_id,
    outcome,
    outcome_date
from told

union all

select
    study_id,
    person_id,
    outcome,
    outcome_date
from first_of_several
