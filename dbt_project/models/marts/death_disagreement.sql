-- One row per study and candidate person whose death the civil register and the cause-of-death
-- register tell differently. The civil register's day is the one that counts, where it has one.
with

candidates as (

    select distinct
        study_id,
        person_id
    from {{ ref('int_candidate_requisition') }}

),

persons as (

    select * from {{ ref('int_person') }}

)

select
    candidates.study_id,
    candidates.person_id,
    persons.civil_death_date,
    persons.certified_death_date,
    case
        when persons.civil_death_date is null then 'not_in_civil_register'
        when persons.certified_death_date is null then 'not_in_cause_of_death_register'
        else 'dates_differ'
    end as disagreement
from candidates
inner join persons on candidates.person_id = persons.person_id
where
    coalesce(persons.civil_death_date, persons.certified_death_date) is not null
    and coalesce(persons.civil_death_date <> persons.certified_death_date, true)
