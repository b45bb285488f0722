"""Old deliveries landed anew by other contracts or code: planned, staged, never lost."""

import json
import shutil

import pytest
from click.testing import CliRunner

from etl import evidence, ledger, release, steps
from etl.cli import main
from etl.errors import DeliveryError, ReleaseError, SettingsError
from etl.home import Home
from etl.landing import accepted, current
from etl.settings import ALWAYS, BY_HAND
from etl.steps import backfilling, rebuilding, releasing
from etl.steps import landing as landing_step
from tests import story
from tests.conftest import ANNA, BENT, PATO_HEADER, PERSON_HEADER, write_delivery


def nothing(_: str) -> None:
    """Nobody listens."""


def code(pnr: str, requisition: str, year: int) -> str:
    return f"1;{requisition};1;1;{pnr};{year}-02-01;{year}-02-01;{year}-02-03;H;M80703\n"


@pytest.fixture
def home(settings, tmp_path, monkeypatch) -> Home:
    """Two registers landed: persons, and pathology of two years in one delivery and one later."""
    inbox = tmp_path / "inbox"
    write_delivery(inbox, "cpr", {"cpr3_t_person.csv": PERSON_HEADER})
    write_delivery(
        inbox, "patobank",
        {"pato1994.csv": PATO_HEADER + code(ANNA, "R1", 1994), "pato1995.csv": PATO_HEADER},
    )  # fmt: skip
    write_delivery(
        inbox, "patobank", {"pato1995.csv": PATO_HEADER + code(BENT, "R2", 1995)},
        day="2024-07-01", coverage="correction",
    )  # fmt: skip
    steps.receive(settings, inbox, None, nothing)
    steps.land(settings, None, nothing)
    monkeypatch.setattr(backfilling, "run", lambda *_: None)  # the whole way is below
    return Home(settings.home)


@pytest.fixture
def other_rules(monkeypatch) -> None:
    """As after a change of a contract, or of the code that reads deliveries."""
    monkeypatch.setattr(evidence, "landing_rules", lambda _: "other rules")


def backfilled(settings, *, register=None, period=None, again=False, signed=True) -> list[str]:
    said: list[str] = []
    by, reason = ("K. Hansen", "contract 1.3.0") if signed else (None, None)
    steps.backfill(settings, register, period, again, by, reason, said.append, nothing)
    return said


def files(home: Home) -> set[str]:
    return {
        str(path.relative_to(home.root)): path.stat().st_mtime_ns
        for path in home.restricted.rglob("*") if path.is_file()
    }.items()  # fmt: skip


def test_what_the_present_rules_have_read_is_left_alone(settings, home):
    before = files(home)
    assert backfilled(settings) == [
        "nothing to land anew: all that counts was read by the present contracts and code. "
        "--again reads it once more"
    ]
    assert files(home) == before
    assert len(backfilled(settings, again=True, register="cpr")) > 1


@pytest.mark.parametrize(
    ("register", "period", "expected"),
    [
        (None, None, "3 deliveries of 4 files and 2 rows"),
        ("patobank", None, "2 deliveries of 3 files and 2 rows"),
        ("patobank", "1995", "1 delivery of 1 file and 1 row"),  # the later one is in force
        (None, "1994", "1 delivery of 2 files and 1 row"),
    ],
)
def test_a_register_or_a_year_is_the_deliveries_that_count_for_it(
    settings, home, other_rules, register, period, expected
):
    before = files(home)
    told = backfilled(settings, register=register, period=period, signed=False)
    assert told[0].startswith(f"{expected} to land anew, a delivery whole")
    assert "nothing is changed" in told[1]
    assert files(home) == before


def test_a_year_that_nobody_delivered_is_refused_with_those_there_are(settings, home):
    with pytest.raises(SettingsError, match=r"patobank, 2001: nothing of it counts.*1994, 1995"):
        backfilled(settings, register="patobank", period="2001")


def test_landed_anew_it_counts_in_the_same_order_and_the_old_files_go(settings, home, other_rules):
    before = [(r["register"], r["folder"], r["sequence"]) for r in accepted(home)]
    old = {entry.path(home) for entry in current(home) if entry.register == "patobank"}
    assert "2 deliveries" in steps.status(settings) or "3 deliveries" in steps.status(settings)
    backfilled(settings, register="patobank")
    assert [(r["register"], r["folder"], r["sequence"]) for r in accepted(home)] == before
    assert not any(path.exists() for path in old)
    assert all(entry.path(home).exists() for entry in current(home))
    assert not list(home.accepted.rglob("*.earlier"))
    told = ledger.last(home, "backfill begun")
    assert (told["by"], told["register"], told["deliveries"]) == (
        "K. Hansen", "patobank", ["patobank/2024-06-01", "patobank/2024-07-01"],
    )  # fmt: skip
    done = ledger.last(home, "backfilled")
    assert (done["rows"], done["refused"], done["files_read_otherwise"]) == (2, 0, 3)
    assert "1 delivery landed by other" in steps.status(settings)  # cpr


