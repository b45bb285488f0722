"""kobling export: what leaves of a real run, and what another program says of it."""

import csv
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from etl import disclosure, export, ledger, release, studies, verification
from etl.errors import DisclosureError, SettingsError
from etl.home import Home, file_hash, read_json, replace_json
from etl.settings import CHECKOUT, Settings
from etl.steps.exporting import export_study
from tests import story
from tests.attack import ALL, Known, is_known, learn

STUDY = "dlms"
# The smaller of the two, where any would do.
QUICK = "afx_pds"
THRESHOLD = 5


@pytest.fixture(scope="module")
def exported(small, tmp_path_factory) -> tuple[Settings, Path, list[str]]:
    """(settings, export, what was said) of the small mock, in a copy of its home."""
    home, _ = small
    own = tmp_path_factory.mktemp("export") / "home"
    own.mkdir()
    for name in ("releases", "population", "ledger.jsonl"):
        part = home / name
        if part.is_dir():
            shutil.copytree(part, own / name, symlinks=True)
        else:
            shutil.copy(part, own / name)
    said: list[str] = []
    settings = story.settings_of(own)
    return settings, export_study(settings, STUDY, said.append), said


def rows_of(folder: Path, name: str) -> list[dict]:
    """Numbers as numbers, an empty cell as None."""

    def value(text: str):
        if text == "":
            return None
        number = re.fullmatch(r"-?\d+(\.\d+)?", text)
        return (float(text) if number.group(1) else int(text)) if number else text

    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key: value(text) for key, text in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        # Names of levels may look like numbers.
        row |= {key: str(row[key]) for key in ("level", "factor", "characteristic") if key in row}
    return rows


def test_an_export_is_whole_sealed_and_says_what_it_was_made_from(exported):
    settings, folder, said = exported
    home = Home(settings.home)
    evidence = read_json(folder / export.EVIDENCE)
    live = release.current(home, STUDY)
    assert evidence["release"] == live.name
    assert evidence["release_evidence_sha256"] == file_hash(live / release.EVIDENCE)
    files = {path.name for path in folder.iterdir()} - {export.EVIDENCE}
    assert evidence["files"].keys() == files
    assert all(evidence["files"][name] == file_hash(folder / name) for name in files)
    assert files >= {"risks.csv", "cohort_flow.csv", "baseline.csv", "curves.csv", "methods.md"}
    assert files >= {"disclosure.md", "forest_plot_metastasis.svg"}
    assert all(path.stat().st_mode & 0o222 == 0 for path in folder.iterdir())
    entry = ledger.last(home, "exported")
    assert (entry["study"], entry["export"], entry["release"]) == (STUDY, folder.name, live.name)
    assert entry["evidence_sha256"] == file_hash(folder / export.EVIDENCE)
    assert any("stays inside" in one for one in said)
    inside = home.disclosure / STUDY / f"{folder.name}.json"
    assert entry["disclosure_sha256"] == file_hash(inside)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("exports/afx_pds/{id}/risks.csv", "changed since it was released"),
        ("exports/afx_pds/{id}/evidence.json", "not the file that the ledger names"),
        ("disclosure/afx_pds/{id}.json", "not the file that the ledger names"),
    ],
)
def test_verify_names_the_file_of_an_export_that_was_touched(quick, tmp_path, place, words):
    settings, folder = quick
    own = tmp_path / "home"
    shutil.copytree(settings.home, own, ignore=shutil.ignore_patterns("releases"))
    home = Home(own)
    entries = verification.chain(home).entries
    of_dlms = f"/{STUDY}/"
    assert list(verification.exported(home, entries, lambda _: None)) == []
    touched = own / place.format(id=folder.name)
    touched.chmod(0o644)
    touched.write_bytes(touched.read_bytes() + b" ")
    faults = list(verification.exported(home, entries, lambda _: None))
    assert any(str(touched.relative_to(own)) in one and words in one for one in faults)
    assert not any(of_dlms in one for one in faults)


@pytest.fixture(scope="module")
def quick(exported) -> tuple[Settings, Path]:
    settings, *_ = exported
    return settings, export_study(settings, QUICK, lambda _: None)


@pytest.fixture
def without_figures(monkeypatch):
    """They take the most time, and are held by the tests of whole exports."""
    for name in ("draw_forest", "draw_curves"):
        monkeypatch.setattr(export, name, lambda *_: None)


def with_releases_of(settings: Settings, own: Path) -> Settings:
    """Another home with the same releases, and nothing exported."""
    own.mkdir()
    shutil.copytree(settings.home / "releases", own / "releases", symlinks=True)
    return story.settings_of(own)


