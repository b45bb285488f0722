-- One row per study, candidate person and factor from the person or the index date: its level.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

factors as (

    select * from {{ source('study', 'factor') }}
    where kind in ('sex', 'age_at_index', 'index_date')

),

levels as (

    select * from {{ source('study', 'factor_level') }}

),

facts as (

    select
        index_events.study_id,
        index_events.person_id,
        index_events.index_date,
        persons.sex,
        {{ age_in_years('persons.birth_date', 'index_events.index_date') }} as age_years
    from index_events
    left join persons on index_events.person_id = persons.person_id

)

select
    facts.study_id,
    facts.person_id,
    factors.factor,
    levels.level
from facts
inner join factors on facts.study_id = factors.study_id
inner join levels
    on
        factors.study_id = levels.study_id
        and factors.factor = levels.factor
        and (
            (factors.kind = 'sex' and levels.value = facts.sex)
            or (
                factors.kind = 'age_at_index'
                and facts.age_years >= levels.from_number
                and facts.age_years < levels.below_number
            )
            or (
                factors.kind = 'index_date'
                and facts.index_date >= levels.from_date
                and facts.index_date < levels.before_date
            )
        )
