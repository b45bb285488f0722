-- One row per study, candidate person and outcome that occurred: its earliest date, whenever it was.
-- From pathology by behaviour, place and day, and from the clinical database's own date.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

outcomes as (

    select * from {{ source('study', 'outcome') }}

),

studies as (

    select * from {{ source('study', 'study') }}

),

-- Every behaviour of a case morphology that an outcome asks for, at whatever place.
pathology_anywhere as (

    select
        case_codes.study_id,
        case_codes.person_id,
        behaviours.outcome,
        case_codes.k_inst,
        case_codes.k_rekvnr,
        requisitions.requisition_date
    from {{ ref('int_case_code') }} as case_codes
    inner join {{ source('study', 'outcome_behaviour') }} as behaviours
        on
            case_codes.study_id = behaviours.study_id
            and case_codes.behaviour = behaviours.behaviour
    inner join {{ ref('int_requisition') }} as requisitions
        on
            case_codes.study_id = requisitions.study_id
            and case_codes.person_id = requisitions.person_id
            and case_codes.k_inst = requisitions.k_inst
            and case_codes.k_rekvnr = requisitions.k_rekvnr

),

pathology_at_index_place as (

    select distinct
        index_events.study_id,
        index_events.person_id,
        places.k_inst,
        places.k_rekvnr
    from index_events
    inner join {{ ref('int_requisition_place') }} as places
        on
            index_events.study_id = places.study_id
            and index_events.person_id = places.person_id
            and {{ same_place(
                'places.topography_code',
                'places.is_unspecific',
                'index_events.place_code',
                'index_events.place_is_unspecific'
            ) }}

),

pathology as (

    select
        index_events.study_id,
        index_events.person_id,
        outcomes.outcome,
        pathology_anywhere.requisition_date as outcome_date
    from index_events
    inner join outcomes on index_events.study_id = outcomes.study_id
    inner join pathology_anywhere
        on
            outcomes.study_id = pathology_anywhere.study_id
            and outcomes.outcome = pathology_anywhere.outcome
            and index_events.person_id = pathology_anywhere.person_id
    left join pathology_at_index_place as at_place
        on
            pathology_anywhere.study_id = at_place.study_id
            and pathology_anywhere.person_id = at_place.person_id
            and pathology_anywhere.k_inst = at_place.k_inst
            and pathology_anywhere.k_rekvnr = at_place.k_rekvnr
    where
        (outcomes.place = 'anywhere' or at_place.person_id is not null)
        and (
            outcomes.from_day is null
            or {{ days_between('index_events.index_date', 'pathology_anywhere.requisition_date') }}
            >= outcomes.from_day
        )

),

-- A row of the clinical database belongs to the index tumour when its diagnosis is close to the
-- index date, on either side.
clinical_rows as (

    select
        index_events.study_id,
        index_events.person_id,
        index_events.index_date,
        sarcomas.local_recurrence_date,
        sarcomas.metastasis_date
    from index_events
    inner join studies on index_events.study_id = studies.study_id
    inner join {{ ref('stg_dsd__sarcoma') }} as sarcomas
        on
            index_events.person_id = sarcomas.person_id
            and abs({{ days_between('index_events.index_date', 'sarcomas.diagnosis_date') }})
            <= studies.clinical_match_days

),

clinical as (

    select
        clinical_rows.study_id,
        clinical_rows.person_id,
        outcomes.outcome,
        case outcomes.clinical_column
            when 'local_recurrence_date' then clinical_rows.local_recurrence_date
            when 'metastasis_date' then clinical_rows.metastasis_date
        end as outcome_date
    from clinical_rows
    inner join outcomes on clinical_rows.study_id = outcomes.study_id
    where
        outcomes.from_day is null
        or {{ days_between(
            'clinical_rows.index_date',
            "case outcomes.clinical_column"
            ~ " when 'local_recurrence_date' then clinical_rows.local_recurrence_date"
            ~ " when 'metastasis_date' then clinical_rows.metastasis_date end"
        ) }} >= outcomes.from_day

),

every_occurrence as (

    select
        study_id,
        person_id,
        outcome,
        outcome_date
    from pathology

    union all

    select
        study_id,
        person_id,
        outcome,
        outcome_date
    from clinical

)

select
    study_id,
    person_id,
    outcome,
    min(outcome_date) as outcome_date
from every_occurrence
where outcome_date is not null
group by
    study_id,
    person_id,
    outcome
