"""Two releases side by side: each part tells what differs, and nothing of what does not."""

import json
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from etl import difference
from etl.cli import main
from etl.difference import compare, told
from etl.errors import ReleaseError
from etl.home import Home
from tests import story

TABLES = {
    "linkage_flow": (
        "register text, table_name text, period text, stage text, reason text, n_rows bigint",
        [("cpr", "person", "all", "landed", None, 100), ("cpr", "person", "all", "linked", "", 98)],
    ),
    "exclusion_reasons": (
        "person_id text, index_date date, first_failed_criterion text, is_included boolean",
        [
            ("1", "2001-01-01", None, True),
            ("2", "2002-01-01", "resident", False),
            ("3", "2003-01-01", None, True),
        ],
    ),
    "attrition": (
        "step integer, criterion text, unit text, n_in bigint, n_excluded bigint, n_out bigint",
        [
            (1, None, "persons", 3, 0, 3),
            (2, "resident", "persons", 3, 1, 2),
        ],
    ),
    "risk": (
        "outcome text, factor text, level text, horizon_days integer, n bigint, events bigint, "
        "estimate double",
        [("metastasis", "(all)", "(all)", 1826, 2, 1, 0.5)],
    ),
    "rule": (
        "outcome text, factor text, level text, horizon_days integer, high_risk boolean",
        [("metastasis", "necrosis", "yes", 1826, True)],
    ),
    "result": (
        "suite text, check_id text, scope text, status text, n_failing bigint",
        [("marts.cohort", "age_is_plausible", "", "pass", 0)],
    ),
}
EVIDENCE = {
    "keys": {"data": "a" * 64, "definition": "b" * 64, "code": "c" * 64, "gate": "green"},
    "contracts": {"cpr": "1.0.0"},
    "deliveries": [
        {"register": "cpr", "table_name": "person", "period": "all", "path": "cpr/1/p.csv",
         "sha256": "d" * 64},
    ],
}  # fmt: skip


def released(home: Path, release_id: str, evidence=EVIDENCE, study="dlms", **tables) -> Path:
    """A release folder with the tables above, or with other rows of some of them."""
    place = home / "releases" / study / release_id
    (place / "parquet").mkdir(parents=True)
    with duckdb.connect() as con:
        for table, (columns, rows) in TABLES.items():
            con.execute(f"create table {table} ({columns})")
            rows = tables.get(table, rows)
            if rows:
                marks = ", ".join("?" for _ in rows[0])
                con.executemany(f"insert into {table} values ({marks})", rows)
            con.execute(f"copy {table} to '{place}/parquet/{table}.parquet'")
    (place / "evidence.json").write_text(json.dumps(evidence))
    return place


@pytest.fixture
def first(tmp_path) -> Path:
    return released(tmp_path, "aaaa00000001")


def test_equal_releases_differ_in_nothing(tmp_path, first):
    same = compare(first, released(tmp_path, "bbbb00000002"))
    assert all(not getattr(same, part) for part in difference.TITLES)
    assert told(same).endswith(
        "No difference in: made from, delivered files, rows by register, landed rows by year, "
        "persons who stand differently, steps of the cohort flow, risks, verdicts of the rule, "
        "checks."
    )


CHANGED = {
    "linkage_flow": [
        ("cpr", "person", "2001", "landed", None, 60), ("cpr", "person", "2002", "landed", "", 40),
        ("cpr", "person", "all", "linked", None, 97),
        ("cpr", "person", "all", "unlinked", "unknown_number", 3),
    ],
    "exclusion_reasons": [
        ("1", "2001-01-01", None, True),
        ("2", "2002-01-01", None, True),
        ("3", "2003-01-02", None, True),
        ("4", "2004-01-01", "reviewed", False),
    ],
    "attrition": [
        (1, None, "persons", 4, 0, 4),
        (2, "reviewed", "persons", 4, 1, 3),
        (3, "resident", "persons", 3, 0, 3),
    ],
    "risk": [("metastasis", "(all)", "(all)", 1826, 3, 1, 0.25)],
    "rule": [("metastasis", "necrosis", "yes", 1826, False)],
    "result": [
        ("marts.cohort", "age_is_plausible", "", "fail", 2),
        ("marts.cohort", "a_new_one", "", "pass", 0),
    ],
}  # fmt: skip


