-- One row per study and included person.
with

verdicts as (

    select * from {{ ref('exclusion_reasons') }}
    where is_included

),

index_events as (

    select * from {{ ref('int_index_event') }}

),

follow_up as (

    select * from {{ ref('int_follow_up') }}

),

persons as (

    select * from {{ ref('int_person') }}

)

select
    verdicts.study_id,
    verdicts.person_id,
    index_events.index_date,
    follow_up.follow_up_end_date,
    follow_up.end_reason as follow_up_end_reason,
    cast(follow_up.follow_up_days as bigint) as follow_up_days,
    follow_up.death_date,
    persons.sex,
    persons.birth_date,
    cast({{ age_in_years('persons.birth_date', 'index_events.index_date') }} as integer)
        as age_years,
    trim(both '|' from index_events.places) as index_places
from verdicts
inner join index_events
    on
        verdicts.study_id = index_events.study_id
        and verdicts.person_id = index_events.person_id
inner join follow_up
    on
        verdicts.study_id = follow_up.study_id
        and verdicts.person_id = follow_up.person_id
left join persons on verdicts.person_id = persons.person_id
