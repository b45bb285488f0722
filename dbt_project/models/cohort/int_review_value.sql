-- One row per review and thing that it says: column and value as text, missing left out.
with

reviews as (

    select * from {{ ref('stg_dlms_review__review') }}

),

values_as_text as (

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
        cast({{ column }} as {{ dbt.type_string() }}) as value
    from reviews
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select * from values_as_text
where value is not null
