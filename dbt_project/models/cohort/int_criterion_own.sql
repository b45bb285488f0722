-- One row per study, candidate person and step that asks for no other study's cohort: whether the
-- criterion is met. The kinds are those of etl.studies.CRITERION_KINDS and of the files
-- int_criterion_<kind>.sql; a test holds the three lists together.
{% set kinds = [
    'age_at_index',
    'diagnosed_before',
    'not_diagnosed_before',
    'primary_tumour',
    'reviewed',
    'confirmed_on_review',
    'index_date_in_period',
    'resident_at_index',
    'alive_after_index',
    'follow_up_at_least',
] %}

with

criteria as (

    {% for kind in kinds %}
        select
            study_id,
            person_id,
            step,
            is_met
        from {{ ref('int_criterion_' ~ kind) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

)

select * from criteria
