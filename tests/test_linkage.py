"""One person is one person: numbers lead to whom they should, or to nobody, and say why."""

import hashlib
import hmac

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import keyed_hash, linkage, pseudonym, registers
from etl.landing import Current, LandedFile
from etl.linkage import NumberRow, Resolution, resolve, resolve_and_tell
from etl.pseudonym import SMALLEST, key_id, person_ids
from etl.restricted import COPY_OPTIONS, scan
from etl.steps import linking
from tests.conftest import unlocked

KEY = b"k" * 32


def chain(*rows: str) -> list[NumberRow]:
    """'A>B 60 1990-01-01' is number A, replaced by B, status 60 since that day."""
    made = []
    for row in rows:
        link, status, *day = row.split()
        number, _, current = link.partition(">")
        made.append(NumberRow(number, current or None, status, day[0] if day else None))
    return made


def test_a_chain_of_any_length_leads_to_the_number_in_force():
    resolved = resolve(chain("A>B 60", "B>C 60", "C>D 60", "D>D 01"))
    assert {r.current for r in resolved.values()} == {"D"}
    assert {r.first for r in resolved.values()} == {"A"}


def test_a_number_in_force_may_name_itself_or_nobody():
    resolved = resolve(chain("A>A 01", "B 90"))
    assert resolved["A"].current == "A"
    assert resolved["B"].current == "B"


def test_a_person_keeps_the_id_when_the_number_changes():
    before = resolve(chain("A>A 01"))
    after = resolve(chain("A>B 60 1999-01-01", "B>B 01"))
    ids_before = person_ids({before["A"].first}, KEY)
    ids_after = person_ids({after["B"].first}, KEY)
    assert ids_before == ids_after


def test_a_deleted_double_leads_to_its_person_and_gives_no_new_id():
    resolved = resolve(chain("C>C 01", "A>C 50 1980-01-01"))
    assert resolved["A"].current == "C"
    assert resolved["A"].first == "C"


def test_of_several_changed_numbers_the_earliest_is_the_first():
    rows = chain("A>C 60 1995-01-01", "B>C 60 1990-01-01", "C>C 01")
    assert resolve(rows)["C"].first == "B"


def test_numbers_that_lead_nowhere_stay_unlinked_with_the_reason():
    rows = chain(
        "A>B 60", "B>A 60",  # round
        "C>A 60",  # into the round
        "D>X 60",  # to a number that is not there
        "E>E 30",  # annulled
        "F>E 60",  # to an annulled one
        "G>H 60", "G>I 60", "H>H 01", "I>I 01",  # two ways
        "J>J 60",  # replaced, by nobody
    )  # fmt: skip
    reasons = {number: r.reason for number, r in resolve(rows).items()}
    assert reasons == {
        "A": "cycle", "B": "cycle", "C": "cycle", "D": "missing_current_number",
        "E": "annulled", "F": "annulled", "G": "fork", "H": None, "I": None,
        "J": "missing_current_number",
    }  # fmt: skip
    assert {r for r in reasons.values() if r} <= set(linkage.UNLINKED_REASONS)


def test_two_persons_that_one_number_leads_to_are_not_made_one():
    """A fork says whose number it was of neither: their ids must not both begin at it."""
    resolved = resolve(chain("G>H 60 1990-01-01", "G>I 60 1990-01-01", "H>H 01", "I>I 01"))
    assert (resolved["H"].first, resolved["I"].first) == ("H", "I")
    longer = resolve(chain("A>G 60", "G>H 60", "G>I 60", "H>K 60", "K>K 01", "I>I 01"))
    assert longer["A"].reason == "fork"
    assert (longer["K"].first, longer["I"].first) == ("H", "I")


def test_a_hospitals_own_number_leads_to_nobody_even_if_the_civil_register_names_one():
    """D-eCPR is not unique in the country; the national family (X-eCPR) is."""
    own, national, number = "0203296AB2", "0203291WQ3", "0203291232"
    rows = chain(f"{own}>{number} 60", f"{national}>{number} 60 2022-01-01", f"{number} 01")
    resolved = resolve(rows)
    assert resolved[own] == Resolution(None, None, "regional_replacement")
    assert resolved[number].first == resolved[national].first == national


def test_a_number_of_an_old_record_is_followed_by_what_the_register_says_now():
    """The refresh of 1995 knows one number; by 2005 it was changed twice. The id stays."""
    then = resolve(chain("A>A 01"))["A"]
    later = resolve(chain("A>B 60 1999-01-01", "B>C 60 2004-01-01", "C>C 01"))["A"]
    assert then.first == later.first == "A"
    assert later.current == "C"


