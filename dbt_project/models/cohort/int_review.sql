-- One row per reviewed requisition: its latest review. A blank one stays here, as not reviewable.
-- Reviews hang on the requisition (k_inst and k_rekvnr), not on the person.
with

reviews as (

    select * from {{ ref('stg_dlms_review__review') }}

),

latest_first as (

    select
        record_id,
        k_inst,
        k_rekvnr,
        who_diagnosis,
        row_number() over (
            partition by k_inst, k_rekvnr
            order by reviewed_date desc nulls last, record_id desc
        ) as recency
    from reviews

)

select
    record_id,
    k_inst,
    k_rekvnr,
    who_diagnosis
from latest_first
where recency = 1
