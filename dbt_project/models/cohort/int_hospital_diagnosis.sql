-- One row per person, contact and diagnosis that counts, of LPR2 and LPR3 as one register.
-- 2019 lies in both: LPR2 counts before the first of April, and of LPR3 what is no copy of an LPR2
-- row. A diagnosis that was looked for and not found, or retracted later, does not count; one
-- whose retraction is missing does. A view: what is asked of candidates is read once, in
-- int_candidate_diagnosis, and what is asked of everybody is asked for a few codes.
{{ config(materialized='view') }}

with

contacts_2 as (

    select
        person_id,
        contact_id,
        period,
        min(contact_start_date) as contact_start_date,
        max(coalesce(contact_end_date, contact_start_date)) as contact_end_date
    from {{ ref('stg_lpr2__contact') }}
    group by
        person_id,
        contact_id,
        period

),

diagnoses_2 as (

    select * from {{ ref('stg_lpr2__diagnosis') }}

),

contacts_3 as (

    select
        person_id,
        contact_id,
        min(contact_start_date) as contact_start_date,
        max(coalesce(contact_end_date, contact_start_date)) as contact_end_date
    from {{ ref('stg_lpr3__contact') }}
    where reporting_system = 'LPR3'
    group by
        person_id,
        contact_id

),

diagnoses_3 as (

    select * from {{ ref('stg_lpr3__diagnosis') }}

),

of_both as (

    select
        diagnoses_2.person_id,
        'lpr2' as register,
        diagnoses_2.contact_id,
        diagnoses_2.diagnosis_code,
        diagnoses_2.diagnosis_type_code,
        contacts_2.contact_start_date,
        contacts_2.contact_end_date
    from diagnoses_2
    inner join contacts_2
        on
            diagnoses_2.person_id = contacts_2.person_id
            and diagnoses_2.contact_id = contacts_2.contact_id
            and (
                diagnoses_2.period = contacts_2.period
                or diagnoses_2.period = 'all'
                or contacts_2.period = 'all'
            )
    where
        contacts_2.contact_start_date < cast('2019-04-01' as date)
        and coalesce(diagnoses_2.diagnosis_modifier_code, '') <> '2'

    union all

    select
        diagnoses_3.person_id,
        'lpr3' as register,
        diagnoses_3.contact_id,
        diagnoses_3.diagnosis_code,
        diagnoses_3.diagnosis_type_code,
        contacts_3.contact_start_date,
        contacts_3.contact_end_date
    from diagnoses_3
    inner join contacts_3
        on
            diagnoses_3.person_id = contacts_3.person_id
            and diagnoses_3.contact_id = contacts_3.contact_id
    where
        diagnoses_3.reporting_system = 'LPR3'
        and coalesce(diagnoses_3.retracted, '') <> 'Ja'

)

select * from of_both
