-- One row per study, candidate person and step of kind primary_tumour: a primary tumour, not only
-- metastases.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'primary_tumour'

),

candidates as (

    select * from {{ ref('int_index_event') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    candidates.has_primary_tumour as is_met
from criteria
inner join candidates on criteria.study_id = candidates.study_id
