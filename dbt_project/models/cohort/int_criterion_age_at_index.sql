-- One row per study, candidate person and step of kind age_at_index: aged from the youngest age,
-- included, to below the first that is too old, in whole years on the index date. Nobody of an
-- unknown birth date meets it.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'age_at_index'

),

candidates as (

    select * from {{ ref('int_index_event') }}

),

persons as (

    select * from {{ ref('int_person') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    coalesce(
        {{ age_in_years('persons.birth_date', 'candidates.index_date') }} >= criteria.minimum_years
        and {{ age_in_years('persons.birth_date', 'candidates.index_date') }}
        < criteria.below_years,
        false
    ) as is_met
from criteria
inner join candidates on criteria.study_id = candidates.study_id
left join persons on candidates.person_id = persons.person_id
