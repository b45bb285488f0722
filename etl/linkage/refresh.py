"""What of an earlier linkage still holds, so that a refresh links only what it must.

The identity store says how numbers led then. It is believed only if it is the very one that the
files of the lake were linked by: a run that was broken off leaves a newer one.
"""

import duckdb

from etl.errors import LinkageError
from etl.home import Home
from etl.linkage.crosswalk import fingerprint
from etl.restricted import Keys


def attach_earlier(
    con: duckdb.DuckDBPyConnection, home: Home, keys: Keys, linked_by: str | None
) -> bool:
    """Attach the identity store as `identity`. False if `linked_by` is not its fingerprint."""
    if linked_by is None or not home.identity.exists():
        return False
    try:
        keys.attach_identity(con, home.identity)
    except LinkageError:
        return False  # whatever lies there, it is made again from what landed
    if fingerprint(con, "identity.number", keys.secret) == linked_by:
        return True
    con.execute("detach identity")
    return False


def take_over(con: duckdb.DuckDBPyConnection) -> None:
    """`crosswalk` and `number_finding` as they are in `identity`; nothing leads elsewhere."""
    con.execute(
        """
        create or replace temp table crosswalk as select * from identity.number;
        create or replace temp table number_finding as select * from identity.number_finding;
        create or replace temp table led_elsewhere (pnr varchar)
        """
    )


def compare(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table `led_elsewhere` (pnr): numbers that `crosswalk` leads elsewhere than
    `identity` does, and those that only one of them knows."""
    con.execute(
        """
        create or replace temp table led_elsewhere as
        select coalesce(now.pnr, before.pnr) as pnr
        from crosswalk as now
        full join identity.number as before on now.pnr = before.pnr
        where
            now.person_id is distinct from before.person_id
            or now.is_number_in_force is distinct from before.is_number_in_force
            or now.reason is distinct from before.reason
        """
    )
