-- One row per address in Denmark or Greenland that a person has had. Renames and casts, and the
-- municipality as far as it is one of today.
with

source as (

    select * from {{ source('cpr', 'cpr3_t_adresse_hist') }}

),

renamed as (

    select
        ---------- who
        person_id,

        ---------- what
        c_kom as municipality_code,
        {{ municipality_of_today('c_kom') }} as municipality,
        c_annkor as correction_code,

        ---------- when
        d_tilflyt_dato as moved_in_date,
        d_fraflyt_dato as moved_out_date,

        ---------- where it came from
        period,
        source_row

    from source

)

select * from renamed
