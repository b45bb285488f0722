"""The civil register's Parquet → every number with its person, as tables of a DuckDB connection.

Nearly all numbers stand alone: never replaced, nobody's successor, told once. DuckDB takes those as
they are, whole columns at a time; only the few that hang together go through
`etl.linkage.resolution`, the one place that knows how numbers lead to persons.
"""

import duckdb
import polars as pl

from etl import keyed_hash, pseudonym
from etl.errors import LinkageError
from etl.home import digest
from etl.linkage.resolution import ANNULLED, CHANGED, DELETED, REGIONAL, NumberRow, resolve_and_tell


def identify(con: duckdb.DuckDBPyConnection, persons: str | None, key: bytes) -> str:
    """Make the tables `crosswalk` and `number_finding` of the connection.

    `persons` is what to read the civil register's persons from. `crosswalk` has one row per number:
    pnr, person_id, is_number_in_force, reason (why it leads to nobody, else NULL).
    `number_finding` has one row per finding: finding_number, kind, pnr, other_pnr, person_id,
    other_person_id.
    Returns a digest of the crosswalk that changes whenever any link would.

    Raises LinkageError where there is no civil register.
    """
    if persons is None:
        raise LinkageError(
            "lake: no accepted delivery of cpr. Expected the civil register, which says who is "
            "who. Receive and land it first."
        )
    con.execute(
        f"""
        create or replace temp table issued as
        select distinct
            v_pnr as pnr,
            coalesce(v_pnr_gaeld, v_pnr) as current_pnr,
            coalesce(c_status, '') as status,
            d_status_hen_start::varchar as status_date,
            c_kon as sex,
            d_foddato::varchar as birth_date
        from {persons};

        create or replace temp table hanging_together as
        select pnr from issued
        where
            current_pnr <> pnr
            or status in ('{CHANGED}', '{DELETED}', '{ANNULLED}')
            or regexp_full_match(pnr, '{REGIONAL.pattern}')
        union
        select current_pnr from issued where current_pnr <> pnr
        union
        select pnr from issued group by pnr having count(*) > 1
        """
    )
    rows = con.execute("select * from issued semi join hanging_together using (pnr)").fetchall()
    resolved, findings = resolve_and_tell(NumberRow(*row) for row in rows)
    con.register("resolved_frame", _frame(resolved))
    con.execute(
        """
        create or replace temp table resolved as
        select * from resolved_frame
        union all
        select pnr, pnr as first_pnr, true as is_number_in_force, null as reason
        from issued anti join hanging_together using (pnr)
        """
    )
    con.unregister("resolved_frame")
    keyed_hash.give_ids(con, "pseudonym", "select first_pnr as value from resolved", key)
    con.execute(
        """
        create or replace temp table crosswalk as
        select
            resolved.pnr,
            pseudonym.id as person_id,
            resolved.is_number_in_force,
            resolved.reason
        from resolved
        left join pseudonym on resolved.first_pnr = pseudonym.value
        """
    )
    con.register(
        "finding_frame",
        pl.DataFrame(
            [(one.kind, one.number, one.other) for one in findings],
            schema={"kind": pl.String, "pnr": pl.String, "other_pnr": pl.String},
            orient="row",
        ),
    )
    con.execute(
        """
        create or replace temp table number_finding as
        select
            row_number() over (
                order by finding.kind, own.person_id, other.person_id, finding.pnr,
                    finding.other_pnr
            ) as finding_number,
            finding.kind,
            finding.pnr,
            finding.other_pnr,
            own.person_id,
            other.person_id as other_person_id
        from finding_frame as finding
        left join crosswalk as own on finding.pnr = own.pnr
        left join crosswalk as other on finding.other_pnr = other.pnr
        """
    )
    con.unregister("finding_frame")
    con.execute("drop table issued; drop table hanging_together; drop table resolved")
    con.execute("drop table pseudonym")
    return fingerprint(con, "crosswalk", key)


def fingerprint(con: duckdb.DuckDBPyConnection, numbers: str, key: bytes) -> str:
    """A digest of a crosswalk, in whatever order it lies."""
    sums = con.execute(
        f"""
        select
            count(*),
            bit_xor(hash(pnr, person_id, is_number_in_force, reason)),
            sum(hash(pnr, person_id, is_number_in_force, reason)::hugeint)
        from {numbers}
        """
    ).fetchone()
    return digest([pseudonym.key_id(key), *map(str, sums)])


def _frame(resolved: dict) -> pl.DataFrame:
    return pl.DataFrame(
        [(number, to.first, to.current == number, to.reason) for number, to in resolved.items()],
        schema={
            "pnr": pl.String,
            "first_pnr": pl.String,
            "is_number_in_force": pl.Boolean,
            "reason": pl.String,
        },
        orient="row",
    )
