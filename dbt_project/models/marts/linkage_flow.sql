-- One row per register, table, period, stage and reason: rows that came to it.
select
    register,
    table_name,
    period,
    stage,
    reason,
    rows as n_rows
from {{ source('kobling', 'linkage_flow') }}
