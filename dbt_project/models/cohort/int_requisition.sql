-- One row per study and requisition that carries a case morphology: its day.
with

case_codes as (

    select * from {{ ref('int_case_code') }}

),

requisition_codes as (

    select * from {{ ref('int_requisition_code') }}

),

requisitions as (

    select distinct
        case_codes.study_id,
        case_codes.person_id,
        case_codes.k_inst,
        case_codes.k_rekvnr,
        requisition_codes.requisition_date
    from case_codes
    inner join requisition_codes
        on
            case_codes.person_id = requisition_codes.person_id
            and case_codes.k_inst = requisition_codes.k_inst
            and case_codes.k_rekvnr = requisition_codes.k_rekvnr

)

select * from requisitions