def test_each_part_tells_what_differs(tmp_path, first):
    evidence = json.loads(json.dumps(EVIDENCE))
    evidence["keys"]["data"] = "e" * 64
    evidence["deliveries"][0]["sha256"] = "f" * 64
    evidence["deliveries"].append(
        {"register": "dar", "table_name": "t", "period": "2001", "path": "dar/1/t.csv",
         "sha256": "0" * 64}
    )  # fmt: skip
    found = compare(first, released(tmp_path, "bbbb00000002", evidence, **CHANGED))
    assert [row["key"] for row in found.keys] == ["data"]
    assert [(row["register"], row["before"], row["after"]) for row in found.deliveries] == [
        ("cpr", "cpr/1/p.csv", "cpr/1/p.csv"), ("dar", None, "dar/1/t.csv"),
    ]  # fmt: skip
    assert [(r["stage"], r["reason"], r["n_before"], r["n_after"]) for r in found.rows] == [
        ("linked", "", 98, 97), ("unlinked", "unknown_number", 0, 3),
    ]  # fmt: skip
    assert [tuple(row.values()) for row in found.years] == [
        ("cpr", "person", "2001", None, 0, 60), ("cpr", "person", "2002", None, 0, 40),
    ]  # fmt: skip
    assert [tuple(row.values()) for row in found.persons] == [
        ("included", "included", 1, 1),
        ("no candidate", "reviewed", 1, 0),
        ("resident", "included", 1, 0),
    ]
    assert [tuple(row.values()) for row in found.steps] == [
        ("", "persons", 0, 0, 3, 4),
        ("reviewed", "persons", None, 1, None, 3),
        ("resident", "persons", 1, 0, 2, 3),
    ]
    (risk,) = found.estimates
    assert (risk["n_after"], risk["shift_points"]) == (3, -25.0)
    (verdict,) = found.verdicts
    assert (verdict["high_risk_before"], verdict["high_risk_after"]) == (True, False)
    assert [tuple(row.values()) for row in found.checks] == [
        ("marts.cohort: a_new_one", None, "pass", None, 0),
        ("marts.cohort: age_is_plausible", "pass", "fail", 0, 2),
    ]
    text = told(found)
    assert "No difference" not in text
    assert "-25.00" in text
    assert "not high-risk" in text
    assert "eeeeeeeeeeee…" in text


def test_a_release_is_found_by_study_and_id_by_what_begins_an_id_or_as_the_live_one(
    tmp_path, first
):
    home = Home(tmp_path)
    other = released(tmp_path, "aaaa00000009", study="afx_pds")
    (tmp_path / "releases" / "dlms" / "current").symlink_to("aaaa00000001")
    assert difference.find(home, "dlms/aaaa") == first
    assert difference.find(home, "dlms/current") == first
    assert difference.find(home, "aaaa00000009") == other
    for name in ("aaaa", "bbbb", "dlms/", "afx_pds/current", ""):
        with pytest.raises(ReleaseError, match="releases have this name"):
            difference.find(home, name)
    with pytest.raises(ReleaseError, match="found two studies"):
        compare(first, other)


def test_a_release_against_the_live_one_from_the_prompt(small):
    env = story.environment(small[0])
    live = (small[0] / "releases" / "dlms" / "current").readlink()
    ended = CliRunner().invoke(main, ["diff", f"dlms/{live}"], env=env)
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.splitlines()[0] == f"dlms/{live} → dlms/{live}"
    assert "No difference in: made from" in ended.stdout
    assert CliRunner().invoke(main, ["diff", str(live)], env=env).exit_code == 2
