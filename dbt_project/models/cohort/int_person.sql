-- One row per person: the number in force, with the date of death that everything else uses.
with

numbers_in_force as (

    select * from {{ ref('stg_cpr__person') }}
    where is_number_in_force

),

-- The civil register's date counts. Where it has none the cause-of-death register will be asked
-- here, and only here, once it is part of the lake.
deaths as (

    select
        person_id,
        status_date as death_date
    from numbers_in_force
    where status_code = '90'

),

persons as (

    select
        numbers_in_force.person_id,
        numbers_in_force.sex,
        numbers_in_force.birth_date,
        numbers_in_force.status_code,
        numbers_in_force.status_date,
        deaths.death_date
    from numbers_in_force
    left join deaths on numbers_in_force.person_id = deaths.person_id

)

select * from persons
