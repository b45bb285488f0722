-- One row per review and thing that it says: the value as text, and as a number where it is one.
-- What is missing has no row.
with

reviews as (

    select * from {{ ref('stg_dlms_review__review') }}

),

told as (

    {% set columns = [
        'size_mm',
        'necrosis',
        'mitotic_grade',
        'perineural_invasion',
        'vascular_invasion',
        'margins',
        'subcutaneous_extension',
    ] %}
    {% for column in columns %}
    select
        record_id,
        '{{ column }}' as source_column,
        cast({{ column }} as {{ dbt.type_string() }}) as text_value,
        {% if column == 'margins' %}cast(null as double){% else %}cast({{ column }} as double){% endif %}
            as number_value
    from reviews
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select * from told
where text_value is not null
