-- One row per person and outcome whose days are not counted from the index date, or who is
-- followed beyond death or the end of follow-up. Entry is day 0: nobody enters late, whenever the
-- review was.
with

cohort as (

    select * from {{ ref('cohort') }}

),

events as (

    select * from {{ ref('time_to_event') }}

)

select
    events.study_id,
    events.person_id,
    events.outcome,
    events.days,
    events.event_code
from events
inner join cohort
    on
        events.study_id = cohort.study_id
        and events.person_id = cohort.person_id
where
    cohort.follow_up_days
    <> {{ days_between('cohort.index_date', 'cohort.follow_up_end_date') }}
    or events.days > cohort.follow_up_days
    or events.days > {{ days_between('cohort.index_date', 'cohort.death_date') }}
    or (events.event_code = 0 and events.days <> cohort.follow_up_days)
    or (
        events.event_code = 2
        and coalesce(
            events.days <> {{ days_between('cohort.index_date', 'cohort.death_date') }}, true
        )
    )