def told(*rows: str) -> list[tuple]:
    _, found = resolve_and_tell(chain(*rows))
    return [(one.kind, one.number, one.other) for one in found]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (("A>B 60 1990-01-01", "B>B 01"), []),
        (("A>B 50 1990-01-01", "B 01"), []),
        (("A>B 60", "A>C 60", "B 01", "C 01"), [("fork", "A", "B"), ("fork", "A", "C")]),
        (("A>B 60", "B>A 60", "C>A 60"), [("cycle", "A", "B"), ("cycle", "B", "A")]),
        (("A>X 60",), [("missing_current_number", "A", "X")]),
        (("A>A 60",), [("replaced_by_nobody", "A", None)]),
        (("B 50",), [("replaced_by_nobody", "B", None)]),
        (("A>E 60", "E>E 30"), [("leads_to_annulled", "A", "E")]),
        (("A>B 30", "B 01"), [("annulled_and_replaced", "A", "B")]),
        (("A>B 01", "B 01"), [("in_force_and_replaced", "A", "B")]),
        (("A 01", "A 90"), [("two_entries", "A", None)]),
        (
            ("A>B 60 1995-01-01", "B>C 60 1990-01-01", "C 01"),
            [("dates_out_of_order", "A", "B")],
        ),
        (("0203296AB2 01",), [("regional_replacement", "0203296AB2", None)]),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_told_with_the_numbers_concerned(rows, expected):
    assert told(*rows) == expected


def test_a_double_of_somebody_else_is_told():
    double = NumberRow("A", "B", "50", "1990-01-01", "K", "1950-01-01")
    kept = [
        NumberRow("B", "B", "01", None, "K", "1950-01-01"),
        NumberRow("B", "B", "01", None, "M", "1950-01-01"),
        NumberRow("B", "B", "01", None, "K", "1951-01-01"),
    ]
    found = [resolve_and_tell([double, one])[1] for one in kept]
    assert [[one.kind for one in some] for some in found] == [
        [], ["double_of_another"], ["double_of_another"],
    ]  # fmt: skip


def test_every_kind_of_finding_is_proved_above():
    cases = test_what_contradicts_itself_is_told_with_the_numbers_concerned.pytestmark[0].args[1]
    kinds = {kind for _, expected in cases for kind, _, _ in expected}
    assert kinds | {"double_of_another"} == set(linkage.FINDINGS)


numbers = st.sampled_from("ABCDEFGHIJ")
anything = st.lists(
    st.builds(
        NumberRow,
        number=numbers,
        current=numbers | st.none(),
        status=st.sampled_from(["01", "60", "60", "60", "50", "30", "90"]),
        status_date=st.sampled_from([None, "1990-01-01", "1995-01-01"]),
    ),
    max_size=14,
)


class Groups:
    """Union-find: a second opinion on which numbers are one person's."""

    def __init__(self) -> None:
        self.above: dict[str, str] = {}

    def of(self, one: str) -> str:
        while self.above.get(one, one) != one:
            one = self.above[one]
        return one

    def unite(self, one: str, other: str) -> None:
        self.above[self.of(one)] = self.of(other)


@given(anything)
def test_whatever_the_register_says_nobody_merges_and_nobody_splits(rows):
    """Numbers with one successor belong together with it; every group has one person or none."""
    resolved = resolve(rows)
    successors: dict[str, set[str]] = {}
    for row in rows:
        successors.setdefault(row.number, set()).add(row.current or row.number)
    groups = Groups()
    for number, following in successors.items():
        if len(following) == 1 and following <= successors.keys():
            groups.unite(number, *following)
    assert resolved.keys() == successors.keys()
    persons: dict[str, set[str]] = {}
    for number, to in resolved.items():
        assert (to.first is None) == (to.current is None) == (to.reason is not None)
        if to.first is not None:
            persons.setdefault(groups.of(number), set()).add(to.first)
            assert groups.of(to.first) == groups.of(to.current) == groups.of(number)
            assert successors[to.current] == {to.current}
    assert all(len(firsts) == 1 for firsts in persons.values())  # nobody splits
    everybody = [first for firsts in persons.values() for first in firsts]
    assert len(everybody) == len(set(everybody))  # nobody merges


