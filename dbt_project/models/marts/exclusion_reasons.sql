-- One row per study and candidate person: the first criterion that failed, and all of them as bits.
with

answers as (

    select * from {{ ref('int_criterion') }}

),

criteria as (

    select * from {{ source('study', 'criterion') }}

),

index_events as (

    select * from {{ ref('int_index_event') }}

),

verdicts as (

    select
        study_id,
        person_id,
        min(case when not is_met then step end) as first_failed_step,
        string_agg(case when is_met then '1' else '0' end, '' order by step) as criteria_bits
    from answers
    group by
        study_id,
        person_id

)

select
    index_events.study_id,
    index_events.person_id,
    index_events.index_date,
    verdicts.first_failed_step,
    criteria.criterion as first_failed_criterion,
    verdicts.criteria_bits,
    verdicts.first_failed_step is null and verdicts.criteria_bits is not null as is_included
from index_events
left join verdicts
    on
        index_events.study_id = verdicts.study_id
        and index_events.person_id = verdicts.person_id
left join criteria
    on
        verdicts.study_id = criteria.study_id
        and verdicts.first_failed_step = criteria.step
