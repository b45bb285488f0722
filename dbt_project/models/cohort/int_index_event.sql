-- One row per study and candidate person: the index date and the lesion it comes from.
-- The first confirmed lesion; where none is confirmed the first lesion, so that the steps before
-- can be counted; where there is no lesion (only metastases) there is no index date, and no
-- criterion that asks for one is met.
with

candidates as (

    select
        study_id,
        person_id,
        min(case when is_primary_tumour then requisition_date end) as first_primary_date
    from {{ ref('int_candidate_requisition') }}
    group by
        study_id,
        person_id

),

lesions_in_order as (

    select
        *,
        row_number() over (
            partition by study_id, person_id
            order by
                case when is_confirmed then 0 else 1 end,
                opened_on,
                k_inst,
                k_rekvnr,
                lesion_number
        ) as preference,
        max(case when is_reviewed then 1 else 0 end)
            over (partition by study_id, person_id) as has_review
    from {{ ref('int_lesion') }}

),

index_events as (

    select
        candidates.study_id,
        candidates.person_id,
        lesions_in_order.opened_on as index_date,
        candidates.first_primary_date,
        lesions_in_order.places,
        lesions_in_order.review_record_id,
        lesions_in_order.lesion_number is not null as has_primary_tumour,
        coalesce(lesions_in_order.has_review, 0) = 1 as has_review,
        coalesce(lesions_in_order.is_confirmed, false) as is_confirmed
    from candidates
    left join lesions_in_order
        on
            candidates.study_id = lesions_in_order.study_id
            and candidates.person_id = lesions_in_order.person_id
            and lesions_in_order.preference = 1

)

select * from index_events
