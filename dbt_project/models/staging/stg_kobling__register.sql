-- One row per register that has delivered: the day up to which its keeper calls it complete.
with

source as (

    select * from {{ source('kobling', 'register') }}

),

renamed as (

    select
        register,
        delivered_on as delivered_date,
        complete_to as complete_to_date

    from source

)

select * from renamed
