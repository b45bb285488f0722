-- One row per study, candidate person and characteristic at baseline that is a number: age, and the
-- numbers of the review that a factor of the study divides. Missing where it is not known.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

review_columns as (

    select distinct
        factors.study_id,
        levels.source_column
    from {{ source('study', 'factor') }} as factors
    inner join {{ source('study', 'factor_level') }} as levels
        on
            factors.study_id = levels.study_id
            and factors.factor = levels.factor
    where factors.kind = 'review_number'

),

review_values as (

    select * from {{ ref('int_review_value') }}

)

select
    index_events.study_id,
    index_events.person_id,
    'age_years' as characteristic,
    cast(
        {{ age_in_years('persons.birth_date', 'index_events.index_date') }} as double
    ) as number_value
from index_events
left join persons on index_events.person_id = persons.person_id

union all

select
    index_events.study_id,
    index_events.person_id,
    review_columns.source_column as characteristic,
    review_values.number_value
from index_events
inner join review_columns on index_events.study_id = review_columns.study_id
left join review_values
    on
        index_events.review_record_id = review_values.record_id
        and review_columns.source_column = review_values.source_column