@given(anything)
@settings(max_examples=40, deadline=None)
def test_whole_columns_at_a_time_give_what_the_rule_gives(rows):
    con = duckdb.connect()
    con.execute(
        "create table person (v_pnr text, v_pnr_gaeld text, c_status text, "
        "d_status_hen_start date, c_kon text, d_foddato date)"
    )
    for row in rows:
        con.execute(
            "insert into person values (?, ?, ?, ?, null, null)",
            [row.number, row.current, row.status, row.status_date],
        )
    linkage.identify(con, "person", KEY)
    resolved, found = resolve_and_tell(rows)
    ids = person_ids((to.first for to in resolved.values() if to.first), KEY)
    assert con.execute("select * from crosswalk order by pnr").fetchall() == [
        (number, ids.get(to.first), to.current == number, to.reason)
        for number, to in sorted(resolved.items())
    ]
    assert con.execute(
        "select kind, pnr, other_pnr, person_id, other_person_id from number_finding "
        "order by kind, pnr, other_pnr"
    ).fetchall() == [
        (
            one.kind, one.number, one.other, ids.get(resolved[one.number].first),
            ids.get(resolved[one.other].first) if one.other in resolved else None,
        )
        for one in found
    ]  # fmt: skip


@pytest.mark.parametrize("key", [KEY, b"short", b"l" * 64, b"m" * 65, bytes(range(200))])
def test_ids_of_millions_are_those_of_the_rule_however_long_the_key(key):
    con = duckdb.connect()
    keyed_hash.give_ids(con, "ids", "select 'nr' || i as value from range(500) as t (i)", key)
    assert dict(con.execute("from ids").fetchall()) == person_ids(
        (f"nr{n}" for n in range(500)), key
    )


def test_two_numbers_of_one_id_get_two_by_the_rule(monkeypatch):
    """With ids of twelve bits, so that hundreds collide and some are too small."""
    monkeypatch.setattr(pseudonym, "BITS", 12)
    monkeypatch.setattr(pseudonym, "SMALLEST", 500)
    ids = person_ids((f"nr{n}" for n in range(1500)), KEY)
    assert len(set(ids.values())) == 1500
    assert min(ids.values()) >= 500
    con = duckdb.connect()
    keyed_hash.give_ids(con, "ids", "select 'nr' || i as value from range(1500) as t (i)", KEY)
    assert dict(con.execute("from ids").fetchall()) == ids


@given(st.dictionaries(numbers, numbers))
def test_two_people_never_merge_and_one_never_becomes_two(pointers):
    """Against a second opinion: walk by hand, and nothing else."""
    rows = [NumberRow(n, to, "01" if to == n else "60", None) for n, to in sorted(pointers.items())]
    resolved = resolve(rows)
    for number in pointers:
        walked = number
        for _ in range(len(pointers) + 1):
            walked = pointers.get(walked, "nobody")
        in_force = pointers.get(walked) == walked
        assert resolved[number].current == (walked if in_force else None)
    firsts = {r.current: {s.first for s in resolved.values() if s.current == r.current}
              for r in resolved.values() if r.current}  # fmt: skip
    assert all(len(same) == 1 for same in firsts.values())
    all_firsts = [first for same in firsts.values() for first in same]
    assert len(all_firsts) == len(set(all_firsts))


def test_ids_are_large_and_bound_to_the_key():
    ids = person_ids((f"{n:010d}" for n in range(2000)), KEY)
    assert len(set(ids.values())) == 2000
    assert all(SMALLEST <= value < 2**63 for value in ids.values())
    assert not set(ids.values()) & set(person_ids(ids, b"x" * 32).values())
    assert key_id(KEY) != key_id(b"x" * 32)
    (number, value) = next(iter(ids.items()))
    whole = hmac.new(KEY, number.encode(), hashlib.sha256).digest()
    assert value == int.from_bytes(whole[:8], "big") >> 1


def test_a_replaced_number_is_the_first_whatever_its_status_says():
    before = resolve(chain("A>A 01"))
    for status in ("60", "01", "90", "30"):
        after = resolve(chain(f"A>B {status}", "B>B 01"))
        assert after["B"].first == before["A"].first, status


