-- One row per study and candidate person: the first criterion that failed, and all of them as bits.
-- A criterion that nobody evaluated is not met: a missing answer never includes anyone.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

criteria as (

    select * from {{ source('study', 'criterion') }}

),

answers as (

    select * from {{ ref('int_criterion') }}

),

verdicts as (

    select
        index_events.study_id,
        index_events.person_id,
        index_events.index_date,
        min(case when not coalesce(answers.is_met, false) then criteria.step end)
            as first_failed_step,
        {{ joined_in_order(
            "case when coalesce(answers.is_met, false) then '1' else '0' end", 'criteria.step'
        ) }} as criteria_bits
    from index_events
    inner join criteria on index_events.study_id = criteria.study_id
    left join answers
        on
            index_events.study_id = answers.study_id
            and index_events.person_id = answers.person_id
            and criteria.step = answers.step
    group by
        index_events.study_id,
        index_events.person_id,
        index_events.index_date

)

select
    verdicts.study_id,
    verdicts.person_id,
    verdicts.index_date,
    cast(verdicts.first_failed_step as integer) as first_failed_step,
    criteria.criterion as first_failed_criterion,
    verdicts.criteria_bits,
    verdicts.first_failed_step is null as is_included
from verdicts
left join criteria
    on
        verdicts.study_id = criteria.study_id
        and verdicts.first_failed_step = criteria.step
