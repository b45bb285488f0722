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

-- The civil register's date counts. Where it has none the cause-of-death register will be asked
-- here, and only here, once it is part of the lake.
persons as (

    select
        person_id,
        sex,
        birth_date,
        status_code,
        status_date,
        case when status_code = '90' then status_date end as death_date
    from latest_first
    where recency = 1

)

select * from persons
