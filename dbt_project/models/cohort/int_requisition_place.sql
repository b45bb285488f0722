-- One row per study, requisition with a case morphology, and skin topography stated in it.
-- Morphology and topography need to share the requisition, not the specimen.
with

requisitions as (

    select * from {{ ref('int_requisition') }}

),

codes as (

    select * from {{ ref('stg_patobank__code') }}

),

skin as (

    select * from {{ source('study', 'code') }}
    where list = 'case_topography'

),

unspecific as (

    select * from {{ source('study', 'code') }}
    where list = 'unspecific_topography'

),

stated as (

    select distinct
        requisitions.study_id,
        requisitions.person_id,
        requisitions.k_inst,
        requisitions.k_rekvnr,
        requisitions.requisition_date,
        codes.snomed_code as topography_code,
        unspecific.code is not null as is_unspecific
    from requisitions
    inner join codes
        on
            requisitions.person_id = codes.person_id
            and requisitions.k_inst = codes.k_inst
            and requisitions.k_rekvnr = codes.k_rekvnr
    inner join skin
        on
            requisitions.study_id = skin.study_id
            and starts_with(codes.snomed_code, skin.code)
    left join unspecific
        on
            requisitions.study_id = unspecific.study_id
            and codes.snomed_code = unspecific.code

),

-- An unspecific code says nothing beside a specific one of the same requisition.
told as (

    select
        *,
        min(case when is_unspecific then 1 else 0 end)
            over (partition by study_id, person_id, k_inst, k_rekvnr) as has_only_unspecific
    from stated

)

select
    study_id,
    person_id,
    k_inst,
    k_rekvnr,
    requisition_date,
    topography_code,
    is_unspecific
from told
where not is_unspecific or has_only_unspecific = 1
