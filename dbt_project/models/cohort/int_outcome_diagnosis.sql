-- One row per study, candidate person and outcome of kind diagnosis that occurred: the first day of
-- the earliest hospital contact with one of its codes, whenever that was.
-- What comes before an outcome's first possible day is a finding, and no outcome.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

outcomes as (

    select * from {{ source('study', 'outcome') }}
    where kind = 'diagnosis'

),

codes as (

    select * from {{ source('study', 'outcome_code') }}

),

diagnoses as (

    select * from {{ ref('int_candidate_diagnosis') }}

)

select
    outcomes.study_id,
    index_events.person_id,
    outcomes.outcome,
    min(diagnoses.contact_start_date) as outcome_date
from outcomes
inner join codes
    on
        outcomes.study_id = codes.study_id
        and outcomes.outcome = codes.outcome
inner join index_events on outcomes.study_id = index_events.study_id
inner join diagnoses
    on
        index_events.person_id = diagnoses.person_id
        and {{ begins_with('diagnoses.diagnosis_code', 'codes.code') }}
where
    index_events.index_date is not null
    and diagnoses.contact_start_date is not null
    and coalesce(
        {{ days_between('index_events.index_date', 'diagnoses.contact_start_date') }}
        >= outcomes.from_day,
        true
    )
group by
    outcomes.study_id,
    index_events.person_id,
    outcomes.outcome
