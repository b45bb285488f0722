-- One row per study, requisition, case morphology and behaviour, in the code's era or outside it.
-- The first reading of the pathology register; all else reads these few rows. Behaviour is what
-- follows M and four digits; X (obs pro) is a behaviour that no study asks for.
with

codes as (

    select * from {{ ref('stg_patobank__code') }}

),

case_morphologies as (

    select * from {{ source('study', 'code') }}
    where list = 'case_morphology'

),

case_rows as (

    select
        case_morphologies.study_id,
        codes.person_id,
        codes.k_inst,
        codes.k_rekvnr,
        case_morphologies.code,
        substring(codes.snomed_code, 6) as behaviour,
        min(codes.requisition_date) as requisition_date,
        max(
            case
                when {{ is_valid_on('case_morphologies', 'codes.requisition_date') }} then 1
                else 0
            end
        ) = 1 as is_in_era
    from codes
    inner join case_morphologies
        on substring(codes.snomed_code, 1, 5) = case_morphologies.code
    group by
        case_morphologies.study_id,
        codes.person_id,
        codes.k_inst,
        codes.k_rekvnr,
        case_morphologies.code,
        substring(codes.snomed_code, 6)

)

select * from case_rows
