-- One row per operation of a hospital contact in LPR2. Renames and casts only.
with

source as (

    select * from {{ source('lpr2', 't_sksopr') }}

),

renamed as (

    select
        ---------- who and which
        person_id,

        ---------- what
        c_opr as operation_code,
        c_oprart as operation_type_code,
        c_tilopr as additional_code,
        c_osgh as hospital_code,
        c_oafd as department_code,

        ---------- when
        d_odto as operation_date,

        ---------- where it came from
        period,
        source_row,

        ---------- in one spelling
        {{ contact_key('v_recnum') }} as contact_id

    from source

)

select * from renamed
