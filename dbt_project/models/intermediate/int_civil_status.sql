-- One row per person of the civil register: sex, birth date and status by the number in force.
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

)

select
    person_id,
    sex,
    birth_date,
    status_code,
    status_date,
    case when status_code = '90' then status_date end as civil_death_date
from latest_first
where recency = 1
