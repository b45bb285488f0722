-- One row per diagnosis of a hospital contact in LPR2. Renames and casts only.
with

source as (

    select * from {{ source('lpr2', 't_diag') }}

),

renamed as (

    select
        ---------- who and which
        person_id,

        ---------- what
        c_diag as diagnosis_code,
        {{ code_system_of('c_diag') }} as code_system,
        c_diagtype as diagnosis_type_code,
        c_diagmod as diagnosis_modifier_code,
        c_tildiag as additional_code,

        ---------- where it came from
        period,
        source_row,

        ---------- in one spelling
        {{ contact_key('v_recnum') }} as contact_id

    from source

)

select * from renamed
