-- One row per study, candidate person and step of kind alive_after_index: not dead on or before the
-- index date (found at autopsy).
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'alive_after_index'

),

candidates as (

    select * from {{ ref('int_follow_up') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    candidates.index_date is not null
    and coalesce(candidates.death_date > candidates.index_date, true) as is_met
from criteria
inner join candidates on criteria.study_id = candidates.study_id
