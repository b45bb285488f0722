-- One row per study, code list and code: requisitions that carry it, and those outside its era.
-- Morphologies are counted in the whole pathology register, topographies on the requisitions with a
-- case morphology. A code outside its era counts for nothing in the study; that it was used is a
-- finding, about the list or about the register.
with

codes as (

    select * from {{ source('study', 'code') }}

),

case_rows as (

    select * from {{ ref('int_case_row') }}

),

case_codes as (

    select distinct
        study_id,
        person_id,
        k_inst,
        k_rekvnr
    from {{ ref('int_case_code') }}

),

requisition_codes as (

    select * from {{ ref('int_requisition_code') }}

),

-- A morphology stands whole in its list, an unspecific topography too, and a topography by its
-- beginning.
used as (

    select
        study_id,
        'case_morphology' as list,
        code,
        person_id,
        k_inst,
        k_rekvnr,
        requisition_date,
        is_in_era
    from case_rows

    union all

    select
        case_codes.study_id,
        codes.list,
        codes.code,
        requisition_codes.person_id,
        requisition_codes.k_inst,
        requisition_codes.k_rekvnr,
        requisition_codes.requisition_date,
        {{ is_valid_on('codes', 'requisition_codes.requisition_date') }} as is_in_era
    from requisition_codes
    inner join case_codes
        on
            requisition_codes.person_id = case_codes.person_id
            and requisition_codes.k_inst = case_codes.k_inst
            and requisition_codes.k_rekvnr = case_codes.k_rekvnr
    inner join codes
        on
            case_codes.study_id = codes.study_id
            and (
                (
                    codes.list = 'case_topography'
                    and {{ begins_with('requisition_codes.snomed_code', 'codes.code') }}
                )
                or (
                    codes.list = 'unspecific_topography'
                    and requisition_codes.snomed_code = codes.code
                )
            )

),

requisitions as (

    select
        study_id,
        list,
        code,
        person_id,
        k_inst,
        k_rekvnr,
        min(requisition_date) as requisition_date,
        max(case when is_in_era then 1 else 0 end) as n_in_era
    from used
    group by
        study_id,
        list,
        code,
        person_id,
        k_inst,
        k_rekvnr

),

counted as (

    select
        study_id,
        list,
        code,
        count(*) as n_requisitions,
        sum(1 - n_in_era) as n_outside_era,
        min(requisition_date) as first_date,
        max(requisition_date) as last_date
    from requisitions
    group by
        study_id,
        list,
        code

)

select
    codes.study_id,
    codes.list,
    codes.code,
    codes.name,
    codes.system,
    codes.valid_from,
    codes.valid_to,
    codes.source,
    cast(coalesce(counted.n_requisitions, 0) as bigint) as n_requisitions,
    cast(coalesce(counted.n_outside_era, 0) as bigint) as n_outside_era,
    counted.first_date,
    counted.last_date
from codes
left join counted
    on
        codes.study_id = counted.study_id
        and codes.list = counted.list
        and codes.code = counted.code
