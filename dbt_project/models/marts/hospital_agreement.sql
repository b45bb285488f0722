-- One row per study, included person and outcome that the study counts, or that a hospital coded
-- by the end of follow-up under one of the outcome's hospital codes. A cross-check: what only a
-- hospital coded is reported, and is no outcome.
with

cohort as (

    select * from {{ ref('cohort') }}

),

hospital_codes as (

    select * from {{ source('study', 'outcome_hospital_code') }}

),

diagnoses as (

    select * from {{ ref('int_candidate_diagnosis') }}

),

outcomes_that_ask as (

    select distinct
        study_id,
        outcome
    from hospital_codes

),

time_to_event as (

    select * from {{ ref('time_to_event') }}
    where event_code = 1

),

outcome_dates as (

    select * from {{ ref('int_outcome_date') }}

),

prevalent as (

    select * from {{ ref('prevalent_outcome') }}

),

counted as (

    select
        time_to_event.study_id,
        time_to_event.person_id,
        time_to_event.outcome,
        outcome_dates.outcome_date
    from time_to_event
    inner join outcome_dates
        on
            time_to_event.study_id = outcome_dates.study_id
            and time_to_event.person_id = outcome_dates.person_id
            and time_to_event.outcome = outcome_dates.outcome

    union all

    select
        study_id,
        person_id,
        outcome,
        outcome_date
    from prevalent

),

coded as (

    select
        cohort.study_id,
        cohort.person_id,
        hospital_codes.outcome,
        min(diagnoses.contact_start_date) as hospital_date
    from cohort
    inner join hospital_codes on cohort.study_id = hospital_codes.study_id
    inner join diagnoses
        on
            cohort.person_id = diagnoses.person_id
            and {{ begins_with('diagnoses.diagnosis_code', 'hospital_codes.code') }}
            and diagnoses.contact_start_date <= cohort.follow_up_end_date
    group by
        cohort.study_id,
        cohort.person_id,
        hospital_codes.outcome

),

counted_that_ask as (

    select counted.*
    from counted
    inner join outcomes_that_ask
        on
            counted.study_id = outcomes_that_ask.study_id
            and counted.outcome = outcomes_that_ask.outcome

)

select
    counted_that_ask.outcome_date,
    coded.hospital_date,
    coalesce(counted_that_ask.study_id, coded.study_id) as study_id,
    coalesce(counted_that_ask.person_id, coded.person_id) as person_id,
    coalesce(counted_that_ask.outcome, coded.outcome) as outcome,
    case
        when coded.person_id is null then 'outcome'
        when counted_that_ask.person_id is null then 'hospital'
        else 'both'
    end as found_in
from counted_that_ask
full outer join coded
    on
        counted_that_ask.study_id = coded.study_id
        and counted_that_ask.person_id = coded.person_id
        and counted_that_ask.outcome = coded.outcome
