-- One row per study, candidate person and outcome of the tumour that occurred: its earliest date,
-- whenever that was. From pathology by behaviour, place and day, and from the clinical database's
-- own date.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

outcomes as (

    select * from {{ source('study', 'outcome') }}

),

behaviours as (

    select * from {{ source('study', 'outcome_behaviour') }}

),

studies as (

    select * from {{ source('study', 'study') }}

),

case_codes as (

    select * from {{ ref('int_case_code') }}

),

requisitions as (

    select * from {{ ref('int_requisition') }}

),

places as (

    select * from {{ ref('int_requisition_place') }}

),

sarcomas as (

    select * from {{ ref('stg_dsd__sarcoma') }}

),

at_index_place as (

    select distinct
        index_events.study_id,
        index_events.person_id,
        places.k_inst,
        places.k_rekvnr
    from index_events
    inner join places
        on
            index_events.study_id = places.study_id
            and index_events.person_id = places.person_id
            and {{ same_place(
                'places.place',
                'places.is_unspecific',
                'index_events.places'
            ) }}

),

-- Every behaviour of a case morphology that an outcome asks for, anywhere or at the index place.
pathology as (

    select
        outcomes.study_id,
        case_codes.person_id,
        outcomes.outcome,
        requisitions.requisition_date as outcome_date
    from outcomes
    inner join behaviours
        on
            outcomes.study_id = behaviours.study_id
            and outcomes.outcome = behaviours.outcome
    inner join case_codes
        on
            behaviours.study_id = case_codes.study_id
            and behaviours.behaviour = case_codes.behaviour
    inner join requisitions
        on
            case_codes.study_id = requisitions.study_id
            and case_codes.person_id = requisitions.person_id
            and case_codes.k_inst = requisitions.k_inst
            and case_codes.k_rekvnr = requisitions.k_rekvnr
    left join at_index_place
        on
            case_codes.study_id = at_index_place.study_id
            and case_codes.person_id = at_index_place.person_id
            and case_codes.k_inst = at_index_place.k_inst
            and case_codes.k_rekvnr = at_index_place.k_rekvnr
    where outcomes.place = 'anywhere' or at_index_place.person_id is not null

),

-- A row of the clinical database belongs to the index tumour when its diagnosis is close to the
-- index date, on either side.
clinical_rows as (

    select
        index_events.study_id,
        index_events.person_id,
        sarcomas.local_recurrence_date,
        sarcomas.metastasis_date
    from index_events
    inner join studies on index_events.study_id = studies.study_id
    inner join sarcomas
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

),

every_occurrence as (

    select * from pathology

    union all

    select * from clinical

)

-- What comes before an outcome's first possible day is a finding, and no outcome.
select
    every_occurrence.study_id,
    every_occurrence.person_id,
    every_occurrence.outcome,
    min(every_occurrence.outcome_date) as outcome_date
from every_occurrence
inner join index_events
    on
        every_occurrence.study_id = index_events.study_id
        and every_occurrence.person_id = index_events.person_id
inner join outcomes
    on
        every_occurrence.study_id = outcomes.study_id
        and every_occurrence.outcome = outcomes.outcome
where
    index_events.index_date is not null
    and every_occurrence.outcome_date is not null
    and coalesce(
        {{ days_between('index_events.index_date', 'every_occurrence.outcome_date') }}
        >= outcomes.from_day,
        true
    )
group by
    every_occurrence.study_id,
    every_occurrence.person_id,
    every_occurrence.outcome
