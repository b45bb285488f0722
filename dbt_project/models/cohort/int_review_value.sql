-- One row per review and thing that it says: the value as text, and as a number where it is one.
-- What is missing has no row.
{% set numbers = [
    'size_mm',
    'necrosis',
    'mitotic_grade',
    'perineural_invasion',
    'vascular_invasion',
    'subcutaneous_extension',
] %}

with

reviews as (

    select * from {{ ref('stg_dlms_review__review') }}

),

told as (

    {% for column in numbers %}
        select
            record_id,
            '{{ column }}' as source_column,
            cast({{ column }} as string) as text_value,
            cast({{ column }} as double) as number_value
        from reviews
        union all
    {% endfor %}
    select
        record_id,
        'margins' as source_column,
        margins as text_value,
        cast(null as double) as number_value
    from reviews

)

select * from told
where text_value is not null
