-- One row per study, requisition and behaviour of a case morphology. All else reads these few rows.
-- Behaviour is what follows M and four digits; X (obs pro) is a behaviour that no study asks for.
with

codes as (

    select * from {{ ref('stg_patobank__code') }}

),

case_morphologies as (

    select * from {{ source('study', 'code') }}
    where list = 'case_morphology'

),

case_codes as (

    select distinct
        case_morphologies.study_id,
        codes.person_id,
        codes.k_inst,
        codes.k_rekvnr,
        substring(codes.snomed_code, 6) as behaviour
    from codes
    inner join case_morphologies
        on
            substring(codes.snomed_code, 1, 5) = case_morphologies.code
            and {{ is_valid_on('case_morphologies', 'codes.requisition_date') }}

)

select * from case_codes
