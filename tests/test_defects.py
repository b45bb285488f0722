"""Every defect of the catalogue, planted alone and planted with all the others.

Alone it is taken through landing, its checks and the linkage, and the rows that are found are held
against the answer sheet: none missing, none too many, and no clean row other than in a mock without
the defect. What only staging can see is found in one run of everything, beside one of nothing.
"""

import csv
import dataclasses
import functools
import hashlib
import json
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from etl import deliveries, landing, linkage, mock, quality, registers, restricted, steps
from etl.cli import main
from etl.errors import DeliveryError, SettingsError
from etl.home import Home
from etl.mock import defects
from etl.settings import CHECKOUT
from tests import story
from tests.conftest import KEYS, unlocked

PERSONS, SEED = 2000, 3  # five rows must stay below 5 % of a file
# Nothing else of a file may differ where one of these is planted in it.
IN_PERSONS = {"modulus_11", "changed_numbers"}
# The copies of a file's contacts bring their diagnoses and operations.
WHOLE_FILES = {"overlap"}
# Hand-written persons have them in every mock.
ALWAYS_THERE = {"autopsies"}
EXPECTATIONS = CHECKOUT / "expectations"


class Planted:
    """An inbox with some defects, and its answer sheet."""

    def __init__(self, folder: Path, wanted: str) -> None:
        self.inbox = folder / "inbox"
        mock.write(self.inbox, folder / "answers", PERSONS, SEED, lambda _: None, wanted)
        self.sheet = sheet(folder / "answers")

    @functools.cached_property
    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.inbox)): path.read_bytes()
            for path in sorted(self.inbox.rglob("*"))
            if path.is_file() and path.name != "manifest.json"
        }


def sheet(answers: Path) -> list[dict]:
    with (answers / "defects.csv").open(encoding="utf-8", newline="") as file:
        return [row | {"row": int(row["row"])} for row in csv.DictReader(file)]


class Landed:
    """One file of an inbox, landed, checked and linked: rows by their number in the file."""

    def __init__(self, reader: "Reader", planted: Planted, place: str) -> None:
        register, day, name = place.split("/")
        self.place = place
        delivery = deliveries.read(planted.inbox / register / day)
        file = next(file for file in delivery.files if file.path == name)
        self.table = delivery.register.table(file.table)
        self.period = file.period
        con = reader.con
        home = Home(reader.folder / planted.inbox.parent.name)
        parsed = landing.parse(
            con, home, dataclasses.replace(delivery, files=(file,)), "mock", KEYS
        )  # fmt: skip
        (landed,) = parsed.files
        self.stores = {
            store: parsed.scratch / landing.records.slot_path(store, landed)
            for store in ("landing", "quarantine", "findings")
        }
        kept = home.root / "kept" / place
        kept.mkdir(parents=True)
        for store, path in self.stores.items():
            if path.exists():
                self.stores[store] = path.rename(kept / f"{store}.parquet")
        self.rows, self.landed = landed.rows, landed.landed
        self.quarantined = self._reasons(con, "quarantine", "reason")
        self.findings = self._reasons(con, "findings", "finding")
        con.execute(
            f'create or replace view "{self.table.name}" as '
            f"select * from {restricted.scan(self.stores['landing'])}"
        )
        suite = f"landing.{register}.{self.table.name}"
        self.flagged = {
            (f"{suite}:{result.check.id}", int(row))
            for result in quality.run(
                con,
                self.table.name,
                quality.structural_checks(self.table) + quality.written_checks(EXPECTATIONS, suite),
                key_columns=("source_file", "source_row"),
                sensitive_columns=[column.name for column in self.table.number_columns],
            )
            for _, row in result.failing
        }
        self.values = self._values(con)

    def _reasons(self, con, store: str, column: str) -> set[tuple[str, int]]:
        if not self.stores[store].exists():
            return set()
        return set(
            con.execute(
                f"select {column}, source_row from {restricted.scan(self.stores[store])}"
            ).fetchall()
        )

    def _values(self, con) -> dict[int, tuple]:
        columns = ", ".join(f'"{column.name}"' for column in self.table.columns)
        return {
            row: tuple(values)
            for row, *values in con.execute(
                f"select source_row, {columns} from {restricted.scan(self.stores['landing'])}"
            ).fetchall()
        }


