-- One row per hospital contact in LPR3. Renames and casts only.
with

source as (

    select * from {{ source('lpr3', 'kontakter') }}

),

renamed as (

    select
        ---------- who and which
        person_id,

        ---------- what
        kontakttype as contact_kind_code,
        prioritet as priority_code,
        region_ans as region_code,
        hovedspeciale_ans as specialty,
        aktionsdiagnose as main_diagnosis_code,
        lprindberetningssystem as reporting_system,

        ---------- when
        dato_start as contact_start_date,
        tidspunkt_start as contact_start_seconds,
        dato_slut as contact_end_date,

        ---------- where it came from
        period,
        source_row,

        ---------- in one spelling
        {{ contact_key('dw_ek_kontakt') }} as contact_id

    from source

)

select * from renamed
