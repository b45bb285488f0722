-- One row per person: the number in force, with the date of death that everything else uses.
with

rows_in_force as (

    select * from {{ ref('stg_cpr__person') }}
    where is_number_in_force

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
