-- One row per person whom a hospital coded as dead: the last day of the contact.
-- ICD-10 R95 to R99, in Danish DR95 to DR99, are unknown causes of death: no living person has one.
with

diagnoses as (

    select * from {{ ref('int_hospital_diagnosis') }}
    where {{ matches('diagnosis_code', '^DR9[5-9]') }}

)

select
    person_id,
    min(contact_end_date) as death_date
from diagnoses
group by person_id
