-- One row per SNOMED code whose number leads to no person. Renames and casts only.
with

source as (

    select * from {{ source('unlinked_patobank', 'pato') }}

),

renamed as (

    select
        ---------- who and which
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
        reason,
        stage,
        period,
        source_row

    from source

)

select * from renamed
