-- One row per reviewed requisition: its latest review. A blank one stays here, as not reviewable.
with

reviews as (

    select * from {{ ref('stg_dlms_review__review') }}

),

latest_first as (

    select
        *,
        row_number() over (
            partition by k_inst, k_rekvnr
            order by reviewed_date desc nulls last, record_id desc
        ) as recency
    from reviews

)

select * exclude (recency) from latest_first
where recency = 1
