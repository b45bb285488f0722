-- One row per diagnosis of a hospital contact in LPR3. Renames and casts only.
with

source as (

    select * from {{ source('lpr3', 'diagnoser') }}

),

renamed as (

    select
        ---------- who and which
        person_id,

        ---------- what
        diagnosekode as diagnosis_code,
        {{ code_system_of('diagnosekode') }} as code_system,
        diagnosetype as diagnosis_type_code,
        senere_afkraeftet as retracted,
        diagnosekode_parent as parent_diagnosis_code,
        lprindberetningssystem as reporting_system,

        ---------- where it came from
        period,
        source_row,

        ---------- in one spelling
        {{ contact_key('dw_ek_kontakt') }} as contact_id

    from source

)

select * from renamed
