"""What a finished run is held against: the answer sheet, the paper, and the promises."""

import csv
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from etl.home import Home, pseudonym_key
from etl.mock import cases
from etl.mock.answers import OUTCOMES, SHEETS
from etl.restricted import Keys
from etl.settings import CHECKOUT, Settings

# The paper's table: outcome, factor, level → risk (lower–upper), or against the reference → RD.
# As printed, in per cent.
PUBLISHED_RISKS = {
    ("metastasis", "(all)", "(all)"): "2.4",
    ("metastasis", "necrosis", "yes"): "9.3 (0.6–18.0)",
    ("metastasis", "necrosis", "no"): "1.5 (0.2–2.8)",
    ("metastasis", "mitotic_grade", "3"): "6.5 (1–12)",
    ("metastasis", "mitotic_grade", "1-2"): "1.4 (0–2.8)",
    ("metastasis", "invasion", "yes"): "25.0 (0–67)",
    ("metastasis", "invasion", "no"): "2.1 (0.7–3.6)",
    ("local_recurrence", "(all)", "(all)"): "10.0",
    ("local_recurrence", "margins", "positive"): "26.0 (11–41)",
    ("local_recurrence", "margins", "negative"): "8.4 (5.5–11.0)",
    ("local_recurrence", "invasion", "yes"): "50.0 (0–100)",
    ("local_recurrence", "invasion", "no"): "9.6 (6.6–13.0)",
}
PUBLISHED_CONTRASTS = {
    ("metastasis", "necrosis", "yes"): "7.8 (−1–17)",
    ("metastasis", "mitotic_grade", "3"): "5.1 (−0.6–11.0)",
    ("metastasis", "invasion", "yes"): "23 (−20–65)",
    ("local_recurrence", "margins", "positive"): "18 (3–33)",
    ("local_recurrence", "invasion", "yes"): "40 (−11–92)",
}
NUMBER = re.compile(r"[−-]?\d+(?:\.\d+)?")


def published_figures() -> Iterator[tuple[str, tuple, str, str]]:
    """('risks' or 'contrasts', where, field, as printed) for every number of the paper's table."""
    for kind, table, value in (
        ("risks", PUBLISHED_RISKS, "estimate"),
        ("contrasts", PUBLISHED_CONTRASTS, "risk_difference"),
    ):
        for where, printed in table.items():
            numbers = re.findall(r"(?:(?<=^)|(?<=\()|(?<=–))−?\d+(?:\.\d+)?", printed)
            for field, number in zip((value, "lower", "upper"), numbers, strict=False):
                yield kind, where, field, number


def agrees(value: float, printed: str) -> bool:
    """Whether a proportion is printed so: to its decimals, from 10 up to two digits."""
    number = float(printed.replace("−", "-"))
    decimals = len(printed.partition(".")[2])
    if abs(number) >= 10:
        decimals = 0  # 11.0 means 10.5–11.5
    return abs(value * 100 - number) <= 0.5 * 10**-decimals + 1e-9


def disagreements(estimates: dict) -> list[str]:
    """Every published figure that was not found again."""
    found = []
    for kind, where, field, printed in published_figures():
        rows = [
            row for row in estimates[kind] if (row["outcome"], row["factor"], row["level"]) == where
        ]
        if len(rows) != 1 or not agrees(rows[0][field], printed):
            found.append(f"{where} {field}: {[row[field] for row in rows]}, printed {printed}")
    return found


def answer_sheet(folder: Path, name: str, study: str = "dlms") -> list[dict]:
    """A table of the answers; those of one study lie in its own folder, the first's above it."""
    place = folder / SHEETS[study].folder / f"{name}.csv"
    with place.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def opened(home: Home) -> duckdb.DuckDBPyConnection:
    """A connection that reads what a home has locked."""
    con = duckdb.connect()
    Keys(pseudonym_key(settings_of(home.root))).unlock(con)
    return con


def person_of_number(settings: Settings) -> dict[str, int]:
    """The restricted store's own answer to who is who; only a test or a keeper opens it."""
    home = Home(settings.home)
    con = duckdb.connect()
    Keys(pseudonym_key(settings)).attach_identity(con, home.identity)
    return dict(
        con.execute("select pnr, person_id from identity.number where person_id is not null")
        .fetchall()
    )  # fmt: skip


