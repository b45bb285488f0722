-- One row per study and person who meets all that the study asks of its own candidates.
-- Of a study that asks for no other study's cohort these are its cohort.
with

criteria as (

    select
        study_id,
        count(*) as n_criteria
    from {{ source('study', 'criterion') }}
    where kind not in ('in_cohort', 'not_in_cohort')
    group by study_id

),

answers as (

    select
        study_id,
        person_id,
        sum(case when is_met then 1 else 0 end) as n_met
    from {{ ref('int_criterion_own') }}
    group by
        study_id,
        person_id

)

select
    answers.study_id,
    answers.person_id
from answers
inner join criteria on answers.study_id = criteria.study_id
where answers.n_met = criteria.n_criteria
