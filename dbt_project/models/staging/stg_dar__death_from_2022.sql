-- One row per death from 2022 on. Renames and casts only.
with

source as (

    select * from {{ source('dar', 'dodsaarsager') }}

),

renamed as (

    select
        ---------- who
        person_id,

        ---------- what
        doedsaarsag_tilgrundliggende as underlying_cause_code,
        doedsmaade_kode as manner_code,
        flag_valideret as is_validated,

        ---------- when
        doedsdato as death_date,

        ---------- where it came from
        period,
        source_row

    from source

)

select * from renamed