def wrong_verdicts(settings: Settings, answers: Path, study: str = "dlms") -> list[str]:
    """Everyone whose verdict, index date, outcome or factor is not what the answer sheet says."""
    person_id = person_of_number(settings)
    with duckdb.connect(str(Home(settings.home).warehouse), read_only=True) as con:
        verdicts = {
            person: (criterion or "included", str(day or ""))
            for person, criterion, day in con.execute(
                "select person_id, first_failed_criterion, index_date "
                "from marts.exclusion_reasons where study_id = ?", [study],
            ).fetchall()
        }  # fmt: skip
        outcomes = {
            (person, outcome): (str(days), str(event), "")
            for person, outcome, days, event in con.execute(
                "select person_id, outcome, days, event_code from marts.time_to_event "
                "where study_id = ?", [study],
            ).fetchall()
        }  # fmt: skip
        for person, outcome in con.execute(
            "select person_id, outcome from marts.prevalent_outcome where study_id = ?", [study]
        ).fetchall():
            outcomes[person, outcome] = ("", "", "yes")
        levels = {
            (person, factor): level or ""
            for person, factor, level in con.execute(
                "select person_id, factor, level from marts.factor where study_id = ?", [study]
            ).fetchall()
        }
    wrong, expected_candidates = [], set()
    for row in answer_sheet(answers, "persons", study):
        person = person_id.get(row["number"])
        if row["verdict"] in ("no_person", "not_a_candidate"):
            if person in verdicts:
                wrong.append(f"{row['name']}: a candidate, expected {row['verdict']}")
            continue
        expected_candidates.add(person)
        found = verdicts.get(person, ("no candidate", ""))
        if found != (row["verdict"], row["index_date"]):
            wrong.append(f"{row['name']}: {found}, expected {row['verdict']} {row['index_date']}")
        if row["verdict"] != "included":
            continue
        for outcome in OUTCOMES:
            said = tuple(row[f"{outcome}_{what}"] for what in ("days", "event", "is_prevalent"))
            if outcomes.get((person, outcome)) != said:
                wrong.append(
                    f"{row['name']} ({row['twists']}): {outcome} "
                    f"{outcomes.get((person, outcome))}, expected {said}"
                )
        for factor in SHEETS[study].factors:
            if levels.get((person, factor)) != row[factor]:
                wrong.append(
                    f"{row['name']} ({row['twists']}): {factor} {levels.get((person, factor))}, "
                    f"expected {row[factor]}"
                )
    if set(verdicts) != expected_candidates:
        wrong.append(f"{len(set(verdicts) - expected_candidates)} candidates nobody has planted")
    return wrong


def reason_of_number(settings: Settings) -> dict[str, str | None]:
    """Why a number leads to nobody, by the restricted store; None where it leads to a person."""
    con = duckdb.connect()
    Keys(pseudonym_key(settings)).attach_identity(con, Home(settings.home).identity)
    return dict(con.execute("select pnr, reason from identity.number").fetchall())


def wrong_cases(settings: Settings, answers: Path, study: str = "dlms") -> list[str]:
    """Every named case that did not end as it is written beside it."""
    person_id, reasons = person_of_number(settings), reason_of_number(settings)
    sheet = {row["case"]: row for row in answer_sheet(answers, "persons") if row["case"]}
    assert set(sheet) == {case.name for case in cases.CASES}
    wrong = []
    with duckdb.connect(str(Home(settings.home).warehouse), read_only=True) as con:

        def ask(query: str, *values: object) -> list[tuple]:
            return con.execute(query, [study, *values]).fetchall()

        for case in cases.CASES:
            row = sheet[case.name]
            # The oldest is the one that the rows of nobody were written under.
            numbers = [*row["former_numbers"].split(), row["number"]]
            person = person_id.get(row["number"])
            link = "linked" if person else reasons.get(numbers[0], "unknown_to_cpr")
            if link != case.link:
                wrong.append(f"{case.name}: {link}, expected {case.link}. {case.odd}")
                continue
            found = ask(
                "select coalesce(first_failed_criterion, 'included') from marts.exclusion_reasons "
                "where study_id = ? and person_id = ?", person,
            )  # fmt: skip
            verdict = found[0][0] if found else "not_a_candidate" if person else "no_person"
            if verdict != case.verdict:
                wrong.append(f"{case.name}: {verdict}, expected {case.verdict}. {case.odd}")
            for outcome in OUTCOMES:
                told = ask(
                    "select days, event_code::varchar from marts.time_to_event "
                    "where study_id = ? and person_id = ? and outcome = ?", person, outcome,
                ) or ask(
                    "select null, 'prevalent' from marts.prevalent_outcome "
                    "where study_id = ? and person_id = ? and outcome = ?", person, outcome,
                )  # fmt: skip
                expected = getattr(case, outcome)
                if told != ([expected] if expected else []):
                    wrong.append(f"{case.name}: {outcome} {told}, expected {expected}. {case.odd}")
    return wrong


