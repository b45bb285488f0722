"""One person is one person: numbers lead to whom they should, or to nobody, and say why."""

import duckdb
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from etl import linkage, registers
from etl.linkage import NumberRow, resolve
from etl.pseudonym import SMALLEST, key_id, person_ids

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


numbers = st.sampled_from("ABCDEFGHIJ")


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


def test_a_replaced_number_is_the_first_whatever_its_status_says():
    before = resolve(chain("A>A 01"))
    for status in ("60", "01", "90", "30"):
        after = resolve(chain(f"A>B {status}", "B>B 01"))
        assert after["B"].first == before["A"].first, status


def test_a_number_in_a_note_goes_no_further(tmp_path):
    """Nor in a key: the row stays behind, counted, and without it."""
    con = duckdb.connect()
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
    frame.write_parquet(tmp_path / "landed.parquet")
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
    con = duckdb.connect()
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
        ) to '{}' (format parquet)
        """.format(tmp_path / "landed.parquet")
    )
    crosswalk, _ = linkage.identify(con, [tmp_path / "landed.parquet"], KEY)
    con.register("crosswalk", crosswalk)
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
