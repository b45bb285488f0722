-- One row per candidate person: the number in force, with the date of death that all else uses.
with

candidates as (

    select distinct person_id from {{ ref('int_candidate_requisition') }}

),

persons_of_the_register as (

    select * from {{ ref('stg_cpr__person') }}

),

rows_in_force as (

    select persons_of_the_register.*
    from persons_of_the_register
    inner join candidates on persons_of_the_register.person_id = candidates.person_id
    where persons_of_the_register.is_number_in_force

),

-- The register promises one row per number. Where it sends two, the latest status counts.
latest_first as (

    select
        person_id,
        sex,
        birth_date,
        status_code,
        status_date,
        row_number() over (
            partition by person_id
            order by status_date desc nulls last, status_code desc, source_row asc
        ) as recency
    from rows_in_force

),

certified_deaths as (

    select * from {{ ref('int_certified_death') }}

),

latest as (

    select
        *,
        case when status_code = '90' then status_date end as civil_death_date
    from latest_first
    where recency = 1

),

-- The civil register's date counts. Where it has none, whatever its status, the cause-of-death
-- register is asked: here, and only here.
persons as (

    select
        latest.person_id,
        latest.sex,
        latest.birth_date,
        latest.status_code,
        latest.status_date,
        latest.civil_death_date,
        certified_deaths.death_date as certified_death_date,
        coalesce(latest.civil_death_date, certified_deaths.death_date) as death_date
    from latest
    left join certified_deaths on latest.person_id = certified_deaths.person_id

)

select * from persons
