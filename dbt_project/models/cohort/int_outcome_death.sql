-- One row per study, candidate person and outcome of kind death that occurred: the day of death, of
-- any cause or of an underlying cause that begins with one of the outcome's codes.
-- The day is the person's (intermediate.int_person), whatever the certificate says.
with

index_events as (

    select * from {{ ref('int_index_event') }}
    where index_date is not null

),

outcomes as (

    select * from {{ source('study', 'outcome') }}
    where kind = 'death'

),

codes as (

    select * from {{ source('study', 'outcome_code') }}

),

persons as (

    select * from {{ ref('int_person') }}
    where death_date is not null

),

causes as (

    select * from {{ ref('int_certified_cause') }}

),

outcomes_of_any_cause as (

    select
        outcomes.study_id,
        outcomes.outcome
    from outcomes
    left join codes
        on
            outcomes.study_id = codes.study_id
            and outcomes.outcome = codes.outcome
    where codes.code is null

),

deaths as (

    select
        outcomes_of_any_cause.study_id,
        outcomes_of_any_cause.outcome,
        persons.person_id,
        persons.death_date
    from outcomes_of_any_cause
    cross join persons

    union

    select
        outcomes.study_id,
        outcomes.outcome,
        persons.person_id,
        persons.death_date
    from outcomes
    inner join codes
        on
            outcomes.study_id = codes.study_id
            and outcomes.outcome = codes.outcome
    inner join causes on {{ begins_with('causes.underlying_cause_code', 'codes.code') }}
    inner join persons on causes.person_id = persons.person_id

)

select
    index_events.study_id,
    index_events.person_id,
    deaths.outcome,
    deaths.death_date as outcome_date
from index_events
inner join deaths
    on
        index_events.study_id = deaths.study_id
        and index_events.person_id = deaths.person_id
