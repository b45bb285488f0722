-- One row per study and candidate person whose death the registers tell differently.
-- The civil register's day is the one that counts, where it has one, else the certificate's. What a
-- hospital coded never counts; it disagrees where neither knows of a death, or of another by more
-- than 30 days.
with

candidates as (

    select distinct
        study_id,
        person_id
    from {{ ref('int_candidate_requisition') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

told as (

    select
        candidates.study_id,
        candidates.person_id,
        persons.civil_death_date,
        persons.certified_death_date,
        persons.hospital_death_date,
        persons.death_date,
        case
            when persons.death_date is null and persons.hospital_death_date is not null
                then 'only_in_hospital'
            when persons.death_date is null then null
            when persons.civil_death_date is null then 'not_in_civil_register'
            when persons.certified_death_date is null then 'not_in_cause_of_death_register'
            when persons.civil_death_date <> persons.certified_death_date then 'dates_differ'
            when
                abs({{ days_between('persons.death_date', 'persons.hospital_death_date') }}) > 30
                then 'hospital_differs'
        end as disagreement
    from candidates
    inner join persons on candidates.person_id = persons.person_id

)

select *
from told
where disagreement is not null
