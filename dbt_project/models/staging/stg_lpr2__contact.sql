-- One row per hospital contact in LPR2. Renames and casts only.
with

source as (

    select * from {{ source('lpr2', 't_adm') }}

),

renamed as (

    select
        ---------- who and which
        person_id,

        ---------- what
        c_pattype as patient_kind_code,
        c_sgh as hospital_code,
        c_afd as department_code,
        {{ with_leading_zeros('c_spec', 2) }} as specialty_code,
        c_adiag as main_diagnosis_code,

        ---------- when
        d_inddto as contact_start_date,
        d_uddto as contact_end_date,

        ---------- where it came from
        period,
        source_row,

        ---------- in one spelling
        {{ contact_key('k_recnum') }} as contact_id

    from source

)

select * from renamed