class Reader:
    """Lands files of small mocks, one by one, and remembers those of the clean one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.con = unlocked()
        self.clean = Planted(folder / "none", "none")
        self._landed: dict[str, Landed] = {}
        persons = self.of_clean("cpr/2023-03-15/cpr3_t_person.csv")
        self.identify(persons)

    def identify(self, persons: Landed) -> None:
        linkage.identify(self.con, restricted.scan(persons.stores["landing"]), KEYS.secret)

    def of_clean(self, place: str) -> Landed:
        if place not in self._landed:
            self._landed[place] = Landed(self, self.clean, place)
        return self._landed[place]

    def linked(self, landed: Landed) -> tuple[set[int], set[tuple[str, int]]]:
        """(rows that lead to a person, (reason, row) of those that do not)."""
        contacts = []
        if landed.table.contact:
            folder = landed.place.rpartition("/")[0]
            name = {"lpr2": f"t_adm{landed.period}.csv", "lpr3": "kontakter.parquet"}
            contacts = [self.of_clean(f"{folder}/{name[landed.table.register]}").stores["landing"]]
        to, other = self.folder / "linked.parquet", self.folder / "unlinked.parquet"
        quarantine = landed.stores["quarantine"]
        linkage.link_file(
            self.con, landed.table, landed.stores["landing"],
            quarantine if quarantine.exists() else None, to, other, contacts,
        )  # fmt: skip
        linked = self.con.execute(f"select source_row from read_parquet('{to}')").fetchall()
        unlinked = self.con.execute(
            f"select reason, source_row from read_parquet('{other}') where stage = 'linkage'"
        ).fetchall()
        return {row for (row,) in linked}, set(unlinked)


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Reader:
    return Reader(tmp_path_factory.mktemp("defects"))


def test_the_catalogue_has_27_defects_each_with_a_form_that_is_planted():
    assert [kind.number for kind in defects.CATALOGUE] == list(
        range(1, len(defects.CATALOGUE) + 1)
    )  # fmt: skip
    assert len(defects.CATALOGUE) >= 27
    assert len(set(defects.NAMES)) == len(defects.NAMES)
    planted = {form.kind for forms in defects.FORMS.values() for form in forms}
    # Those of whole files have functions of their own.
    assert planted | {"columns", "truncated"} == set(defects.NAMES)


@pytest.mark.parametrize("kind", defects.NAMES)
def test_a_defect_planted_alone_is_found_where_it_lies_and_nowhere_else(reader, kind):
    planted = Planted(reader.folder / kind, kind)
    own = [row for row in planted.sheet if row["kind"] == kind and row["expected"] != "refused"]
    others = [row for row in planted.sheet if row["kind"] != kind]
    assert own
    assert {row["defect"] for row in others} <= {"number_of_nobody"}
    places = sorted({f"{row['register']}/{row['path']}" for row in own})
    changed = {
        place
        for place, content in planted.files.items()
        if reader.clean.files.get(place) != content
        and place.split("/")[1] not in {day for _, _, day, _ in defects.REFUSED}
    }
    if kind in IN_PERSONS | WHOLE_FILES:
        assert set(places) & changed
    else:
        hand_written = {  # in a file in which nothing is planted, but a person always has it
            place for place in places if not any(_is_planted_in(planted, reader, row) for row in own
                                                 if f"{row['register']}/{row['path']}" == place)
        }  # fmt: skip
        assert changed == set(places) - hand_written
    if kind in IN_PERSONS:
        reader.identify(Landed(reader, planted, "cpr/2023-03-15/cpr3_t_person.csv"))
    try:
        for place in places if kind not in ALWAYS_THERE else ():
            if kind in IN_PERSONS and place.startswith("cpr/"):
                continue
            _hold(reader, planted, kind, place)
    finally:
        if kind in IN_PERSONS:
            reader.identify(reader.of_clean("cpr/2023-03-15/cpr3_t_person.csv"))


def _is_planted_in(planted: Planted, reader: Reader, row: dict) -> bool:
    place = f"{row['register']}/{row['path']}"
    return planted.files[place] != reader.clean.files[place]


def _of_the_same_requisition(found: Landed, rows: set[int]) -> set[tuple[str, int]]:
    if found.table.name != "pato":
        return set()
    names = [column.name for column in found.table.columns]
    inst, number = names.index("k_inst"), names.index("k_rekvnr")
    requisitions = {
        (values[inst], values[number]) for row, values in found.values.items() if row in rows
    }
    return {
        ("landing.patobank.pato:requisition_is_of_one_person", row)
        for row, values in found.values.items()
        if (values[inst], values[number]) in requisitions
    }


def _hold(reader: Reader, planted: Planted, kind: str, place: str) -> None:
    """One file with a defect: what is found is what the sheet says, and no clean row is touched."""
    of_file = [row for row in planted.sheet if f"{row['register']}/{row['path']}" == place]
    rows_planted = {row["row"] for row in of_file if row["kind"] == kind}
    found, clean = Landed(reader, planted, place), reader.of_clean(place)

    def said(what: str) -> set[tuple[str, int]]:
        return {
            (row["expected"].partition(":")[2], row["row"])
            for row in of_file
            if row["expected"].startswith(f"{what}:") and row["row"]
        }

    assert found.landed + len(found.quarantined) == found.rows
    assert found.quarantined == said("quarantined")
    assert found.findings == said("finding")
    wanted = {(name, row) for name, row in said("flagged") if name.startswith("landing.")}
    checks = {name for name, _ in wanted}
    assert {(name, row) for name, row in found.flagged if name in checks} == wanted
    # No other check of the table has more to say about rows in which nothing is planted, but that
    # another number in one row contradicts the other rows of its requisition.
    contradicted = _of_the_same_requisition(found, rows_planted) if kind == "numbers" else set()
    assert {flag for flag in found.flagged if flag[1] not in rows_planted} <= clean.flagged | {
        flag for flag in found.flagged if kind in WHOLE_FILES | IN_PERSONS or flag in contradicted
    }
    _hold_clean_rows(kind, found, clean, rows_planted)
    linked, unlinked = reader.linked(found)
    assert len(linked) + len(unlinked) == found.landed
    not_there = {row for _, row in found.quarantined}
    assert rows_planted - not_there - {row for _, row in said("unlinked")} - {0} <= linked
    before = {
        (reason, row) for reason, row in reader.linked(clean)[1] if row not in rows_planted
    }  # fmt: skip
    if kind not in WHOLE_FILES:
        assert unlinked == before | said("unlinked")


def _hold_clean_rows(kind: str, found: Landed, clean: Landed, rows_planted: set[int]) -> None:
    untouched = {row: values for row, values in found.values.items() if row not in rows_planted}
    if kind in WHOLE_FILES:
        assert sorted(map(str, untouched.values())) == sorted(map(str, clean.values.values()))
        return
    numbers = [i for i, c in enumerate(found.table.columns) if c.is_personal_number]

    def shown(values: tuple) -> tuple:
        if kind not in IN_PERSONS:
            return values
        return tuple(value for i, value in enumerate(values) if i not in numbers)

    assert {row: shown(values) for row, values in untouched.items()} == {
        row: shown(values) for row, values in clean.values.items() if row not in rows_planted
    }


# -------------------------------------------------------------------- what staging sees


@dataclasses.dataclass(frozen=True)
class Ran:
    """A whole run on a mock, and its answer sheet."""

    home: Path
    sheet: list[dict]

    def ask(self, query: str, *values: object) -> list[tuple]:
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as con:
            return con.execute(query, list(values)).fetchall()

    def failing(self, name: str) -> set[tuple]:
        """Keys of the rows that a check, `<suite>:<id>`, has listed."""
        suite, _, check = name.partition(":")
        return {
            tuple(json.loads(key).values())
            for (key,) in self.ask(
                "select row_key from quality.failure where suite = ? and check_id = ?",
                suite, check,
            )
        }  # fmt: skip

    def planted(self, what: str) -> dict[str, set[tuple[str, str, int]]]:
        """Of rows that are expected to be `what`: the rest of the word → (register, path, row)."""
        found: dict[str, set] = {}
        for row in self.sheet:
            word, _, rest = row["expected"].partition(":")
            if word == what:
                found.setdefault(rest, set()).add((row["register"], row["path"], row["row"]))
        return found


def slot(path: str) -> tuple[str, str]:
    """(table, period) of a path."""
    stem = path.rpartition("/")[2].partition(".")[0]
    year = stem[-4:] if stem[-4:].isdigit() else None
    return stem.removesuffix(year or ""), year or "all"


@pytest.fixture(scope="module")
def everything(small) -> Ran:
    """The small mock of the story: all defects at once."""
    return Ran(small[0], sheet(small[0] / "restricted" / "answers"))


@pytest.fixture(scope="module")
def nothing(tmp_path_factory) -> Ran:
    """The same mock without a defect, up to the checks."""
    home = tmp_path_factory.mktemp("nothing") / "home"
    answers = home / "restricted" / "answers"
    mock.write(home / "restricted" / "inbox", answers, story.SMALL, 2, lambda _: None, "none")
    for command in (["receive"], ["land"], ["link"], ["select"], ["check"]):
        ended = story.command(home, "etl.cli", *command)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return Ran(home, sheet(answers))


@pytest.mark.parametrize("ran", ["everything", "nothing"])
def test_every_flag_lists_the_planted_rows_and_no_other(ran, request):
    run = request.getfixturevalue(ran)
    flags = {
        form.expected.partition(":")[2]
        for forms in defects.FORMS.values()
        for form in forms
        if form.expected.startswith("flagged:")
    }
    assert len(flags) >= 20
    planted = run.planted("flagged")
    assert set(planted) == (flags if ran == "everything" else set())
    # A hand-written person is there whatever is planted, and on the sheet only with its defect.
    always = {"found_dead", "tumours", "not_found", "retracted", "overlap", "modulus_11",
              "open_stays"}  # fmt: skip
    for flag in sorted(flags):
        if flag.startswith("landing."):
            expected = {
                (_hash(run.home, register, path), str(row))
                for register, path, row in planted.get(flag, ())
            }
        else:
            expected = {(slot(path)[1], str(row)) for _, path, row in planted.get(flag, ())}
        found = run.failing(flag)
        kind = next(f.kind for forms in defects.FORMS.values() for f in forms
                    if f.expected == f"flagged:{flag}")  # fmt: skip
        if ran == "everything":
            assert found == expected, flag
            assert len(expected) >= 3, flag
        elif kind not in always:
            assert found == set(), flag


@functools.cache
def _hash(home: Path, register: str, path: str) -> str:
    content = (home / "deliveries" / register / path).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


# Form → (staging model, condition that its rows hold).
IN_STAGING = {
    "code_mangled": ("stg_patobank__code", "snomed_code = 'ÆKI030'"),
    "code_written_out": ("stg_patobank__code", "snomed_code = 'ÆKI030'"),
    "code_padded": ("stg_patobank__code", "snomed_code = trim(snomed_code)"),
    "received_in_1900": ("stg_patobank__code", "received_date is null"),
    "answered_in_the_future": ("stg_patobank__code", "answered_date is null"),
    "specialty_without_zero": ("stg_lpr2__contact", "specialty_code = '01'"),
    "discharged_in_1900": ("stg_lpr2__contact", "contact_end_date is null"),
    "status_without_zero": ("stg_cpr__person", "status_code = '01'"),
    "municipality_unknown": ("stg_cpr__address", "municipality = 'Uoplyst'"),
    "municipality_closed_in_2007": ("stg_cpr__address", "municipality = 'Uoplyst'"),
    "icd_8_after_1994": ("stg_lpr2__diagnosis", "code_system = 'ICD-8'"),
    "icd_10_before_1994": ("stg_lpr2__diagnosis", "code_system = 'ICD-10'"),
    "icd_8_in_lpr3": ("stg_lpr3__diagnosis", "code_system = 'ICD-8'"),
    "day_of_death_empty": ("stg_dar__death_2002_to_2022", "found_date is not null"),
    "certificate_not_validated": ("stg_dar__death_from_2022", "is_validated = 0"),
}


@pytest.mark.parametrize("form", IN_STAGING)
def test_what_is_repaired_is_repaired_in_staging_and_what_is_emptied_stays_empty(everything, form):
    model, condition = IN_STAGING[form]
    period = "'all'" if model == "stg_cpr__person" else "period"
    held = {
        (period, row)
        for period, row in everything.ask(
            f"select {period}, source_row from staging.{model} where {condition}"
        )
    }
    planted = {
        (slot(row["path"])[1], row["row"]) for row in everything.sheet if row["defect"] == form
    }
    assert len(planted) >= 3
    assert planted <= held


def _staged(run: Ran, model: str, path: str, row: int, columns: str) -> tuple:
    (found,) = run.ask(
        f"select {columns} from staging.{model} where period = ? and source_row = ?",
        slot(path)[1], row,
    )  # fmt: skip
    return found


def test_rows_under_a_changed_or_deleted_number_are_of_the_person_of_the_number_in_force(
    everything,
):
    person_of = story.person_of_number(story.settings_of(everything.home))
    deliveries_of = everything.home / "deliveries"
    with (deliveries_of / "cpr/2023-03-15/cpr3_t_person.csv").open(encoding="windows-1252") as file:
        register = {row["v_pnr"]: row for row in csv.DictReader(file, delimiter=";")}
    rows = [row for row in everything.sheet if row["kind"] == "changed_numbers"]
    assert {row["defect"] for row in rows} == {"number_deleted_as_double", "number_changed"}
    for row in rows:
        path = deliveries_of / row["register"] / row["path"]
        with path.open(encoding="windows-1252") as file:
            number = list(csv.DictReader(file, delimiter=";"))[row["row"] - 1]["cpr"]
        status = {"number_deleted_as_double": "50", "number_changed": "60"}[row["defect"]]
        assert register[number]["c_status"] == status
        (person,) = _staged(everything, "stg_patobank__code", row["path"], row["row"], "person_id")
        assert person == person_of[number] == person_of[register[number]["v_pnr_gaeld"]]


def test_one_requisition_number_in_two_laboratories_is_two_requisitions(everything):
    rows = [
        row for row in everything.sheet
        if row["kind"] == "requisition_numbers" and row["expected"] == "linked"
    ]  # fmt: skip
    assert len(rows) == defects.FEW
    for row in rows:
        person, laboratory, number = _staged(
            everything, "stg_patobank__code", row["path"], row["row"], "person_id, k_inst, k_rekvnr"
        )
        persons = dict(
            everything.ask(
                "select k_inst, list(distinct person_id) from staging.stg_patobank__code "
                "where k_rekvnr = ? group by all",
                number,
            )
        )
        assert persons.pop(laboratory) == [person]
        assert persons
    doubled = everything.failing("landing.patobank.pato:requisition_is_of_one_person")
    listed = {(source, int(row)) for source, row in doubled}
    assert not listed & {
        (_hash(everything.home, row["register"], row["path"]), row["row"]) for row in rows
    }


def test_what_is_retracted_or_was_not_found_is_no_diagnosis_of_the_person(everything):
    for kind, register in (("not_found", "lpr2"), ("retracted", "lpr3")):
        rows = [row for row in everything.sheet if row["kind"] == kind]
        assert len(rows) >= defects.FEW
        for row in rows:
            where = _staged(
                everything, f"stg_{register}__diagnosis", row["path"], row["row"],
                "person_id, contact_id, diagnosis_code",
            )  # fmt: skip
            assert everything.ask(
                "select count(*) from cohort.int_hospital_diagnosis where register = ? "
                "and person_id = ? and contact_id = ? and diagnosis_code = ?",
                register, *where,
            ) == [(0,)]  # fmt: skip


def test_a_contact_that_lies_in_both_registers_is_counted_in_one(everything):
    for register, model in (("lpr2", "stg_lpr2__contact"), ("lpr3", "stg_lpr3__contact")):
        rows = [
            row for row in everything.sheet
            if row["kind"] == "overlap" and row["register"] == register
        ]  # fmt: skip
        assert len(rows) >= 20
        keys = [
            _staged(everything, model, row["path"], row["row"], "person_id, contact_id")
            for row in rows
        ]
        for key in keys:
            assert everything.ask(
                "select count(*) from cohort.int_hospital_diagnosis "
                "where register = ? and person_id = ? and contact_id = ?",
                register, *key,
            ) == [(0,)]  # fmt: skip


def test_whoever_was_found_at_autopsy_leaves_the_flow_for_it(everything):
    person_of = {
        _staged(everything, "stg_patobank__code", row["path"], row["row"], "person_id")[0]
        for row in everything.sheet
        if row["kind"] == "autopsies"
        and not row["path"].startswith("2022-03-01/pato2003")
        and not row["path"].startswith("2022-03-01/pato2021")
    }
    excluded = everything.ask(
        "select person_id from marts.exclusion_reasons "
        "where first_failed_criterion = 'not_found_at_autopsy'"
    )
    assert len(excluded) == 18  # twelve of the first study and six of the second
    assert {person for (person,) in excluded} == person_of


SAME_MARTS = (
    "cohort", "exclusion_reasons", "attrition", "factor", "time_to_event", "prevalent_outcome",
    "cancer_registry_agreement", "hospital_agreement", "death_disagreement",
)  # fmt: skip


def test_all_defects_together_change_nothing_of_the_studys_answer(everything, nothing):
    for mart in SAME_MARTS:
        rows = everything.ask(f"select * from marts.{mart} order by all")
        assert rows
        assert rows == nothing.ask(f"select * from marts.{mart} order by all"), mart


STAGED = {
    "stg_cpr__address": ("cpr", "cpr3_t_adresse_hist"),
    "stg_cpr__stay_abroad": ("cpr", "cpr3_t_adresse_udland_hist"),
    "stg_lpr2__contact": ("lpr2", "t_adm"),
    "stg_lpr2__diagnosis": ("lpr2", "t_diag"),
    "stg_lpr2__operation": ("lpr2", "t_sksopr"),
    "stg_lpr3__contact": ("lpr3", "kontakter"),
    "stg_lpr3__diagnosis": ("lpr3", "diagnoser"),
    "stg_lpr3__operation": ("lpr3", "procedurer_kirurgi"),
    "stg_patobank__code": ("patobank", "pato"),
    "stg_dcr__tumour": ("dcr", "t_tumor"),
    "stg_dar__death_to_2001": ("dar", "t_dodsaarsag_1"),
    "stg_dar__death_2002_to_2022": ("dar", "t_dodsaarsag_2"),
    "stg_dar__death_from_2022": ("dar", "dodsaarsager"),
}


@pytest.mark.parametrize("model", STAGED)
def test_no_clean_row_of_staging_is_touched(everything, nothing, model):
    """What is not planted stands in the mock without defects too, value by value.

    But for the person, whose id is another where a number was given an older one, and copies of
    contacts, which bring rows of their own.
    """
    register, table = STAGED[model]
    planted = {
        (slot(row["path"])[1], row["row"])
        for row in everything.sheet
        if row["register"] == register and slot(row["path"])[0] == table
    }
    columns = [
        name
        for (name,) in everything.ask(
            "select column_name from duckdb_columns() where schema_name = 'staging' "
            "and table_name = ? order by column_index",
            model,
        )
        if name not in ("person_id", "source_row")
    ]
    query = f"select period, source_row, {', '.join(columns)} from staging.{model}"
    ours = Counter(
        tuple(values)
        for period, row, *values in everything.ask(query)
        if (period, row) not in planted
    )
    clean = Counter(tuple(values) for _, _, *values in nothing.ask(query))
    more = ours - clean
    assert sum(ours.values()) > 0
    if register in ("lpr2", "lpr3") and model not in ("stg_lpr2__contact", "stg_lpr3__contact"):
        # What hangs on the copies of the spring of 2019.
        at = columns.index("contact_id")
        copies = {
            key
            for (key,) in everything.ask(
                f"select contact_id from staging.stg_{register}__contact where "
                + ("contact_start_date >= date '2019-04-01'" if register == "lpr2"
                   else "reporting_system = 'LPR2'")
            )
        }  # fmt: skip
        more = Counter({values: n for values, n in more.items() if values[at] not in copies})
    assert more == Counter()


def test_the_sums_close_for_every_register_table_and_period(everything):
    """Counted anew: lines of the delivered files, rows of landing and quarantine, of the lake."""
    home = Home(everything.home)
    entries, con = landing.current(home), story.opened(home)
    assert {entry.register for entry in entries} == set(registers.catalogue())
    for entry in entries:
        path = home.deliveries / entry.register / entry.folder / entry.file.path
        if path.suffix == ".parquet":
            delivered = _count(f"'{path}'", con)
        else:
            delivered = path.read_bytes().count(b"\n") - 1
        part = "/".join((entry.register, entry.file.table, f"period={entry.file.period}"))
        landed = _count(restricted.scan(entry.path(home)), con)
        quarantine = entry.path(home, "quarantine")
        quarantined = _count(restricted.scan(quarantine), con) if quarantine.exists() else 0
        linked = _count(f"'{home.linked / part / 'part.parquet'}'", con)
        unlinked = duckdb.sql(
            f"select count(*) from read_parquet('{home.unlinked / part / 'part.parquet'}') "
            "where stage = 'linkage'"
        ).fetchone()[0]
        assert delivered == landed + quarantined, part
        assert landed == linked + unlinked, part
        flow = dict(
            everything.ask(
                "select stage, sum(n_rows)::bigint from marts.linkage_flow where register = ? "
                "and table_name = ? and period = ? group by stage",
                *entry.slot,
            )
        )
        told = {"received": delivered, "landed": landed, "quarantined": quarantined,
                "linked": linked, "unlinked": unlinked}  # fmt: skip
        assert {stage: n for stage, n in flow.items() if n} == {
            stage: n for stage, n in told.items() if n
        }, part


def _count(source: str, con: duckdb.DuckDBPyConnection) -> int:
    return con.execute(f"select count(*) from {source}").fetchone()[0]


# -------------------------------------------------------------------- whole files


def test_files_that_break_the_contract_are_refused_and_the_good_delivery_stays(tmp_path):
    """By name only: `all` leaves them out, for a refusal keeps the road red."""
    planted = Planted(tmp_path / "planted", "columns,truncated")
    refused = {row["defect"]: row for row in planted.sheet if row["expected"] == "refused"}
    assert set(refused) == {form for _, form, *_ in defects.REFUSED}
    settings = story.settings_of(tmp_path / "home")
    only = tmp_path / "only"
    only.mkdir()
    (planted.inbox / "dsd").rename(only / "dsd")
    with pytest.raises(DeliveryError) as receiving:
        steps.receive(settings, only, None, lambda _: None)
    assert str(receiving.value).count("\n") == 0
    with pytest.raises(DeliveryError):
        steps.land(settings, "dsd", lambda _: None)
    home = Home(settings.home)
    records = {
        path.stem: json.loads(path.read_text())
        for path in (home.accepted / "dsd").glob("*.json")
    }  # fmt: skip
    said = {
        "column_renamed": "diagnosis_date",
        "column_missing": "cpr",
        "column_doubled_by_case": "grade",
        "rows_lost": "by the manifest",
    }
    for form, row in refused.items():
        day = row["path"].partition("/")[0]
        if form == "file_cut_short":
            assert day in str(receiving.value)
            assert day not in records
            continue
        assert records[day]["status"] == "refused", form
        assert said[form] in records[day]["reason"], form
    assert records["2023-03-15"]["status"] == "accepted"
    assert [entry.folder for entry in landing.current(home)] == ["2023-03-15"]


def test_a_defect_that_nobody_knows_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match=r"unknown gremlins\. .*duplicates, numbers"):
        defects.wanted("duplicates,gremlins")


def test_names_are_planted_together_and_no_other(tmp_path):
    ended = CliRunner().invoke(
        main,
        ["mock", "--out", str(tmp_path / "inbox"), "--answers", str(tmp_path / "answers"),
         "--persons", "1", "--defects", "blanks, empty_keys"],
    )  # fmt: skip
    assert ended.exit_code == 0, ended.output
    kinds = {row["kind"] for row in sheet(tmp_path / "answers") if row["defect"]
             != "number_of_nobody"}  # fmt: skip
    assert kinds == {"blanks", "empty_keys"}
