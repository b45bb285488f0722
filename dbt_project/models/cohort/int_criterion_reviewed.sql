-- One row per study, candidate person and step of kind reviewed: a lesion whose slides could be
-- reviewed.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'reviewed'

),

candidates as (

    select * from {{ ref('int_index_event') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    candidates.has_review as is_met
from criteria
inner join candidates on criteria.study_id = candidates.study_id
