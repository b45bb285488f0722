-- One row per study, requisition and behaviour of a case morphology that was valid on its day.
with

case_rows as (

    select * from {{ ref('int_case_row') }}
    where is_in_era

)

select distinct
    study_id,
    person_id,
    k_inst,
    k_rekvnr,
    behaviour
from case_rows
