-- One row per person whose outcome came before the first day on which it can occur.
with

events as (

    select * from {{ ref('time_to_event') }}
    where event_code = 1

),

outcomes as (

    select * from {{ source('study', 'outcome') }}

)

select
    events.study_id,
    events.person_id,
    events.outcome,
    events.days
from events
inner join outcomes
    on
        events.study_id = outcomes.study_id
        and events.outcome = outcomes.outcome
where events.days < coalesce(outcomes.from_day, 1)
