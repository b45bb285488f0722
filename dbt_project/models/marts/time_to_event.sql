-- One row per study, included person and outcome not prevalent at index: days to the first of the
-- outcome (1), death before it (2) or the end of follow-up (0). Nobody enters late: everybody is at
-- risk from day 0.
with

cohort as (

    select * from {{ ref('cohort') }}

),

first_events as (

    select * from {{ ref('int_first_event') }}

)

select
    cohort.study_id,
    cohort.person_id,
    first_events.outcome,
    cast(0 as bigint) as entry_days,
    cast({{ days_between('cohort.index_date', 'first_events.event_date') }} as bigint) as days,
    cast(first_events.event_code as integer) as event_code,
    case when first_events.event_code = 0 then first_events.end_reason end as censor_reason
from cohort
inner join first_events
    on
        cohort.study_id = first_events.study_id
        and cohort.person_id = first_events.person_id
