-- One row per operation of a hospital contact in LPR3. Renames and casts only.
with

source as (

    select * from {{ source('lpr3', 'procedurer_kirurgi') }}

),

renamed as (

    select
        ---------- who and which
        person_id,

        ---------- what
        procedurekode as operation_code,
        proceduretype as operation_type_code,

        ---------- when
        dato_start as operation_date,

        ---------- where it came from
        period,
        source_row,

        ---------- in one spelling
        {{ contact_key('dw_ek_kontakt') }} as contact_id

    from source

)

select * from renamed