# Check of the answer sheet → what the marts say about it.
CROSS_CHECKS = {
    "cancer_registry": "select person_id, found_in from marts.cancer_registry_agreement "
    "where study_id = ?",
    "metastasis": "select person_id, found_in from marts.hospital_agreement "
    "where study_id = ? and outcome = 'metastasis'",
    "death": "select person_id, disagreement from marts.death_disagreement where study_id = ?",
}


def wrong_cross_checks(settings: Settings, answers: Path, study: str = "dlms") -> list[str]:
    """Every case, outcome or death that is not found where the answer sheet says, or only there."""
    person_id = person_of_number(settings)
    rows = answer_sheet(answers, "cross_checks", study)
    wrong = []
    with duckdb.connect(str(Home(settings.home).warehouse), read_only=True) as con:
        for check, query in CROSS_CHECKS.items():
            found = dict(con.execute(query, [study]).fetchall())
            expected = {
                person_id[row["number"]]: (row["found_in"], row["name"])
                for row in rows
                if row["check"] == check
            }
            assert len({where for where, _ in expected.values()}) == 3, "every way is planted"
            wrong += [
                f"{check}: {name} {found.get(person)}, expected {where}"
                for person, (where, name) in expected.items()
                if found.get(person) != where
            ]
            if unplanted := len(set(found) - set(expected)):
                wrong.append(f"{check}: {unplanted} that nobody has planted")
    return wrong


def wrong_linkage(settings: Settings, answers: Path) -> list[str]:
    """Every conflict and loss that the marts of linkage do not count as they were planted."""
    expected = {
        (row["what"], row["kind"], row["register"], row["table"]): int(row["n"])
        for row in answer_sheet(answers, "linkage")
    }
    with duckdb.connect(str(Home(settings.home).warehouse), read_only=True) as con:
        found = {
            tuple(row[:4]): row[4]
            for row in con.execute(
                """
                select 'conflict', kind, register, table_name, count(*)
                from marts.linkage_conflict group by all
                union all
                select 'loss', reason, register, table_name, sum(n_rows)::bigint
                from marts.linkage_loss group by all
                """
            ).fetchall()
        }
    # Rows of persons of nobody stand in these too, as many as their lives left.
    for key in set(found) - set(expected):
        if key[0] == "loss" and key[2] in ("cpr", "lpr2", "lpr3"):
            assert key[1] in {kind for what, kind, *_ in expected if what == "loss"}
            del found[key]
    assert len({what for what, *_ in expected}) == 2
    return [
        f"{key}: {found.get(key, 0)}, planted {expected.get(key, 0)}"
        for key in sorted(found.keys() | expected.keys())
        if found.get(key) != expected.get(key)
    ]


# -------------------------------------------------------------------- personal numbers

