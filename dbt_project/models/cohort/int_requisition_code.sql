-- One row per requisition with a case morphology of any study, and SNOMED code stated in it.
-- The second and last reading of the pathology register: everything about a requisition is here.
with

requisitions as (

    select distinct
        person_id,
        k_inst,
        k_rekvnr
    from {{ ref('int_case_code') }}

),

codes as (

    select * from {{ ref('stg_patobank__code') }}

),

requisition_codes as (

    select
        codes.person_id,
        codes.k_inst,
        codes.k_rekvnr,
        codes.snomed_code,
        min(codes.requisition_date) as stated_date
    from requisitions
    inner join codes
        on
            requisitions.person_id = codes.person_id
            and requisitions.k_inst = codes.k_inst
            and requisitions.k_rekvnr = codes.k_rekvnr
    group by
        codes.person_id,
        codes.k_inst,
        codes.k_rekvnr,
        codes.snomed_code

)

-- A requisition has one day. Where its rows disagree the earliest counts.
select
    person_id,
    k_inst,
    k_rekvnr,
    snomed_code,
    min(stated_date) over (partition by person_id, k_inst, k_rekvnr) as requisition_date
from requisition_codes
