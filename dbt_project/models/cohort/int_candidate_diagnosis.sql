-- One row per candidate person of any study, contact and diagnosis that counts.
-- The hospital registers are read once for all that is asked of candidates, and not by each model.
with

candidates as (

    select distinct person_id
    from {{ ref('int_index_event') }}

),

diagnoses as (

    select * from {{ ref('int_hospital_diagnosis') }}

)

select
    diagnoses.person_id,
    diagnoses.register,
    diagnoses.contact_id,
    diagnoses.diagnosis_code,
    diagnoses.diagnosis_type_code,
    diagnoses.contact_start_date,
    diagnoses.contact_end_date
from candidates
inner join diagnoses on candidates.person_id = diagnoses.person_id