# What is written of a hash: in hex, perhaps cut short, or as a whole number of up to 64 bits.
RUN_OF_HEX = re.compile(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{16}")
LONG_NUMBER = re.compile(rb"(?<!\d)\d{15,20}(?!\d)")
LOCKED = {
    ("restricted", name)
    for name in ("landing", "quarantine", "findings", "accepted", "scratch", "identity.duckdb")
}
RUN_OF_DIGITS = re.compile(rb"\d{6}-\d{4}|\d{10,14}(?!\d)")


def numbers_in(content: bytes, planted: set[bytes], odd: list[bytes]) -> set[str]:
    """Planted numbers that stand in some bytes: plain, with hyphen, or padded with zeros.

    Longer runs of digits are pseudonyms (up to 19); by chance alone a few of these hold ten digits
    that are somebody's number.
    """
    found = set()
    for match in RUN_OF_DIGITS.finditer(content):
        if match.start() and content[match.start() - 1 : match.start()].isdigit():
            continue
        digits = match.group().replace(b"-", b"")
        for start in range(len(digits) - 9):
            if digits[start : start + 10] in planted:
                found.add(digits[start : start + 10].decode())
    return found | {number.decode() for number in odd if number in content}


def hashes_of(numbers: Iterable[bytes]) -> set[bytes]:
    """Every number as anybody can hash it who has no key: the first 16 hex digits, and the first
    eight bytes, from either end, as 64 and as 63 bits in decimal."""
    found = set()
    for number in numbers:
        for spelt in (number, number[:6] + b"-" + number[6:]):
            for name in ("md5", "sha1", "sha256"):
                start = hashlib.new(name, spelt).digest()[:8]
                found.add(start.hex().encode())
                for order in ("big", "little"):
                    whole = int.from_bytes(start, order)
                    found |= {str(n).encode() for n in (whole, whole >> 1, whole & (2**63 - 1))}
    return found


def hashes_in(content: bytes, hashed: set[bytes]) -> set[bytes]:
    hexadecimal = {run.lower() for run in RUN_OF_HEX.findall(content)}
    return (hexadecimal | set(LONG_NUMBER.findall(content))) & hashed


def leaks(home: Path, answers: Path) -> list[str]:
    """Files outside `restricted/` and `deliveries/` in which a planted number stands, or its hash
    without a key; and files of the locked stores in whose bytes one can be read.

    Compressed files are read as what they hold: every value of every table.
    """
    planted = {
        line.encode() for line in (answers / "numbers.txt").read_text(encoding="utf-8").split()
    }
    odd = [number for number in planted if not number.isdigit()]
    hashed = hashes_of(planted)
    searched, found = 0, []
    for path in sorted(home.rglob("*")):
        relative = path.relative_to(home)
        is_locked = relative.parts[:2] in LOCKED
        if path.is_dir() or (relative.parts[0] in ("restricted", "deliveries") and not is_locked):
            continue
        searched += 1
        content = str(relative).encode() + b"\n" + path.read_bytes()
        if path.suffix in (".parquet", ".duckdb") and not is_locked:
            content += _values(path)
        if numbers_in(content, planted, odd) or hashes_in(content, hashed):
            found.append(str(relative))
    assert searched > 50, "the search must have looked at something"
    return found


def _values(path: Path) -> bytes:
    con = duckdb.connect()
    if path.suffix == ".parquet":
        tables = [f"read_parquet('{path}', hive_partitioning = false)"]
    else:
        con.execute(f"attach '{path}' as searched (read_only)")
        tables = [
            f'searched."{schema}"."{table}"'
            for schema, table in con.execute(
                "select schema_name, table_name from duckdb_tables() "
                "where database_name = 'searched'"
            ).fetchall()
        ]
    pieces = []
    for table in tables:
        for row in con.execute(f"select columns(*)::varchar from {table}").fetchall():
            pieces.append("\n".join(value for value in row if value))
    return "\n".join(pieces).encode()


# -------------------------------------------------------------------- running it

KEY = "a key of the tests, long enough for anyone"
SMALL = 3000


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KOBLING_", "AIRFLOW"))}
    return kept | {"KOBLING_HOME": str(home), "KOBLING_KEY": KEY, "NO_COLOR": "1"} | more


def command(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=CHECKOUT, env=environment(home, **more), capture_output=True, text=True, check=False,
    )  # fmt: skip


def settings_of(home: Path) -> Settings:
    return Settings(home, "mock", CHECKOUT, "1GB", 2, None, KEY)


def mock_small(home: Path) -> None:
    """A small mock in the home's inbox."""
    inbox, answers = home / "restricted" / "inbox", home / "restricted" / "answers"
    mocked = command(
        home, "etl.cli", "mock", "--out", str(inbox), "--answers", str(answers),
        "--persons", str(SMALL), "--seed", "2",
    )  # fmt: skip
    assert mocked.returncode == 0, mocked.stderr


def run_small(home: Path, **more: str) -> tuple[Path, subprocess.CompletedProcess]:
    """The whole road on a small mock."""
    mock_small(home)
    ended = command(home, "etl.cli", "run", **more)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return home, ended


def kill_in(home: Path, step: str, after_seconds: float) -> None:
    """Start a run and kill it without warning a moment after a step has begun."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "etl.cli", "run"],
        cwd=CHECKOUT, env=environment(home), stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        for line in running.stdout:
            if line.startswith(step):
                break
        time.sleep(after_seconds)
        assert running.poll() is None, f"{step} had ended before it could be killed"
        running.kill()


def contents(release: Path) -> dict[str, str]:
    """Every file of a release by its hash; DuckDB files differ in a few bytes from run to run."""
    return {
        str(path.relative_to(release.resolve())): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(release.resolve().rglob("*"))
        if path.is_file() and path.suffix != ".duckdb"
    }
