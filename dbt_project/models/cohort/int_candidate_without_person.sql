-- One row per study and candidate requisition whose number leads to no person: malformed ones,
-- quarantined at landing, and unlinked ones together, with the reason.
with

codes as (

    select * from {{ ref('stg_patobank__code_without_person') }}

),

case_morphologies as (

    select * from {{ source('study', 'code') }}
    where list = 'case_morphology'

),

case_topographies as (

    select * from {{ source('study', 'code') }}
    where list = 'case_topography'

),

candidate_behaviours as (

    select * from {{ source('study', 'behaviour') }}
    where role = 'candidate'

),

-- Where the rows of a requisition give several reasons the first by the alphabet stands.
with_case_morphology as (

    select
        case_morphologies.study_id,
        codes.k_inst,
        codes.k_rekvnr,
        min(codes.reason) as reason
    from codes
    inner join case_morphologies
        on
            substring(codes.snomed_code, 1, 5) = case_morphologies.code
            and {{ is_valid_on('case_morphologies', 'codes.requisition_date') }}
    inner join candidate_behaviours
        on
            case_morphologies.study_id = candidate_behaviours.study_id
            and substring(codes.snomed_code, 6) = candidate_behaviours.behaviour
    group by
        case_morphologies.study_id,
        codes.k_inst,
        codes.k_rekvnr

),

on_skin as (

    select distinct
        case_topographies.study_id,
        codes.k_inst,
        codes.k_rekvnr
    from codes
    inner join case_topographies
        on
            {{ begins_with('codes.snomed_code', 'case_topographies.code') }}
            and {{ is_valid_on('case_topographies', 'codes.requisition_date') }}

)

select
    with_case_morphology.study_id,
    with_case_morphology.k_inst,
    with_case_morphology.k_rekvnr,
    with_case_morphology.reason
from with_case_morphology
inner join on_skin
    on
        with_case_morphology.study_id = on_skin.study_id
        and with_case_morphology.k_inst = on_skin.k_inst
        and with_case_morphology.k_rekvnr = on_skin.k_rekvnr
