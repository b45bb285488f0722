"""What the checks of every refresh said: a folder each, never changed, and the trend of a check.

`quality/<number>/` of the home holds `result.parquet` and `failure.parquet`, as the warehouse had
them, and `about.json`. A new warehouse begins without them, so that a refresh costs the same after
one refresh and after five hundred; only a bounded trend goes into it.

Refreshes of the same data (other code, another study) take each other's place in the trend, as for
the rates of linkage: what is compared is one state of the registers with the one before.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from etl.home import digest, file_hash, read_json, remove, replace_json

LONGEST_TREND = 20
ABOUT = "about.json"

# Grain: one row per state of the registers and check, deliveries of one register added up.
TREND = """
    create or replace table quality.trend as
    with

    told as (
        select data_number, suite, check_id, status, n_checked, n_failing
        from read_parquet([{paths}])
        inner join (values {numbers}) as state (path, data_number) on filename = state.path
    ),

    summed as (
        select
            data_number,
            suite,
            check_id,
            sum(n_checked) as n_checked,
            sum(n_failing) as n_failing,
            max(
                case status
                    when 'not_run' then 4
                    when 'fail' then 3
                    when 'pass_with_findings' then 2
                    when 'pass' then 1
                    else 0
                end
            ) as badness
        from told
        group by data_number, suite, check_id
    ),

    beside_the_one_before as (
        select
            *,
            n_failing > 0 or badness = 4 as is_open,
            n_failing / greatest(n_checked, 1) as share_failing,
            -- The state before it, not the last one in which there was such a check.
            lag(data_number) over this_check = data_number - 1 as was_there,
            lag(badness) over this_check as badness_before,
            lag(n_failing > 0 or badness = 4) over this_check as was_open,
            lag(n_failing / greatest(n_checked, 1)) over this_check as share_before
        from summed
        window this_check as (partition by suite, check_id order by data_number)
    )

    select
        data_number,
        suite,
        check_id,
        case badness
            when 4 then 'not_run'
            when 3 then 'fail'
            when 2 then 'pass_with_findings'
            when 1 then 'pass'
            else 'not_applicable'
        end as status,
        n_checked::bigint as n_checked,
        n_failing::bigint as n_failing,
        case
            when was_there is not true then 'first'
            when is_open and not was_open then 'new'
            when was_open and not is_open then 'fixed'
            when not is_open then 'same'
            when badness > badness_before then 'worsened'
            when badness < badness_before then 'improved'
            when share_failing > share_before then 'worsened'
            when share_failing < share_before then 'improved'
            else 'same'
        end as change
    from beside_the_one_before
    order by suite, check_id, data_number
"""


def keep(con: duckdb.DuckDBPyConnection, root: Path, refresh_id: str, data_id: str) -> dict:
    """Put the warehouse's results beside those of earlier refreshes, whole or not at all.

    Returns what `about.json` says: number, refresh_id, data_id; data_number, which counts the
    states of the registers; results_sha256; and history, the hash of all that was said of the
    states before, None where there are none. The newest folder is taken as it is where it says the
    same.
    """
    for leftover in root.glob(".new-*"):
        remove(leftover)
    last = newest(root)
    number = last["number"] + 1 if last else 1
    beside = root / f".new-{number:06d}"
    beside.mkdir(parents=True)
    for table, order in (("result", "result_number"), ("failure", "result_number, failure_number")):
        con.execute(
            f"copy (select * from quality.{table} order by {order}) "
            f"to '{beside / table}.parquet' (format parquet, compression zstd)"
        )
    about = {
        "number": number,
        "refresh_id": refresh_id,
        "data_id": data_id,
        "results_sha256": file_hash(beside / "result.parquet"),
        **_place_among(last, data_id),
    }
    if last and {**last, "number": number} == about:
        remove(beside)
        return last
    replace_json(beside / ABOUT, about)
    beside.rename(folder_of(root, number))
    return about


def _place_among(last: dict | None, data_id: str) -> dict:
    if last is None:
        return {"data_number": 1, "history": None}
    if last["data_id"] == data_id:
        return {"data_number": last["data_number"], "history": last["history"]}
    return {
        "data_number": last["data_number"] + 1,
        "history": digest([last["history"], last["data_id"], last["results_sha256"]]),
    }


def folder_of(root: Path, number: int) -> Path:
    """Where the results of a refresh lie."""
    return root / f"{number:06d}"


def newest(root: Path) -> dict | None:
    """What is known of the newest refresh that was checked, or None."""
    return next(_newest_first(root), (None, None))[1]


def _newest_first(root: Path) -> Iterator[tuple[Path, dict]]:
    folders = sorted(root.glob("[0-9]*"), reverse=True)
    return ((folder, read_json(folder / ABOUT)) for folder in folders)


def give_trend(con: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Make `quality.trend` of the newest states of the registers, at most LONGEST_TREND of them.

    One row per state (data_number) and check: status, n_checked, n_failing, and `change` against
    the state before: first, new, worsened, improved, fixed or same.
    """
    taken: dict[int, Path] = {}
    for folder, about in _newest_first(root):
        if about["data_number"] not in taken and len(taken) == LONGEST_TREND:
            break
        taken.setdefault(about["data_number"], folder / "result.parquet")
    paths = ", ".join(f"'{path}'" for path in taken.values())
    numbers = ", ".join(f"('{path}', {number})" for number, path in taken.items())
    con.execute(TREND.format(paths=paths, numbers=numbers))


def forget(con: duckdb.DuckDBPyConnection, root: Path, persons: list[int]) -> None:
    """Take the failing rows of erased persons out of what every refresh said."""
    for path in sorted(root.glob("*/failure.parquet")):
        where = " or ".join(f"contains(row_key, '\"{int(person)}\"')" for person in persons)
        found = f"from '{path}' where {where}"
        if con.execute(f"select count(*) {found}").fetchone()[0]:
            beside = path.with_name(".failure.new")
            con.execute(
                f"copy (from '{path}' where not ({where})) to '{beside}' "
                "(format parquet, compression zstd)"
            )
            beside.replace(path)
