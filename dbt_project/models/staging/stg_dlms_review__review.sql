-- One row per review of a requisition. Renames and casts only.
with

source as (

    select * from {{ source('dlms_review', 'review') }}

),

renamed as (

    select
        ---------- who and which
        person_id,
        record_id,
        k_inst,
        k_rekvnr,

        ---------- what
        who_diagnosis,
        size_mm,
        necrosis,
        mitotic_grade,
        perineural_invasion,
        vascular_invasion,
        margins,
        subcutaneous_extension,

        ---------- when
        reviewed_on as reviewed_date,

        ---------- where it came from
        source_row

    from source

)

select * from renamed
