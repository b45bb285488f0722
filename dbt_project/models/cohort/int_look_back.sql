-- One row per study, candidate person and step that looks back: hospital diagnoses found there.
-- Day 0 is the index date and does not count; `look_back_days` of 365 are days -365 to -1, by the
-- day on which the contact began.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind in ('diagnosed_before', 'not_diagnosed_before')

),

codes as (

    select * from {{ source('study', 'criterion_code') }}

),

candidates as (

    select * from {{ ref('int_index_event') }}

),

diagnoses as (

    select * from {{ ref('int_candidate_diagnosis') }}

),

-- One diagnosis that two beginnings match is one.
found as (

    select distinct
        criteria.study_id,
        criteria.step,
        candidates.person_id,
        diagnoses.register,
        diagnoses.contact_id,
        diagnoses.diagnosis_code,
        diagnoses.contact_start_date
    from criteria
    inner join codes
        on
            criteria.study_id = codes.study_id
            and criteria.step = codes.step
    inner join candidates on criteria.study_id = candidates.study_id
    inner join diagnoses
        on
            candidates.person_id = diagnoses.person_id
            and {{ begins_with('diagnoses.diagnosis_code', 'codes.code') }}
            and {{ days_between('diagnoses.contact_start_date', 'candidates.index_date') }}
            between 1 and criteria.look_back_days

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    candidates.index_date,
    count(found.contact_id) as n_diagnoses,
    max(found.contact_start_date) as last_contact_start_date
from criteria
inner join candidates on criteria.study_id = candidates.study_id
left join found
    on
        criteria.study_id = found.study_id
        and criteria.step = found.step
        and candidates.person_id = found.person_id
group by
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    candidates.index_date
