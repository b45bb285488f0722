-- One row per study, candidate person and step of kind follow_up_at_least: followed for at least so
-- many days.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'follow_up_at_least'

),

candidates as (

    select * from {{ ref('int_follow_up') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    coalesce(candidates.follow_up_days >= criteria.minimum_days, false) as is_met
from criteria
inner join candidates on criteria.study_id = candidates.study_id
