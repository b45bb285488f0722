-- One row per person: sex, birth, status, death, and what is known of living in Denmark.
-- The day of death is the civil register's. Where that has none, whatever its status, the
-- cause-of-death register is asked: here, and only here. A hospital kills nobody: its word is kept
-- beside the two and held against them (marts.death_disagreement).
with

civil_status as (

    select * from {{ ref('int_civil_status') }}

),

certified_deaths as (

    select * from {{ ref('int_certified_death') }}

),

hospital_deaths as (

    select * from {{ ref('int_hospital_death') }}

),

spells as (

    select * from {{ ref('int_residence_spell') }}

),

cpr as (

    select max(complete_to_date) as complete_to_date
    from {{ ref('stg_kobling__register') }}
    where register = 'cpr'

),

residence as (

    select
        person_id,
        count(*) as n_residence_spells,
        case when count(first_date) = count(*) then min(first_date) end as first_date,
        max(coalesce(last_date, {{ far_future() }})) as last_date
    from spells
    group by person_id

),

danish_addresses as (

    select
        person_id,
        municipality,
        row_number() over (
            partition by person_id
            order by moved_in_date desc nulls last, source_row desc
        ) as recency
    from {{ ref('stg_cpr__address') }}
    where
        coalesce(correction_code, '') <> 'A'
        and not {{ is_in_greenland('municipality_code') }}

),

regions as (

    select * from {{ ref('municipality_region') }}

),

last_addresses as (

    select
        danish_addresses.person_id,
        regions.region
    from danish_addresses
    left join regions on danish_addresses.municipality = regions.municipality_code
    where danish_addresses.recency = 1

),

persons as (

    select
        civil_status.*,
        certified_deaths.death_date as certified_death_date,
        hospital_deaths.death_date as hospital_death_date,
        residence.first_date as first_known_date,
        residence.last_date,
        cpr.complete_to_date,
        coalesce(civil_status.civil_death_date, certified_deaths.death_date) as death_date,
        case
            when civil_status.civil_death_date is not null then 'civil_register'
            when certified_deaths.death_date is not null then 'cause_of_death_register'
        end as death_source,
        coalesce(last_addresses.region, 'unknown') as region,
        coalesce(residence.n_residence_spells, 0) as n_residence_spells
    from civil_status
    left join certified_deaths on civil_status.person_id = certified_deaths.person_id
    left join hospital_deaths on civil_status.person_id = hospital_deaths.person_id
    left join residence on civil_status.person_id = residence.person_id
    left join last_addresses on civil_status.person_id = last_addresses.person_id
    cross join cpr

)

select
    person_id,
    sex,
    birth_date,
    status_code,
    status_date,
    civil_death_date,
    certified_death_date,
    hospital_death_date,
    death_date,
    death_source,
    region,
    n_residence_spells,
    first_known_date,
    case
        when last_date is not null
            then least(
                last_date,
                coalesce(death_date, {{ far_future() }}),
                coalesce(complete_to_date, {{ far_future() }})
            )
    end as last_known_date
from persons
