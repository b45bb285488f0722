-- One row per study and requisition that carries a case morphology: its day.
with

case_codes as (

    select * from {{ ref('int_case_code') }}

),

codes as (

    select * from {{ ref('stg_patobank__code') }}

),

case_requisitions as (

    select distinct
        study_id,
        person_id,
        k_inst,
        k_rekvnr
    from case_codes

),

requisitions as (

    select
        case_requisitions.study_id,
        case_requisitions.person_id,
        case_requisitions.k_inst,
        case_requisitions.k_rekvnr,
        min(codes.requisition_date) as requisition_date
    from case_requisitions
    inner join codes
        on
            case_requisitions.person_id = codes.person_id
            and case_requisitions.k_inst = codes.k_inst
            and case_requisitions.k_rekvnr = codes.k_rekvnr
    group by
        case_requisitions.study_id,
        case_requisitions.person_id,
        case_requisitions.k_inst,
        case_requisitions.k_rekvnr

)

select * from requisitions
