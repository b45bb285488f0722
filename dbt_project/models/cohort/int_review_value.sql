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
{% set texts = ['margins', 'who_diagnosis'] %}

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
    {% for column in texts %}
        select
            record_id,
            '{{ column }}' as source_column,
            {{ column }} as text_value,
            cast(null as double) as number_value
        from reviews
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

)

select * from told
where text_value is not null
