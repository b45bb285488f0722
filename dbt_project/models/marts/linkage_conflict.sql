-- One row per kind of conflict, register, table and person: registers that contradict each other.
-- Rows that contradict the civil register may be another person's, written under this number.
with

numbers as (

    select * from {{ ref('stg_cpr__person') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

rows_of_persons as (

    select * from {{ ref('int_linked_person') }}
    where register in ('lpr2', 'lpr3', 'patobank', 'dcr')

),

births as (

    select
        person_id,
        register,
        contact_start_date
    from {{ ref('int_hospital_diagnosis') }}
    where {{ tells_of_childbirth('diagnosis_code') }}

),

numbers_that_differ as (

    select
        person_id,
        count(distinct sex) as n_sexes,
        count(distinct birth_date) as n_birth_dates
    from numbers
    group by person_id
    having count(*) > 1

),

conflicts as (

    select
        'sex_of_numbers_differs' as kind,
        'cpr' as register,
        'cpr3_t_person' as table_name,
        person_id,
        cast(null as date) as civil_date,
        cast(null as date) as event_date
    from numbers_that_differ
    where n_sexes > 1

    union all

    select
        'birth_date_of_numbers_differs' as kind,
        'cpr' as register,
        'cpr3_t_person' as table_name,
        person_id,
        cast(null as date) as civil_date,
        cast(null as date) as event_date
    from numbers_that_differ
    where n_birth_dates > 1

    union all

    select
        'childbirth_of_a_man' as kind,
        births.register,
        case births.register when 'lpr2' then 't_diag' else 'diagnoser' end as table_name,
        births.person_id,
        cast(null as date) as civil_date,
        min(births.contact_start_date) as event_date
    from births
    inner join persons on births.person_id = persons.person_id
    where persons.sex = 'male'
    group by
        births.register,
        births.person_id

    union all

    select
        'event_before_birth' as kind,
        rows_of_persons.register,
        rows_of_persons.table_name,
        rows_of_persons.person_id,
        persons.birth_date as civil_date,
        rows_of_persons.first_event_date as event_date
    from rows_of_persons
    inner join persons on rows_of_persons.person_id = persons.person_id
    where rows_of_persons.first_event_date < persons.birth_date

    union all

    -- Up to 30 days are an autopsy, or late paper.
    select
        'event_after_death' as kind,
        rows_of_persons.register,
        rows_of_persons.table_name,
        rows_of_persons.person_id,
        persons.death_date as civil_date,
        rows_of_persons.last_event_date as event_date
    from rows_of_persons
    inner join persons on rows_of_persons.person_id = persons.person_id
    where
        {{ days_between('persons.death_date', 'rows_of_persons.last_event_date') }} > 30

)

select
    kind,
    register,
    table_name,
    person_id,
    civil_date,
    event_date
from conflicts
