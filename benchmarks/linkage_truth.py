"""Persons of whom it is known who is who, and rows under their numbers: the proof of the linkage.

    make prove-linkage          1 million persons, 3 million rows

One person in a hundred changed numbers, in chains to length five; one in a thousand has a deleted
double. Of the rows one in a thousand has a digit mistyped, others bear replacement numbers, or
numbers that lead nowhere. Every number is valid to modulus 11, so that no slip of one digit meets
somebody else's number: what then still merges or splits is the linkage's doing.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import duckdb
import numpy as np
import pyarrow

from etl import linkage, registers
from etl.linkage.resolution import CHANGED, DELETED
from etl.mock.numbers import Issuer
from etl.restricted import COPY_OPTIONS, Keys

KEYS = Keys(b"the key of a proof, of no use else")
PERIODS = ("1994", "1995", "1996", "1997", "1998")
CHAIN = 5  # numbers of the longest chain
NOWHERE = ("cycle", "fork", "missing_current_number", "annulled")
MISTYPED, REPLACED = "mistyped", "replacement"


@dataclass(frozen=True)
class Truth:
    """Tables of a connection: `issued` as the civil register has it, and `told`, one row per row
    of the register to be linked: period, source_row, cpr, person (−1 for nobody's), expected."""

    con: duckdb.DuckDBPyConnection
    n_persons: int
    n_rows: int


def plant(n_persons: int, rows_per_person: int = 3, seed: int = 1) -> Truth:
    """Make the persons, their numbers and the rows, whole columns at a time."""
    rng = np.random.default_rng(seed)
    issuer = Issuer()
    births = np.datetime64("1910-01-01") + rng.integers(0, 40_000, n_persons)
    is_male = rng.random(n_persons) < 0.5

    def issue(persons: np.ndarray) -> np.ndarray:
        return issuer.issue_whole(births[persons], is_male[persons])

    everybody = np.arange(n_persons)
    current = issue(everybody)
    numbers, successors, status, since, owners = [current], [current], [], [], [everybody]
    status.append(np.full(n_persons, "01"))
    since.append(births)
    changed = rng.permutation(n_persons)[: max(n_persons // 100, CHAIN)]
    n_former = rng.integers(1, CHAIN, len(changed))
    following = current[changed]
    for nth in range(1, CHAIN):  # from the youngest former number back
        has = n_former >= nth
        persons = changed[has]
        former = issue(persons)
        numbers.append(former)
        successors.append(following[has])
        status.append(np.full(len(persons), CHANGED))
        since.append(np.full(len(persons), np.datetime64(f"{2010 - 5 * nth}-03-01")))
        owners.append(persons)
        following = following.copy()
        following[has] = former
    doubled = rng.permutation(n_persons)[: max(n_persons // 1000, 2)]
    numbers.append(issue(doubled))
    successors.append(current[doubled])
    status.append(np.full(len(doubled), DELETED))
    since.append(np.full(len(doubled), np.datetime64("1985-01-01")))
    owners.append(doubled)
    owned_numbers, owned_by = np.concatenate(numbers), np.concatenate(owners)
    # Numbers that lead nowhere: of two that replace each other, of two successors, of none.
    some = rng.permutation(n_persons)[: max(n_persons // 2000, 4) // 2 * 2]
    half = len(some) // 2
    one, other = issue(some[:half]), issue(some[half:])
    forked, lost, annulled, unheard_of = (issue(some) for _ in range(4))
    nowhere = dict(zip(NOWHERE, (np.r_[one, other], forked, lost, annulled), strict=True))
    neighbour = np.roll(some, 1)
    for these, to, code in (
        (one, other, CHANGED), (other, one, CHANGED), (forked, current[some], CHANGED),
        (forked, current[neighbour], CHANGED), (lost, unheard_of, CHANGED),
        (annulled, annulled, "30"),
    ):  # fmt: skip
        numbers.append(these)
        successors.append(to)
        status.append(np.full(len(these), code))
        since.append(np.full(len(these), np.datetime64("1990-01-01")))
    con = duckdb.connect()
    KEYS.unlock(con)
    issued = pyarrow.table(
        {
            "v_pnr": np.concatenate(numbers),
            "v_pnr_gaeld": np.concatenate(successors),
            "c_status": pyarrow.array(np.concatenate(status)),
            "d_status_hen_start": pyarrow.array(np.concatenate(since).astype("datetime64[D]")),
        }
    )
    con.register("issued_rows", issued)
    con.execute(
        "create table issued as select v_pnr::varchar as v_pnr, v_pnr_gaeld::varchar as "
        "v_pnr_gaeld, c_status, d_status_hen_start, null::varchar as c_kon, null::date as "
        "d_foddato from issued_rows"
    )
    con.unregister("issued_rows")
    _tell(con, rng, owned_numbers, owned_by, nowhere, rows_per_person * n_persons)
    return Truth(con, n_persons, rows_per_person * n_persons)


def _tell(
    con: duckdb.DuckDBPyConnection,
    rng: np.random.Generator,
    numbers: np.ndarray,
    owners: np.ndarray,
    nowhere: dict[str, np.ndarray],
    n_rows: int,
) -> None:
    """Table `told`. Former numbers stand in as many rows as others, though they are few."""
    picked = rng.integers(0, len(numbers), n_rows)
    written, person = numbers[picked].copy(), owners[picked].copy()
    expected = np.full(n_rows, "", dtype="U24")
    fate = rng.random(n_rows)
    is_mistyped = fate < 0.001
    place = 10 ** rng.integers(0, 10, is_mistyped.sum())
    digit = written[is_mistyped] // place % 10
    another = (digit + rng.integers(1, 10, len(digit))) % 10
    written[is_mistyped] += (another - digit) * place
    person[is_mistyped], expected[is_mistyped] = -1, MISTYPED
    is_replaced = (fate >= 0.001) & (fate < 0.0015)
    person[is_replaced], expected[is_replaced] = -1, REPLACED
    for nth, (reason, those) in enumerate(nowhere.items()):
        here = (fate >= 0.0015 + nth * 0.0002) & (fate < 0.0017 + nth * 0.0002)
        written[here] = rng.choice(those, here.sum())
        person[here], expected[here] = -1, reason
    rows = pyarrow.table(
        {
            "number": written,
            "person": person,
            "expected": pyarrow.array(expected),
            "period": pyarrow.array(np.array(PERIODS)[rng.integers(0, len(PERIODS), n_rows)]),
        }
    )
    con.register("told_rows", rows)
    con.execute(
        f"""
        create table told as
        select
            row_number() over () as source_row,
            period,
            case when expected = '{REPLACED}'
                then lpad(number::varchar, 10, '0')[1:6] || '1AB' || number % 10
                else lpad(number::varchar, 10, '0') end as cpr,
            person,
            expected
        from told_rows
        """
    )
    con.unregister("told_rows")


@dataclass(frozen=True)
class Proof:
    """What the linkage made of the truth; `wrong` has a sentence for all that is not right."""

    linked: int
    unlinked: dict[str, int]
    merges: int
    splits: int
    wrong: list[str]


def link(truth: Truth, folder: Path) -> None:
    """Resolve the numbers and link the rows of every period, as `kobling link` does."""
    con, table = truth.con, registers.register("patobank").table("pato")
    linkage.identify(con, "issued", KEYS.secret)
    others = ", ".join(
        f"null::{c.duckdb_type} as {c.name}" for c in table.columns if c.name != "cpr"
    )
    for period in PERIODS:
        landed = folder / f"landed-{period}.parquet"
        con.execute(
            f"copy (select 'x' as source_file, source_row, cpr, {others} from told "
            f"where period = '{period}') to '{landed}' ({COPY_OPTIONS})"
        )
        linkage.link_file(
            con, table, landed, None, folder / f"linked-{period}.parquet",
            folder / f"unlinked-{period}.parquet",
        )  # fmt: skip


def prove(truth: Truth, folder: Path) -> Proof:
    """Compare, row by row, what was linked with what is true."""
    con = truth.con
    con.execute(
        f"""
        create or replace temp table outcome as
        select told.*, linked.person_id, unlinked.reason
        from told
        left join read_parquet('{folder}/linked-*.parquet') as linked using (source_row)
        left join read_parquet('{folder}/unlinked-*.parquet') as unlinked using (source_row)
        """
    )

    def ask(query: str) -> list[tuple]:
        return con.execute(query).fetchall()

    linked_true = "from outcome where person_id is not null"
    merges = ask(
        f"select count(*) from (select person_id {linked_true} group by person_id "
        "having count(distinct person) > 1)"
    )[0][0]
    splits = ask(
        f"select count(*) from (select person {linked_true} group by person "
        "having count(distinct person_id) > 1)"
    )[0][0]
    reasons = dict(
        ask("select reason, count(*) from outcome where person_id is null group by all order by 1")
    )
    wrong = []
    for words, condition in (
        ("rows are neither linked nor unlinked", "person_id is null and reason is null"),
        ("rows are both linked and unlinked", "person_id is not null and reason is not null"),
        ("rows of a person are unlinked", "person >= 0 and person_id is null"),
        ("rows of nobody are linked", "person < 0 and person_id is not null"),
        (
            "rows have another reason than the one that was planted",
            f"person < 0 and reason <> case when expected in ('{MISTYPED}', '{REPLACED}') "
            "then 'unknown_to_cpr' else expected end",
        ),
    ):
        (n,) = ask(f"select count(*) from outcome where {condition}")[0]
        if n:
            wrong.append(f"{n:,} {words}")
    for period in PERIODS:
        n_told, n_linked, n_unlinked = (
            ask(f"select count(*) from {source}")[0][0]
            for source in (
                f"told where period = '{period}'",
                f"read_parquet('{folder}/linked-{period}.parquet')",
                f"read_parquet('{folder}/unlinked-{period}.parquet')",
            )
        )
        if n_told != n_linked + n_unlinked:
            wrong.append(f"{period}: {n_told:,} rows, {n_linked:,} linked, {n_unlinked:,} unlinked")
    (linked,) = ask(f"select count(*) {linked_true}")[0]
    return Proof(linked, reasons, merges, splits, wrong)


@click.command()
@click.option("--persons", default=1_000_000, show_default=True)
def main(persons: int) -> None:
    """Prove that one person is one person, on persons of whom it is known.

    \b
    Example:
        python -m benchmarks.linkage_truth --persons 100000
    """
    started = time.monotonic()
    click.echo(f"planting {persons:,} persons and {3 * persons:,} rows")
    truth = plant(persons)
    with tempfile.TemporaryDirectory() as folder:
        click.echo(f"linking ({time.monotonic() - started:.0f} s so far)")
        link(truth, Path(folder))
        proof = prove(truth, Path(folder))
    click.echo(f"{proof.linked:,} rows linked")
    for reason, n in proof.unlinked.items():
        click.echo(f"{n:,} rows unlinked: {reason}, each listed with it")
    kinds = truth.con.execute(
        "select kind, count(*) from number_finding group by all order by all"
    ).fetchall()
    click.echo(f"findings: {', '.join(f'{kind} {n:,}' for kind, n in kinds)}")
    click.echo(f"{proof.merges} false merges, {proof.splits} false splits")
    for sentence in proof.wrong:
        click.echo(f"wrong: {sentence}")
    click.echo(f"{time.monotonic() - started:.0f} s")
    if proof.merges or proof.splits or proof.wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
