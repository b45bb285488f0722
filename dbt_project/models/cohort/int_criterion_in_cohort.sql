-- One row per study, candidate person and step of kind in_cohort: in the cohort of another
-- study, whatever the index date there.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'in_cohort'

),

candidates as (

    select * from {{ ref('int_index_event') }}

),

others as (

    select * from {{ ref('int_own_cohort') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    others.person_id is not null as is_met
from criteria
inner join candidates on criteria.study_id = candidates.study_id
left join others
    on
        criteria.cohort = others.study_id
        and candidates.person_id = others.person_id