def test_a_number_in_a_note_goes_no_further(tmp_path):
    """Nor in a key: the row stays behind, counted, and without it."""
    con = unlocked()
    table = registers.register("dlms_review").table("review")
    names = [column.name for column in table.columns]
    rows = [
        {"record_id": "R1", "cpr": "6102501234", "k_inst": "1", "k_rekvnr": "X"},
        {"record_id": "R2", "cpr": "6102501234", "k_inst": "1", "k_rekvnr": "pt 610250-1234"},
        {"record_id": "6102501234", "cpr": "6102501234", "k_inst": "1", "k_rekvnr": "Y"},
        {"record_id": "R4", "cpr": "6102501234", "k_inst": "1", "k_rekvnr": "9876543210"},
    ]
    frame = (
        pl.DataFrame(
            [{name: row.get(name) for name in names} for row in rows],
            schema=dict.fromkeys(names, pl.String),
        )
        .with_row_index("source_row", 1)
        .with_columns(pl.lit("abc").alias("source_file"))
    )
    con.register("frame", frame)
    con.execute(f"copy frame to '{tmp_path}/landed.parquet' ({COPY_OPTIONS})")
    con.execute(
        "create table crosswalk as select '6102501234' as pnr, 10000000001 as person_id, "
        "true as is_number_in_force, null::varchar as reason"
    )
    counts = linkage.link_file(
        con, table, tmp_path / "landed.parquet", None,
        tmp_path / "linked.parquet", tmp_path / "unlinked.parquet",
    )  # fmt: skip
    assert counts == {"": 2, "number_in_text": 2}
    linked = pl.read_parquet(tmp_path / "linked.parquet")
    unlinked = pl.read_parquet(tmp_path / "unlinked.parquet")
    assert sorted(linked["k_rekvnr"]) == ["9876543210", "X"]
    assert unlinked["reason"].to_list() == ["number_in_text"] * 2
    text = str(linked.to_dicts()) + str(unlinked.to_dicts())
    assert "6102501234" not in text
    assert "610250-1234" not in text


def test_no_number_is_left_in_what_is_linked_or_not(tmp_path):
    con = unlocked()
    table = registers.register("cpr").table("cpr3_t_person")
    con.execute(
        """
        copy (
            select 'abc' as source_file, * from (values
                (1, 'OLD', 'NEW', 'K', '60', date '1950-02-01', null::date, 'MUM', null::varchar),
                (2, 'NEW', 'NEW', 'K', '01', date '1950-02-01', null::date, 'MUM', null::varchar),
                (3, 'GONE', 'X', 'M', '60', date '1950-02-01', null::date, null, null)
            ) as t (source_row, v_pnr, v_pnr_gaeld, c_kon, c_status, d_foddato,
                    d_status_hen_start, v_mor_pnr, v_far_pnr)
        ) to '{}' ({})
        """.format(tmp_path / "landed.parquet", COPY_OPTIONS)
    )
    linkage.identify(con, scan(tmp_path / "landed.parquet"), KEY)
    counts = linkage.link_file(
        con, table, tmp_path / "landed.parquet", None,
        tmp_path / "linked.parquet", tmp_path / "unlinked.parquet",
    )  # fmt: skip
    assert counts == {"": 2, "missing_current_number": 1}
    linked = pl.read_parquet(tmp_path / "linked.parquet")
    assert linked["person_id"].n_unique() == 1
    assert linked.sort("source_row")["is_number_in_force"].to_list() == [False, True]
    unlinked = pl.read_parquet(tmp_path / "unlinked.parquet")
    assert unlinked["reason"].to_list() == ["missing_current_number"]
    for frame in (linked, unlinked):
        assert not {"v_pnr", "v_pnr_gaeld", "v_mor_pnr", "v_far_pnr"} & set(frame.columns)
        assert "OLD" not in str(frame.to_dicts())
        assert "GONE" not in str(frame.to_dicts())


# -------------------------------------------------------------------- rows that hang on a contact


