-- One row per study, included person and factor: its level; missing where it is not known.
with

cohort as (

    select * from {{ ref('cohort') }}

),

factors as (

    select * from {{ source('study', 'factor') }}

),

levels as (

    select * from {{ ref('int_factor_review') }}

    union all

    select * from {{ ref('int_factor_person') }}

    union all

    select * from {{ ref('int_factor_combined') }}

)

select
    cohort.study_id,
    cohort.person_id,
    factors.factor,
    levels.level
from cohort
inner join factors on cohort.study_id = factors.study_id
left join levels
    on
        cohort.study_id = levels.study_id
        and cohort.person_id = levels.person_id
        and factors.factor = levels.factor
