-- One row per study, candidate person and step: whether the criterion is met.
-- What a study asks of its own candidates, and what it asks of another study's cohort.
{% set kinds = [
    'in_cohort',
    'not_in_cohort',
] %}

with

criteria as (

    select
        study_id,
        person_id,
        step,
        is_met
    from {{ ref('int_criterion_own') }}

    {% for kind in kinds %}
        union all

        select
            study_id,
            person_id,
            step,
            is_met
        from {{ ref('int_criterion_' ~ kind) }}
    {% endfor %}

)

select * from criteria