def test_a_release_is_exported_once_and_gives_the_same_bytes_elsewhere(quick, tmp_path):
    settings, folder = quick
    entries = Home(settings.home).ledger.read_bytes()
    said: list[str] = []
    assert export_study(settings, QUICK, said.append) == folder
    assert "nothing new" in said[0]
    assert Home(settings.home).ledger.read_bytes() == entries
    again = export_study(with_releases_of(settings, tmp_path / "home"), QUICK, said.append)
    assert again.name == folder.name
    assert {p.name: p.read_bytes() for p in again.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }


def test_an_export_holds_no_small_count_and_hides_the_one_that_tells_it(exported):
    _, folder, _ = exported
    counts = ("n_in", "n_excluded", "n_out", "n_persons", "n_events", "n_competing", "n_prevalent")
    seen = 0
    for name in ("cohort_flow", "baseline", "risks", "prevalent"):
        for row in rows_of(folder, name):
            for column in counts:
                if row.get(column) is not None:
                    seen += 1
                    assert row[column] == 0 or row[column] >= THRESHOLD, (name, row)
    assert seen > 100
    risks = {(r["outcome"], r["factor"], r["level"]): r for r in rows_of(folder, "risks")}
    # Nine metastases, four with necrosis and five without: only their sum is shown.
    assert risks["metastasis", ALL, ALL]["n_events"] == 9
    assert risks["metastasis", ALL, ALL]["risk_percent"] == 2.4
    assert risks["metastasis", "necrosis", "yes"]["n_events"] is None
    assert risks["metastasis", "necrosis", "no"]["n_events"] is None
    assert risks["metastasis", "necrosis", "no"]["risk_percent"] is None
    assert risks["metastasis", "necrosis", "yes"]["n_persons"] == 43


def test_an_export_holds_no_person(exported):
    settings, folder, _ = exported
    live = release.current(Home(settings.home), STUDY)
    ids = set(pd.read_csv(live / "patient.csv", dtype=str)["id"])
    assert len(ids) == 381
    for path in folder.iterdir():
        if path.suffix in (".csv", ".md", ".json", ".svg"):
            text = path.read_text(encoding="utf-8")
            assert not any(one in text for one in ids), path.name
            assert not re.search(r"\b\d{10,}\b", re.sub(r"[0-9a-f]{12,}", "", text)), path.name
    inside = (Home(settings.home).disclosure / STUDY / f"{folder.name}.json").read_text()
    assert not any(one in inside for one in ids)


def test_the_reasons_stay_inside_and_name_every_hidden_number(exported):
    settings, folder, _ = exported
    inside = read_json(Home(settings.home).disclosure / STUDY / f"{folder.name}.json")
    assert {row["reason"] for row in inside["reasons"]} >= {"primary", "secondary"}
    assert len(inside["reasons"]) == sum(row["hidden"] for row in rows_of(folder, "hidden"))
    for path in folder.glob("*.csv"):
        assert "primary" not in path.read_text() or path.name == "cohort_flow.csv"


def test_the_solver_recovers_no_small_count_from_the_export_of_a_real_run(exported):
    settings, folder, _ = exported
    definition = studies.read(CHECKOUT, STUDY)
    names = ("cohort_flow", "baseline", "risks", "prevalent", "curves", "followed")
    tables = {name: rows_of(folder, name) for name in names}
    known = Known()
    learn(known, 1, tables, definition.factors, definition.baseline_by, THRESHOLD)
    inside = read_json(Home(settings.home).disclosure / STUDY / f"{folder.name}.json")
    asked = 0
    for name, true in inside["counts"].items():
        place = as_asked(name)
        if 0 < true < THRESHOLD and place in known.least:
            asked += 1
            assert not is_known(*known.range_seen(place), THRESHOLD) or not is_known(
                *known.limits(place), THRESHOLD
            ), name
    assert asked > 20


def as_asked(name: str) -> tuple:
    """The attacker's name of one of our counts."""
    parts = name.split("/")
    if parts[0] == "persons":
        return (1, *parts)
    if len(parts) != 4:
        return ()
    words = {"e": "events", "k": "deaths", "c": "lost"}
    kind, day = words.get(parts[3][0], parts[3]), parts[3][1:]
    if parts[3] in ("prevalent", "rest"):
        return (1, *parts[:3], parts[3], 0)
    return (1, *parts[:3], kind, int(day) if parts[1] == ALL else 0)


# ------------------------------------------------------------------ a second opinion


