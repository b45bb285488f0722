-- One row per study, candidate person and step of kind not_diagnosed_before: no diagnosis of the
-- step's codes in the days before the index date. Nobody without an index date meets it.
with

criteria as (

    select * from {{ source('study', 'criterion') }}
    where kind = 'not_diagnosed_before'

),

looked_back as (

    select * from {{ ref('int_look_back') }}

)

select
    looked_back.study_id,
    looked_back.person_id,
    looked_back.step,
    looked_back.index_date is not null and looked_back.n_diagnoses = 0 as is_met
from looked_back
inner join criteria
    on
        looked_back.study_id = criteria.study_id
        and looked_back.step = criteria.step
