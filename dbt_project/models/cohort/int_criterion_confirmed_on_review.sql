-- One row per study, candidate person and step of kind confirmed_on_review: a lesion that the
-- review confirms.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'confirmed_on_review'

),

candidates as (

    select * from {{ ref('int_index_event') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    candidates.is_confirmed as is_met
from criteria
inner join candidates on criteria.study_id = candidates.study_id
