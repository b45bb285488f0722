-- One row per study, person and lesion: its first requisition, and the review that decides on it.
-- The review of the first requisition decides; where it is missing or blank, that of the next
-- reviewed requisition of the lesion.
with

lesion_requisitions as (

    select * from {{ ref('int_lesion_requisition') }}

),

reviews as (

    select * from {{ ref('int_review') }}
    where who_diagnosis is not null

),

confirmed_values as (

    select * from {{ source('study', 'confirmed') }}

),

in_order as (

    select
        *,
        row_number() over (
            partition by study_id, person_id, lesion_number
            order by requisition_date, k_inst, k_rekvnr
        ) as place_in_lesion
    from lesion_requisitions

),

first_requisitions as (

    select * from in_order
    where place_in_lesion = 1

),

deciding_reviews as (

    select
        in_order.study_id,
        in_order.person_id,
        in_order.lesion_number,
        reviews.record_id,
        reviews.who_diagnosis,
        row_number() over (
            partition by in_order.study_id, in_order.person_id, in_order.lesion_number
            order by in_order.place_in_lesion
        ) as nth_review
    from in_order
    inner join reviews
        on
            in_order.k_inst = reviews.k_inst
            and in_order.k_rekvnr = reviews.k_rekvnr

),

lesions as (

    select
        first_requisitions.study_id,
        first_requisitions.person_id,
        first_requisitions.lesion_number,
        first_requisitions.k_inst,
        first_requisitions.k_rekvnr,
        first_requisitions.opened_on,
        first_requisitions.places,
        deciding_reviews.record_id as review_record_id,
        deciding_reviews.record_id is not null as is_reviewed,
        confirmed_values.who_diagnosis is not null as is_confirmed
    from first_requisitions
    left join deciding_reviews
        on
            first_requisitions.study_id = deciding_reviews.study_id
            and first_requisitions.person_id = deciding_reviews.person_id
            and first_requisitions.lesion_number = deciding_reviews.lesion_number
            and deciding_reviews.nth_review = 1
    left join confirmed_values
        on
            first_requisitions.study_id = confirmed_values.study_id
            and deciding_reviews.who_diagnosis = confirmed_values.who_diagnosis

)

select * from lesions
