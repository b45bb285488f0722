-- One row per study, candidate person and factor from the review: its level, where it is known.
-- One column, or several of which any known yes is a yes and only all known no a no.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

factors as (

    select * from {{ source('study', 'factor') }}
    where kind in ('review_value', 'review_number', 'review_any')

),

levels as (

    select * from {{ source('study', 'factor_level') }}

),

review_values as (

    select * from {{ ref('int_review_value') }}

),

column_levels as (

    select
        index_events.study_id,
        index_events.person_id,
        factors.factor,
        factors.n_columns,
        factors.yes_level,
        levels.source_column,
        levels.level
    from index_events
    inner join factors on index_events.study_id = factors.study_id
    inner join levels
        on
            factors.study_id = levels.study_id
            and factors.factor = levels.factor
    inner join review_values
        on
            index_events.review_record_id = review_values.record_id
            and levels.source_column = review_values.source_column
            and (
                levels.value = review_values.text_value
                or (
                    review_values.number_value >= levels.from_number
                    and review_values.number_value < levels.below_number
                )
            )

),

person_levels as (

    select
        study_id,
        person_id,
        factor,
        case
            when max(case when level = yes_level then 1 else 0 end) = 1 then max(yes_level)
            when count(distinct source_column) = max(n_columns) then min(level)
        end as level
    from column_levels
    group by
        study_id,
        person_id,
        factor

)

select * from person_levels
where level is not null