def hanging(tmp_path, contacts: str, diagnoses: str) -> tuple[dict, pl.DataFrame, pl.DataFrame]:
    """Link diagnoses through contacts: 'key number' and 'key' each, separated by commas."""
    con = unlocked()
    con.execute(
        "create table crosswalk as select * from (values ('ANNA', 11::bigint, true, null), "
        "('6102501234', 11, true, null), ('FORMER', 11, false, null), "
        "('BENT', 22, true, null), ('ROUND', null, null, 'cycle')) "
        "as t (pnr, person_id, is_number_in_force, reason)"
    )
    rows = ", ".join(f"({key}, '{number}')" for key, number in map(str.split, contacts.split(",")))
    codes = ", ".join(f"({n}, {key})" for n, key in enumerate(diagnoses.split(","), 1))
    con.execute(
        f"""
        copy (select k_recnum, v_cpr from (values {rows}) as t (k_recnum, v_cpr))
        to '{tmp_path}/contacts.parquet' ({COPY_OPTIONS});
        copy (select source_row, v_recnum, 'DC449' as c_diag, 'A' as c_diagtype,
            null::varchar as c_diagmod, null::varchar as c_tildiag
            from (values {codes}) as t (source_row, v_recnum))
        to '{tmp_path}/diagnoses.parquet' ({COPY_OPTIONS})
        """
    )
    counts = linkage.link_file(
        con, registers.register("lpr2").table("t_diag"), tmp_path / "diagnoses.parquet", None,
        tmp_path / "linked.parquet", tmp_path / "unlinked.parquet",
        [tmp_path / "contacts.parquet"],
    )  # fmt: skip
    assert sum(counts.values()) == len(diagnoses.split(","))
    return (
        counts,
        pl.read_parquet(tmp_path / "linked.parquet").sort("source_row"),
        pl.read_parquet(tmp_path / "unlinked.parquet").sort("source_row"),
    )


def test_a_row_belongs_to_whom_its_contact_belongs_to_however_the_key_is_spelt(tmp_path):
    counts, linked, _ = hanging(tmp_path, "7 ANNA, 80 BENT, 0 ANNA", "'7', '0007', ' 80 ', '000'")
    assert counts == {"": 4}
    assert linked["person_id"].to_list() == [11, 11, 22, 11]
    assert linked["v_recnum"].to_list() == ["7", "0007", " 80 ", "000"]


def test_a_row_without_its_contact_is_counted_and_kept_as_an_orphan(tmp_path):
    counts, linked, unlinked = hanging(tmp_path, "7 ANNA", "'7', '8', '70', null")
    assert counts == {"": 1, "orphan_of_contact": 3}
    assert len(linked) == 1
    assert unlinked["v_recnum"].to_list() == ["8", "70", None]
    assert set(unlinked["stage"]) == {"linkage"}


def test_a_row_of_a_contact_of_nobody_has_the_reason_of_its_contact(tmp_path):
    counts, _, _ = hanging(tmp_path, "7 ROUND, 8 STRANGER", "'7', '8'")
    assert counts == {"cycle": 1, "unknown_to_cpr": 1}


def test_two_contacts_under_one_key_give_a_row_to_one_person_or_to_nobody(tmp_path):
    """And never make two rows of one."""
    counts, linked, _ = hanging(
        tmp_path, "7 ANNA, 7 FORMER, 8 ANNA, 8 BENT, 9 ANNA, 9 STRANGER", "'7', '8', '9'"
    )
    assert counts == {"": 1, "ambiguous_contact": 2}
    assert linked["person_id"].to_list() == [11]


def test_a_number_in_place_of_a_contact_goes_no_further(tmp_path):
    counts, _, unlinked = hanging(tmp_path, "7 6102501234", "'7', '006102501234'")
    assert counts == {"": 1, "orphan_of_contact": 1}
    assert unlinked["v_recnum"].to_list() == [None]


def test_every_table_says_whose_its_rows_are_itself_or_through_one_key_of_another():
    for register in registers.catalogue().values():
        for table in register.tables:
            assert bool(table.owner) != bool(table.contact), table.name
            if table.contact:
                of = register.table(table.contact.refers_to)
                assert of.owner, table.name
                assert len(of.key) == 1, table.name


def current(table: str, period: str, register: str = "lpr2") -> Current:
    file = LandedFile("", table, period, "csv", "", 0, 0, {}, {}, f"{register}.2024-06-01.x")
    return Current(register, "2024-06-01", "2024-06-01", None, file)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (current("t_diag", "1994"), ["1994"]),
        (current("t_diag", "1996"), []),
        (current("t_diag", "all"), ["1994", "1995"]),
        (current("t_adm", "1994"), []),
        (current("diagnoser", "2020", "lpr3"), ["all"]),
    ],
)
def test_a_table_hangs_on_the_contacts_of_its_period_and_register(of, expected):
    entries = [
        current("t_adm", "1994"), current("t_adm", "1995"), current("t_diag", "1994"),
        current("kontakter", "all", "lpr3"),
    ]  # fmt: skip
    table = registers.register(of.register).table(of.file.table)
    found = linking._contacts_of(of, table, entries)
    assert [entry.file.period for entry in found] == expected