def test_acro_flags_no_count_that_is_shown(exported, tmp_path, monkeypatch):
    """ACRO's own checks over the persons of the release: what it flags must be hidden."""
    import acro

    monkeypatch.chdir(tmp_path)
    settings, folder, _ = exported
    live = release.current(Home(settings.home), STUDY)
    definition = studies.read(CHECKOUT, STUDY)
    persons = pd.read_csv(live / "patient.csv", dtype=str).fillna("missing")
    checker = acro.ACRO(suppress=False)
    checker.config |= {"safe_threshold": THRESHOLD, "zeros_are_disclosive": False}
    baseline = {
        (r["characteristic"], r["level"], r["group"]): r["n_persons"]
        for r in rows_of(folder, "baseline")
    }
    risks = {(r["outcome"], r["factor"], r["level"]): r for r in rows_of(folder, "risks")}
    flagged = shown = 0

    def hold(table, shown_cell) -> None:
        nonlocal flagged, shown
        outcome = checker.results.get_index(-1).outcome
        for level in table.index:
            for group in table.columns:
                value = shown_cell(str(level), str(group))
                if table.loc[level, group] == 0:
                    continue
                is_flagged = "Threshold" in str(outcome.loc[level, group])
                flagged += is_flagged
                shown += value is not None
                assert not (is_flagged and value is not None), (level, group, value)

    for factor in definition.factors:
        column = f"{factor.name}_level" if f"{factor.name}_level" in persons else factor.name
        if factor.name != definition.baseline_by:
            table = checker.crosstab(persons[column], persons[definition.baseline_by])
            hold(table, lambda level, group, f=factor.name: baseline[f, level, group])
        for outcome in definition.outcomes:
            own = persons[persons[f"{outcome.name}_prevalent"] == "0"]
            days = own[f"{outcome.name}_days"].astype(int)
            until = days <= max(definition.horizons_days)
            status = own[f"{outcome.name}_status"].where(until, "later")
            fate = status.map({"1": "n_events", "2": "n_competing"}).fillna("other")
            table = checker.crosstab(own[column], fate)

            def cell(level, fate, f=factor.name, o=outcome.name):
                return risks.get((o, f, level), {}).get(fate)

            hold(table, cell)
    # It must have had something to flag, and something that passed.
    assert flagged > 20
    assert shown > 40


# ------------------------------------------------------------------ refusals


def test_a_later_export_is_held_against_the_earlier_ones(quick, without_figures, tmp_path):
    settings, folder = quick
    own = with_releases_of(settings, tmp_path / "home")
    inside = read_json(Home(settings.home).disclosure / QUICK / f"{folder.name}.json")
    # As if there had been two men fewer when another release was exported.
    key = "persons / sex / male"
    men = {r["level"]: r["n_persons"] for r in rows_of(folder, "baseline") if r["group"] == "all"
           and r["characteristic"] == "sex"}  # fmt: skip
    assert inside["printed"][key] == men["male"]
    inside |= {"export": "0" * 12, "release": "another"}
    inside["printed"][key] -= 2
    replace_json(own.home / "disclosure" / QUICK / "000000000000.json", inside)
    later = export_study(own, QUICK, lambda _: None)
    assert later.name != folder.name
    now = {(r["characteristic"], r["level"], r["group"]): r for r in rows_of(later, "baseline")}
    assert now["sex", "male", "all"]["n_persons"] is None
    assert now["sex", "female", "all"]["n_persons"] is None
    assert read_json(later / export.EVIDENCE)["earlier_exports"] == "0" * 12


def test_an_export_that_was_broken_off_is_made_whole_by_the_next(
    quick, without_figures, tmp_path, monkeypatch
):
    settings, folder = quick
    killed = with_releases_of(settings, tmp_path / "home")

    def broken(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(export, "write_evidence", broken)
        with pytest.raises(KeyboardInterrupt):
            export_study(killed, QUICK, lambda _: None)
    exports = Home(killed.home).exports / QUICK
    assert not (exports / folder.name).exists()
    assert export_study(killed, QUICK, lambda _: None).name == folder.name
    assert [p.name for p in exports.iterdir()] == [folder.name]


def test_a_release_without_a_table_is_refused(tmp_path):
    (tmp_path / "estimates.json").write_text(json.dumps({"risks": [], "prevalent": []}))
    with pytest.raises(DisclosureError, match=r"no parquet/attrition\.parquet"):
        export.aggregates_of(tmp_path, studies.read(CHECKOUT, STUDY))


@pytest.mark.parametrize("value", ["two", "2", "0", "-5", "4.5"])
def test_a_smallest_count_below_three_is_refused(monkeypatch, value):
    monkeypatch.setenv("KOBLING_SMALLEST_COUNT", value)
    with pytest.raises(SettingsError, match="Expected a whole number from 3 up"):
        Settings.from_environment()


def test_a_keeper_may_ask_for_more(exported):
    settings, *_ = exported
    live = release.current(Home(settings.home), QUICK)
    numbers = export.aggregates_of(live, studies.read(CHECKOUT, QUICK))
    done = disclosure.protect_study(numbers, 10)
    shown = [row["n_events"] for row in done.table("risks").dicts()]
    assert not [n for n in shown if n is not None and 0 < n < 10]
    assert None in shown
