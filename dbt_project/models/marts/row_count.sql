-- One row per register, table and year: rows landed, now and in the refresh before.
-- The refresh before is the last one that was made from other delivered files. A year that it had
-- and that is gone stays, with no row.
with

quality as (

    select * from {{ ref('linkage_quality') }}

),

counts_before as (

    select * from {{ source('history', 'row_count_before') }}

),

counts_now as (

    select
        register,
        table_name,
        year,
        sum(n_landed) as n_rows
    from quality
    group by
        register,
        table_name,
        year

)

select
    counts_before.n_rows as n_rows_before,
    cast(coalesce(counts_now.n_rows, 0) as bigint) as n_rows,
    coalesce(counts_now.register, counts_before.register) as register,
    coalesce(counts_now.table_name, counts_before.table_name) as table_name,
    coalesce(counts_now.year, counts_before.year) as year
from counts_now
full outer join counts_before
    on
        counts_now.register = counts_before.register
        and counts_now.table_name = counts_before.table_name
        and counts_now.year = counts_before.year
