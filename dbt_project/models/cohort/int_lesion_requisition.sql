-- One row per study, person, lesion and requisition in it, with the lesion's first day and places.
-- A lesion is the primary-tumour requisitions at one place from its first day to the last day of
-- its fixed window. What comes later at the same place opens a new episode here; if the lesion
-- before it was the confirmed index lesion, the outcome models read it as a recurrence instead.
with recursive

mentions as (

    select
        places.study_id,
        places.person_id,
        places.k_inst,
        places.k_rekvnr,
        places.requisition_date,
        places.place,
        places.is_unspecific,
        places.stated_side,
        studies.lesion_days,
        0 as lesion_number
    from {{ ref('int_requisition_place') }} as places
    inner join {{ ref('int_candidate_requisition') }} as candidates
        on
            places.study_id = candidates.study_id
            and places.person_id = candidates.person_id
            and places.k_inst = candidates.k_inst
            and places.k_rekvnr = candidates.k_rekvnr
            and candidates.is_primary_tumour
    inner join {{ source('study', 'study') }} as studies
        on places.study_id = studies.study_id

),

rounds as (

    {{ lesion_round('mentions', '1') }}

    union all

    {{ lesion_round('rounds where not belongs', 'lesion_number + 1') }}

),

-- A requisition that states several of the places is in the lesion once.
lesion_requisitions as (

    select distinct
        study_id,
        person_id,
        lesion_number,
        k_inst,
        k_rekvnr,
        requisition_date,
        opened_on,
        places
    from rounds
    where belongs

)

select * from lesion_requisitions
