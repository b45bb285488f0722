-- One row per study, requisition with a case morphology, and skin place stated in it.
-- Morphology and topography need to share the requisition, not the specimen. A requisition that
-- states several specific places lies at each of them.
with

requisitions as (

    select * from {{ ref('int_requisition') }}

),

codes as (

    select * from {{ ref('int_requisition_code') }}

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
        substring(codes.snomed_code, 1, 5) as five_characters,
        {{ side('codes.snomed_code') }} as side,
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
            and {{ begins_with('codes.snomed_code', 'skin.code') }}
            and {{ is_valid_on('skin', 'requisitions.requisition_date') }}
    left join unspecific
        on
            requisitions.study_id = unspecific.study_id
            and codes.snomed_code = unspecific.code

),

-- The side that the requisition states of a place: none where it states both.
told as (

    select
        *,
        min(case when is_unspecific then 1 else 0 end)
            over (partition by study_id, person_id, k_inst, k_rekvnr) as has_only_unspecific,
        case
            when min(side) over same_place = max(side) over same_place
                then min(side) over same_place
        end as stated_side
    from stated
    window same_place as (
        partition by study_id, person_id, k_inst, k_rekvnr, five_characters
    )

)

-- An unspecific code says nothing beside a specific one of the same requisition, nor does a place
-- without side beside its one side.
select distinct
    study_id,
    person_id,
    k_inst,
    k_rekvnr,
    requisition_date,
    stated_side,
    is_unspecific,
    five_characters || coalesce(side, stated_side, '') as place
from told
where not is_unspecific or has_only_unspecific = 1
