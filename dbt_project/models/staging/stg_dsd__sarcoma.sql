-- One row per sarcoma seen at a sarcoma centre. Renames and casts only.
with

source as (

    select * from {{ source('dsd', 'sarcoma') }}

),

renamed as (

    select
        ---------- who
        person_id,

        ---------- what
        location,
        size_mm,
        grade,
        depth,
        margin,
        radiotherapy as has_radiotherapy,
        chemotherapy as has_chemotherapy,

        ---------- when
        diagnosis_date,
        local_recurrence_date,
        metastasis_date,

        ---------- where it came from
        source_row

    from source

)

select * from renamed
