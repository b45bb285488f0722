-- One row per study, candidate person and combined factor: high where any part is known to be high,
-- low where all parts are known and none is high; else missing and not here.
with

part_levels as (

    select * from {{ ref('int_factor_review') }}

    union all

    select * from {{ ref('int_factor_person') }}

),

parts as (

    select * from {{ source('study', 'factor_part') }}

),

factors as (

    select * from {{ source('study', 'factor') }}
    where kind = 'any_of'

),

combined as (

    select
        part_levels.study_id,
        part_levels.person_id,
        parts.factor,
        max(case when part_levels.level = parts.high_level then 1 else 0 end) as has_high,
        count(*) as n_known,
        max(factors.n_columns) as n_parts,
        max(factors.yes_level) as high_level,
        max(factors.reference) as low_level
    from part_levels
    inner join parts
        on
            part_levels.study_id = parts.study_id
            and part_levels.factor = parts.part
    inner join factors
        on
            parts.study_id = factors.study_id
            and parts.factor = factors.factor
    group by
        part_levels.study_id,
        part_levels.person_id,
        parts.factor

)

select
    study_id,
    person_id,
    factor,
    case when has_high = 1 then high_level else low_level end as level
from combined
where has_high = 1 or n_known = n_parts