def test_a_delivery_that_is_refused_now_counts_as_it_was(settings, home, other_rules, monkeypatch):
    before = {entry.slot: entry.path(home) for entry in current(home)}
    read = landing_step.parse

    def refuses(con, home, delivery, *more):
        if delivery.folder.name == "2024-06-01" and delivery.register.name == "patobank":
            raise DeliveryError("patobank/2024-06-01: unreadable. Expected otherwise. Ask.")
        return read(con, home, delivery, *more)

    monkeypatch.setattr(landing_step, "parse", refuses)
    with pytest.raises(DeliveryError, match=r"unreadable.*It counts as it was landed before"):
        backfilled(settings, register="patobank")
    after = {entry.slot: entry.path(home) for entry in current(home)}
    year = ("patobank", "pato", "1994")
    assert after[year] == before[year]
    assert after[year].exists()
    assert after["patobank", "pato", "1995"] != before["patobank", "pato", "1995"]


@pytest.mark.parametrize("at", ["accept", "forget_put_back"])
def test_killed_at_any_moment_nothing_is_lost_and_the_next_landing_tidies_up(
    settings, home, other_rules, monkeypatch, at
):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as short:
        short.setattr(landing_step if at == "accept" else backfilling, at, killed)
        with pytest.raises(KeyboardInterrupt):
            backfilled(settings, register="patobank")
    assert all(entry.path(home).exists() for entry in current(home))
    backfilled(settings, register="patobank")
    steps.land(settings, None, nothing)
    names = {entry.path(home).name for entry in current(home)} | {
        f"{file['content']}.parquet" for record in accepted(home) for file in record["files"]
    }
    assert {path.name for path in home.landing.rglob("*.parquet")} == names
    assert not list(home.accepted.rglob("*.earlier"))


def waits(settings, home: Home, study: str) -> list[str]:
    """Why a new release of a study is staged where all are live by themselves."""
    live = home.releases / study / "aaaa00000001"
    return releasing._reasons_to_look(settings, home, study, live, {}, [])


