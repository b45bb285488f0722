-- One row per study, candidate person and step of kind index_date_in_period: the index date lies in
-- the period, both ends included, and no primary tumour was seen before the period began, reviewed
-- or not.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'index_date_in_period'

),

studies as (

    select * from {{ source('study', 'study') }}

),

candidates as (

    select * from {{ ref('int_index_event') }}

)

select
    criteria.study_id,
    candidates.person_id,
    criteria.step,
    coalesce(
        candidates.index_date between studies.period_start and studies.period_end
        and candidates.first_primary_date >= studies.period_start,
        false
    ) as is_met
from criteria
inner join studies on criteria.study_id = studies.study_id
inner join candidates on criteria.study_id = candidates.study_id
