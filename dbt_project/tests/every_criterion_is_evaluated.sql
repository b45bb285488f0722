-- One row per study, candidate person and step without exactly one answer. A kind of criterion
-- that no model evaluates, or a person whom a model forgets, must not slip into the cohort, nor
-- out of it.
with

candidates as (

    select distinct
        study_id,
        person_id
    from {{ ref('int_candidate_requisition') }}

),

criteria as (

    select * from {{ source('study', 'criterion') }}

),

answers as (

    select * from {{ ref('int_criterion') }}

)

select
    candidates.study_id,
    candidates.person_id,
    criteria.step,
    count(answers.is_met) as n_answers
from candidates
inner join criteria on candidates.study_id = criteria.study_id
left join answers
    on
        candidates.study_id = answers.study_id
        and candidates.person_id = answers.person_id
        and criteria.step = answers.step
group by
    candidates.study_id,
    candidates.person_id,
    criteria.step
having count(answers.is_met) <> 1
