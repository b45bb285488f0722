-- One row per person with a certificate of death: the day that it tells.
-- The cause-of-death register is three tables of different years, two of which hold 2022. Where
-- the day of death is missing the day counts on which the dead was found; of several the first.
with

certificates as (

    select
        person_id,
        death_date
    from {{ ref('stg_dar__death_to_2001') }}

    union all

    select
        person_id,
        coalesce(death_date, found_date) as death_date
    from {{ ref('stg_dar__death_2002_to_2022') }}

    union all

    select
        person_id,
        death_date
    from {{ ref('stg_dar__death_from_2022') }}

)

select
    person_id,
    min(death_date) as death_date
from certificates
where death_date is not null
group by person_id