def test_what_comes_of_a_backfill_waits_however_it_ended_and_whoever_builds_it(
    settings, home, other_rules, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    assert settings.promote == ALWAYS
    assert waits(settings, home, "dlms") == []
    with monkeypatch.context() as short:
        short.setattr(landing_step, "accept", killed)
        with pytest.raises(KeyboardInterrupt):
            backfilled(settings, register="patobank")
    told = ["old deliveries were landed anew (K. Hansen: contract 1.3.0)"]
    assert waits(settings, home, "dlms") == told
    backfilled(settings, register="patobank")
    ledger.record(home, "released", study="dlms", release="bbbb00000002")  # signed by nobody
    assert waits(settings, home, "dlms") == told
    # Staged before the backfill: who promotes it has not seen what came of that.
    ledger.record(home, "released", study="dlms", release="bbbb00000002", is_promoted=True)
    assert waits(settings, home, "dlms") == told
    # One more that reads everything as before does not answer for the one that did not.
    backfilled(settings, register="patobank", again=True)
    assert ledger.last(home, "backfilled")["files_read_otherwise"] == 0
    assert waits(settings, home, "dlms") == told
    for event in ("staged", "released"):
        ledger.record(
            home, event, study="dlms", release="cccc00000003", is_promoted=event == "released"
        )
    assert waits(settings, home, "dlms") == []
    assert waits(settings, home, "afx_pds") == told


def test_a_backfill_that_reads_everything_as_before_asks_for_nothing(settings, home):
    backfilled(settings, again=True)
    assert ledger.last(home, "backfilled")["files_read_otherwise"] == 0
    assert waits(settings, home, "dlms") == []


def test_one_that_was_broken_off_after_it_had_landed_goes_on(
    settings, home, other_rules, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as short:
        short.setattr(backfilling, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            backfilled(settings)
    promote = []
    monkeypatch.setattr(backfilling, "run", lambda under, *_: promote.append(under.promote))
    assert "nothing to land anew" in backfilled(settings)[0]
    assert promote == [BY_HAND]


def test_words_without_a_name_change_nothing(settings, home, other_rules):
    before = files(home)
    with pytest.raises(SettingsError, match="--reason: empty"):
        steps.backfill(settings, None, None, False, "K. Hansen", " ", nothing, nothing)
    assert files(home) == before


# ------------------------------------------------------------------ the whole way


def test_what_comes_of_it_waits_for_somebody_to_look(small, tmp_path, monkeypatch):
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    live = {study: release.current(Home(home), study).name for study in ("dlms", "afx_pds")}
    environment = story.environment(home)
    monkeypatch.setattr(evidence, "landing_rules", lambda _: "other rules")

    def kobling(*words: str):
        return CliRunner().invoke(main, words, env=environment)

    told = kobling("backfill", "--register", "patobank")
    assert "by the last times" in told.stdout
    ended = kobling(
        "backfill", "--register", "patobank", "--by", "K. Hansen", "--reason", "contract 1.3.0"
    )
    assert ended.exit_code == 0, ended.stderr
    for study, before in live.items():
        waiting = release.staged(Home(home), study)
        assert waiting.name != before
        assert release.current(Home(home), study).name == before
        seen = json.loads((waiting / "evidence.json").read_text())
        assert seen["release_id"] == waiting.name
    preview = kobling("preview", "dlms").stdout
    assert "Nothing is outside the bounds." in preview
    assert "landed rows by year" in preview  # the same rows, read by other rules
    assert kobling("promote", "dlms").exit_code == 0
    assert release.current(Home(home), "dlms").name != live["dlms"]
    assert kobling("verify").exit_code == 0


def test_an_earlier_refresh_is_built_again_from_the_landing(small, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    environment = story.environment(home)
    first = release.current(Home(home), "dlms")
    settings = story.settings_of(home)
    # A stock of nobody: with it the register of sarcomas would be empty.
    inbox = tmp_path / "inbox"
    (header,) = {
        path.read_bytes().partition(b"\n")[0] + b"\n"
        for path in (home / "deliveries" / "dsd").rglob("*.csv")
    }
    table = next((home / "deliveries" / "dsd").rglob("*.csv")).name
    write_delivery(inbox, "dsd", {table: header}, day="2026-01-01")
    steps.receive(settings, inbox, None, nothing)
    steps.land(settings, None, nothing)
    assert {e.folder for e in current(Home(home)) if e.register == "dsd"} == {"2026-01-01"}
    ended = CliRunner().invoke(main, ["rebuild", f"dlms/{first.name}"], env=environment)
    assert ended.exit_code == 0, ended.stderr
    told = " ".join(ended.stdout.split())
    assert "cohort flow, risks, verdicts of the rule, checks." in told
    assert f"dlms/{first.name}: built again, the same to the byte" in told
    assert release.current(Home(home), "dlms") == first
    assert not (home / "restricted" / "scratch" / "rebuild").exists()
    assert CliRunner().invoke(main, ["verify"], env=environment).exit_code == 0


def test_a_release_that_is_not_what_its_id_says_is_told(tmp_path):
    places = [tmp_path / name / "dlms" / "aaaa00000001" for name in ("released", "made")]
    for number, place in enumerate(places):
        place.mkdir(parents=True)
        (place / "evidence.json").write_text(str(number))
    with pytest.raises(ReleaseError, match="built again under the same id, with other content"):
        rebuilding._hold_the_same(*places)
    rebuilding._hold_the_same(places[0], places[0])


def test_what_was_landed_anew_since_cannot_be_built_again(settings, home, other_rules, small):
    backfilled(settings)
    place = settings.home / "releases" / "dlms" / "aaaa00000001"
    place.mkdir(parents=True)
    listed = [
        {"register": e.register, "table_name": e.file.table, "period": e.file.period,
         "path": f"{e.register}/{e.folder}/{e.file.path}", "sha256": e.file.sha256}
        for e in current(home)
    ]  # fmt: skip
    (place / "evidence.json").write_text(
        json.dumps({"deliveries": listed, "keys": {"data": "as it was"}})
    )
    with pytest.raises(ReleaseError, match="landed anew by other contracts or code since"):
        steps.rebuild(settings, "dlms/aaaa00000001", nothing, nothing)


def test_what_is_gone_from_the_landing_cannot_be_built_again(small, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    shutil.rmtree(home / "restricted" / "accepted" / "dsd")
    ended = CliRunner().invoke(main, ["rebuild", "dlms/current"], env=story.environment(home))
    assert (ended.exit_code, "it cannot be rebuilt" in ended.stderr) == (2, True)
