-- One row of linkage_quality in which more rows came to a stage than to the one before it.
select *
from {{ ref('linkage_quality') }}
where
    n_valid_number > n_received
    or n_landed > n_valid_number
    or n_resolved > n_landed
    or n_linked > n_resolved
    or n_in_population > n_linked
    or n_received <> n_linked + n_not_linked
