-- One row per study, candidate person and step of kind resident_at_index: resident in Denmark on
-- the index date.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'resident_at_index'

),

candidates as (

    select * from {{ ref('int_residence') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    candidates.is_resident_at_index as is_met
from criteria
inner join candidates on criteria.study_id = candidates.study_id
