-- One row per study and candidate requisition: case morphology of a candidate behaviour, on skin.
with

case_codes as (

    select * from {{ ref('int_case_code') }}

),

candidate_behaviours as (

    select * from {{ source('study', 'behaviour') }}
    where role = 'candidate'

),

primary_behaviours as (

    select * from {{ source('study', 'behaviour') }}
    where role = 'primary'

),

on_skin as (

    select distinct
        study_id,
        person_id,
        k_inst,
        k_rekvnr,
        requisition_date
    from {{ ref('int_requisition_place') }}

),

candidate_requisitions as (

    select
        on_skin.study_id,
        on_skin.person_id,
        on_skin.k_inst,
        on_skin.k_rekvnr,
        on_skin.requisition_date,
        max(case when primary_behaviours.behaviour is not null then 1 else 0 end) = 1
            as is_primary_tumour
    from on_skin
    inner join case_codes
        on
            on_skin.study_id = case_codes.study_id
            and on_skin.person_id = case_codes.person_id
            and on_skin.k_inst = case_codes.k_inst
            and on_skin.k_rekvnr = case_codes.k_rekvnr
    inner join candidate_behaviours
        on
            case_codes.study_id = candidate_behaviours.study_id
            and case_codes.behaviour = candidate_behaviours.behaviour
    left join primary_behaviours
        on
            case_codes.study_id = primary_behaviours.study_id
            and case_codes.behaviour = primary_behaviours.behaviour
    group by
        on_skin.study_id,
        on_skin.person_id,
        on_skin.k_inst,
        on_skin.k_rekvnr,
        on_skin.requisition_date

)

select * from candidate_requisitions
