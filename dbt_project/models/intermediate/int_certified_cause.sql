-- One row per person, and underlying cause that a certificate of death tells.
-- To 2001 the first cause of the certificate counts, later the underlying one as it was selected.
with

certificates as (

    select
        person_id,
        cause_1_code as underlying_cause_code
    from {{ ref('stg_dar__death_to_2001') }}

    union all

    select
        person_id,
        underlying_cause_code
    from {{ ref('stg_dar__death_2002_to_2022') }}

    union all

    select
        person_id,
        underlying_cause_code
    from {{ ref('stg_dar__death_from_2022') }}

)

select distinct
    person_id,
    underlying_cause_code
from certificates
where underlying_cause_code is not null
