-- One row per SNOMED code of a specimen of a requisition. Renames and casts only.
with

source as (

    select * from {{ source('patobank', 'pato') }}

),

renamed as (

    select
        ---------- who and which
        person_id,
        k_inst,
        k_rekvnr,
        k_matnr as specimen_number,
        k_sekvensnr as sequence_number,

        ---------- what
        c_mattype as specimen_kind_code,
        {{ repaired_snomed('c_snomedkode') }} as snomed_code,

        ---------- when
        d_rekvdato as requisition_date,
        d_modtdato as received_date,
        d_svardato as answered_date,

        ---------- where it came from
        period,
        source_row

    from source

)

select * from renamed
