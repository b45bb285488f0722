"""Every record ends in one of two places, and a delivery lands whole or not at all."""

import gzip
import os
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from etl import deliveries, landing, registers, restricted
from etl.errors import DeliveryError
from etl.home import Home, connect, open_home
from etl.landing import plain, streaming
from etl.landing.unnamed import UnnamedFiles
from tests.conftest import (
    ANNA,
    BENT,
    KEYS,
    PATO_HEADER,
    PERSON_HEADER,
    unlocked,
    write_delivery,
)


def land(settings, folder, population="mock"):
    home = open_home(settings)
    with connect(settings) as con:
        parsed = landing.parse(con, home, deliveries.read(folder), population, KEYS)
    landing.accept(home, parsed, [])
    return home, parsed.files


def rows(home: Home, store: str, columns: str = "*") -> list[tuple]:
    place = home.restricted / store
    files = restricted.scan(f"{place}/*/*/*/*.parquet", options="hive_partitioning = false")
    return unlocked().execute(f"select {columns} from {files} order by source_row").fetchall()


def pato(number=ANNA, requisition="R1", day="1994-03-01", code="T02120", kind="11") -> str:
    return f"1234567;{requisition};1;1;{number};{day};{day};{day};{kind};{code}\n"


def refused(settings, folder, population="mock") -> str:
    with pytest.raises(DeliveryError) as error:
        land(settings, folder, population)
    assert ANNA not in str(error.value)
    assert not list((settings.home / "restricted" / "landing").rglob("*.parquet"))
    return str(error.value)


def test_rows_land_typed_with_the_record_they_came_from(settings, tmp_path):
    folder = write_delivery(tmp_path, "patobank", {"pato1994.csv": PATO_HEADER + pato()})
    home, files = land(settings, folder)
    found = rows(home, "landing", "cpr, d_rekvdato::varchar, c_mattype, c_snomedkode, source_row")
    assert found == [(ANNA, "1994-03-01", 11, "T02120", 1)]
    assert (files[0].rows, files[0].landed, files[0].quarantined) == (1, 1, {})


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("610250123", "wrong_length"),
        ("610250-1234", "wrong_length"),
        ("0000000000", "unknown_number"),
        ("610250123X", "forbidden_character"),
        ("9102501234", "impossible_date"),
        ("", "blank"),
        ("#N/A", "blank"),
    ],
)
def test_a_malformed_number_goes_to_quarantine_as_given(settings, tmp_path, number, reason):
    text = PATO_HEADER + pato() + pato(number, "R2")
    home, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].quarantined == {reason: 1}
    assert files[0].rows == files[0].landed + 1
    (kept,) = rows(home, "quarantine", "source_row, reason, as_given")
    assert kept[:2] == (2, reason)
    assert "R2" in kept[2]


def test_an_exact_copy_of_a_row_is_quarantined_and_the_first_kept(settings, tmp_path):
    text = PATO_HEADER + pato() + pato(requisition="R2") + pato()
    home, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].quarantined == {"duplicate": 1}
    assert rows(home, "quarantine", "source_row") == [(3,)]


def test_an_unreadable_value_quarantines_where_required_and_is_a_finding_elsewhere(
    settings, tmp_path
):
    good = "".join(pato(requisition=f"G{i}") for i in range(40))
    text = PATO_HEADER + good + pato(day="1994-02-31", requisition="R2")
    text += f"1;R3;1;1;{ANNA};1994-03-01;soon;1994-03-09;11;T02120\n"
    home, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].quarantined == {"unreadable_d_rekvdato": 1}
    assert files[0].findings == {"unreadable_d_modtdato": 1}
    assert rows(home, "findings", "source_row, finding") == [(42, "unreadable_d_modtdato")]


def test_a_day_that_cannot_be_is_emptied_with_a_finding_and_quarantined_where_required(
    settings, tmp_path
):
    """Delivered on 2024-06-01: the day itself can be, the next one cannot."""
    text = PATO_HEADER + "".join(
        f"1;R{n};1;1;{ANNA};{requested};{received};;11;T02120\n"
        for n, (requested, received) in enumerate(
            [
                ("1994-03-01", "2024-06-01"),
                ("1994-03-01", "2024-06-02"),
                ("1994-03-01", "1900-01-01"),
                ("1994-03-01", "1900-01-02"),
                ("2024-06-02", "1994-03-01"),
                ("1900-01-01", "1994-03-01"),
            ]
        )
    )
    home, _ = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert rows(home, "quarantine", "source_row, reason") == [
        (5, "future_d_rekvdato"), (6, "placeholder_d_rekvdato"),
    ]  # fmt: skip
    assert rows(home, "findings", "source_row, finding") == [
        (2, "future_d_modtdato"), (3, "placeholder_d_modtdato"),
    ]  # fmt: skip
    assert rows(home, "landing", "d_modtdato::varchar") == [
        ("2024-06-01",), (None,), (None,), ("1900-01-02",),
    ]  # fmt: skip


def test_somebody_may_be_born_on_the_first_day_of_1900(settings, tmp_path):
    text = PERSON_HEADER + f"{ANNA};{ANNA};K;01;1900-01-01;1971-01-01;;\n"
    home, files = land(settings, write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": text}))
    assert files[0].findings == {}
    assert rows(home, "landing", "d_foddato::varchar") == [("1900-01-01",)]


@pytest.mark.parametrize("lost", ["ï¿½KI030", "M88ï¿½03"])
def test_a_character_that_is_lost_is_a_finding_and_stays_as_it_came(settings, tmp_path, lost):
    text = PATO_HEADER + pato() + pato(requisition="R2", code=lost) + pato("", "R3", code=lost)
    home, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].findings == {"unrepairable_c_snomedkode": 1}
    assert rows(home, "findings", "source_row") == [(2,)]
    assert rows(home, "landing", "c_snomedkode") == [("T02120",), (lost,)]


def test_a_required_column_that_is_unreadable_too_often_is_retyped(settings, tmp_path):
    text = PATO_HEADER + pato() + pato(day="01MAR1994", requisition="R2")
    message = refused(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert "d_rekvdato" in message
    assert "retyped" in message


@pytest.mark.parametrize("missing", ["", "#N/A", "NULL", "Ukendt", "Uoplyst", "  "])
def test_every_spelling_of_missing_is_missing(settings, tmp_path, missing):
    text = PATO_HEADER + pato(kind=missing)
    home, _ = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert rows(home, "landing", "c_mattype") == [(None,)]


def test_codes_are_trimmed_and_windows_1252_survives(settings, tmp_path):
    text = PATO_HEADER + pato(code=" T02120 ") + pato(requisition="R–’", code="ÆF0000")
    home, _ = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert rows(home, "landing", "k_rekvnr, c_snomedkode") == [("R1", "T02120"), ("R–’", "ÆF0000")]


def test_rows_that_differ_only_in_what_cannot_be_read_are_no_copies(settings, tmp_path):
    line = "1;R1;1;1;" + ANNA + ";1994-03-01;{};1994-03-09;11;T02120\n"
    text = PATO_HEADER + line.format("soon") + line.format("later") + line.format("soon")
    _, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].quarantined == {"duplicate": 1}
    assert files[0].findings == {"unreadable_d_modtdato": 2}


def test_a_line_with_too_few_fields_is_kept_apart_and_does_not_shift_the_others(settings, tmp_path):
    text = PATO_HEADER + pato() + "1234567;R2;1\n" + pato(requisition="R3")
    home, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].quarantined == {"malformed_line": 1}
    assert rows(home, "landing", "k_rekvnr, source_row") == [("R1", 1), ("R3", 3)]
    assert rows(home, "quarantine", "source_row") == [(2,)]


def test_a_row_of_another_year_is_a_finding(settings, tmp_path):
    text = PATO_HEADER + pato(day="1995-01-01")
    _, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].findings == {"outside_period": 1}


def test_an_extra_column_is_a_finding_and_not_data(settings, tmp_path):
    text = (PATO_HEADER + pato()).replace("\n", ";more\n")
    home, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].findings == {"extra_column_more": 1}
    files = restricted.scan(f"{home.landing}/patobank/pato/*/*.parquet")
    assert "more" not in unlocked().sql(f"from {files}").columns


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("d_rekvdato", "rekvdato"), "d_rekvdato is missing; found rekv"),
        (lambda text: text.replace("d_modtdato", "CPR"), "cpr stands twice"),
        (lambda text: text.replace(";", ","), "one single column"),
        (lambda text: "", "empty"),
    ],
)
def test_a_file_in_another_shape_is_refused(settings, tmp_path, change, said):
    text = change(PATO_HEADER + pato())
    assert said in refused(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))


def test_a_file_without_a_header_shows_nobodys_data(settings, tmp_path):
    text = f"1234567;R1;1;1;{ANNA};1994-03-01;1994-03-02;1994-03-09;11;T02120\n" + pato()
    text = text.replace("R1;1;1", "R1;1;2", 1)
    message = refused(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert "k_inst" in message
    assert "cannot be a column name" in message
    assert "1994-03-01" not in message


def test_column_names_match_whatever_their_case(settings, tmp_path):
    text = PATO_HEADER.upper() + pato()
    home, _ = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert rows(home, "landing", "cpr") == [(ANNA,)]


def test_a_row_count_that_disagrees_refuses_the_delivery(settings, tmp_path):
    folder = write_delivery(tmp_path, "patobank", {"pato1994.csv": PATO_HEADER + pato()})
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"rows": 1', '"rows": 2'))
    assert "found 1 rows, expected 2" in refused(settings, folder)


def test_bytes_that_are_no_windows_1252_are_refused(settings, tmp_path):
    content = (PATO_HEADER + pato()).encode("windows-1252") + b"\x81\n"
    message = refused(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": content}))
    assert "windows-1252" in message


def test_a_nul_byte_is_refused(settings, tmp_path):
    content = (PATO_HEADER + pato()).encode() + b"\0\n"
    assert "NUL" in refused(
        settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": content})
    )


def test_a_mock_home_refuses_what_may_be_a_real_person(settings, tmp_path):
    text = PATO_HEADER + pato("0102501234")
    message = refused(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert "real persons" in message
    assert "0102501234" not in message


def test_a_production_home_quarantines_what_belongs_to_nobody(settings, tmp_path):
    text = PATO_HEADER + pato() + pato("0102501234", "R2")
    folder = write_delivery(tmp_path, "patobank", {"pato1994.csv": text})
    _, files = land(settings, folder, "production")
    assert (files[0].landed, files[0].quarantined) == (1, {"replacement_number": 1})


def parquet(tmp_path, cpr="varchar") -> bytes:
    place = tmp_path / "x.parquet"
    duckdb.sql(
        f"""
        copy (
            select '1' as K_INST, 'R1' as k_rekvnr, 1 as k_matnr, 1 as k_sekvensnr,
                '{ANNA}'::{cpr} as cpr, date '1994-03-01' as d_rekvdato,
                timestamp '1994-03-02 10:00:00' as d_modtdato, null::date as d_svardato,
                11 as c_mattype, 'M88903' as c_snomedkode
        ) to '{place}' (format parquet)
        """
    )
    return place.read_bytes()


def test_parquet_lands_like_csv(settings, tmp_path):
    folder = write_delivery(tmp_path, "patobank", {"pato1994.parquet": parquet(tmp_path)})
    fix_rows(folder)
    home, _ = land(settings, folder)
    found = rows(home, "landing", "k_inst, cpr, d_modtdato::varchar, c_mattype, source_row")
    assert found == [("1", ANNA, "1994-03-02", 11, 1)]


def test_a_number_that_arrives_as_a_number_is_refused(settings, tmp_path):
    folder = write_delivery(tmp_path, "patobank", {"pato1994.parquet": parquet(tmp_path, "bigint")})
    fix_rows(folder)
    assert "column cpr is BIGINT. Expected text" in refused(settings, folder)


def test_a_parquet_file_cut_in_half_is_refused(settings, tmp_path):
    content = parquet(tmp_path)
    folder = write_delivery(
        tmp_path, "patobank", {"pato1994.parquet": content[: len(content) // 2]}
    )
    assert "not a whole Parquet file" in refused(settings, folder)


def fix_rows(folder) -> None:
    import json

    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["rows"] = 1
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_newest_delivery_wins_whatever_the_order_of_arrival(settings, tmp_path):
    new = write_delivery(tmp_path, "patobank", {"pato1994.csv": PATO_HEADER + pato()})
    text = PATO_HEADER + pato() + pato(requisition="R2")
    old = write_delivery(tmp_path, "patobank", {"pato1994.csv": text}, day="2023-06-01")
    land(settings, new)
    home, _ = land(settings, old)
    assert [(e.file.period, e.folder) for e in landing.current(home)] == [("1994", "2024-06-01")]


def test_a_stock_replaces_its_table_and_a_period_only_its_period(settings, tmp_path):
    two = {
        "pato1994.csv": PATO_HEADER + pato(),
        "pato1995.csv": PATO_HEADER + pato(day="1995-03-01"),
    }
    land(settings, write_delivery(tmp_path, "patobank", two, day="2022-06-01"))
    one = {"pato1995.csv": PATO_HEADER + pato(day="1995-03-02")}
    home, _ = land(
        settings, write_delivery(tmp_path, "patobank", one, day="2023-06-01", coverage="correction")
    )
    assert [(e.file.period, e.folder) for e in landing.current(home)] == [
        ("1994", "2022-06-01"),
        ("1995", "2023-06-01"),
    ]
    land(settings, write_delivery(tmp_path, "patobank", one, day="2024-06-01"))
    assert [(e.file.period, e.folder) for e in landing.current(home)] == [("1995", "2024-06-01")]


def test_an_unreadable_relative_is_a_finding_and_goes_no_further(settings, tmp_path):
    text = PERSON_HEADER + f"{ANNA};{ANNA};K;01;1950-02-01;;123;{BENT}\n"
    home, files = land(settings, write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": text}))
    assert files[0].findings == {"malformed_v_mor_pnr": 1}
    assert rows(home, "landing", "v_mor_pnr, v_far_pnr") == [(None, BENT)]


# -------------------------------------------------------------------- columns of some years only

DIAGNOSES = {  # the header of a year, and a row of it
    "to 1994": ("v_recnum;c_diag;c_diagtype;c_diagmod\n", "7;17399;A;5\n"),
    "from 1995": ("v_recnum;c_diag;c_diagtype;c_tildiag\n", "7;DC449;A;ZM88903\n"),
    "both": ("v_recnum;c_diag;c_diagtype;c_diagmod;c_tildiag\n", "7;DC449;A;;ZM88903\n"),
}


@pytest.mark.parametrize(
    ("year", "form", "found"),
    [
        ("1994", "to 1994", ("5", None)),
        ("1995", "from 1995", (None, "ZM88903")),
        ("1994", "both", (None, "ZM88903")),
        ("2003", "both", (None, "ZM88903")),
        ("", "both", (None, "ZM88903")),
    ],
)
def test_a_column_may_be_absent_in_the_years_that_did_not_have_it(
    settings, tmp_path, year, form, found
):
    text = "".join(DIAGNOSES[form])
    home, files = land(settings, write_delivery(tmp_path, "lpr2", {f"t_diag{year}.csv": text}))
    assert files[0].findings == {}
    assert rows(home, "landing", "c_diagmod, c_tildiag") == [found]


@pytest.mark.parametrize(
    ("year", "form", "missing"),
    [
        ("1995", "to 1994", "c_tildiag"),
        ("1994", "from 1995", "c_diagmod"),
        ("", "from 1995", "c_diagmod"),
    ],
)
def test_it_may_not_be_absent_in_its_own_years_nor_from_a_file_of_every_year(
    settings, tmp_path, year, form, missing
):
    text = "".join(DIAGNOSES[form])
    message = refused(settings, write_delivery(tmp_path, "lpr2", {f"t_diag{year}.csv": text}))
    assert f"column {missing} is missing" in message


def test_parquet_may_do_without_a_column_of_other_years_too(settings, tmp_path):
    place = tmp_path / "x.parquet"
    duckdb.sql(
        f"copy (select '7' as v_recnum, '17399' as c_diag, 'A' as c_diagtype, '2' as c_diagmod) "
        f"to '{place}' (format parquet)"
    )
    folder = write_delivery(tmp_path, "lpr2", {"t_diag1980.parquet": place.read_bytes()})
    fix_rows(folder)
    home, _ = land(settings, folder)
    assert rows(home, "landing", "c_diagmod, c_tildiag") == [("2", None)]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("01MAR1994", "1994-03-01"),
        ("31dec2001", "2001-12-31"),
        ("1994-03-01", None),
        ("31FEB1994", None),
        ("01MAR94", None),
    ],
)
def test_the_causes_of_death_write_the_month_in_letters(settings, tmp_path, given, read):
    header = "k_cpr;d_dodsdato;d_findedato;c_dodtilgrundl_acme;c_dod_1a;c_dod_1b;c_dod_1c;c_dod_1d"
    text = f"{header};c_dodsmaade\n{ANNA};{given};;C449;;;;;1\n"
    folder = write_delivery(tmp_path, "dar", {"t_dodsaarsag_2.csv": text})
    home, files = land(settings, folder)
    assert rows(home, "landing", "d_dodsdato::varchar") == [(read,)]
    assert files[0].findings == ({} if read else {"unreadable_d_dodsdato": 1})


def packed(kind: str, text: str) -> bytes:
    content = text.encode("windows-1252")
    if kind == "gz":
        return gzip.compress(content)
    return pyarrow.compress(content, "zstd", asbytes=True)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_packed_csv_lands_like_plain(settings, tmp_path, kind):
    text = PATO_HEADER + pato(code="ÆF0000") + pato(requisition="R2")
    plain = write_delivery(tmp_path / "plain", "patobank", {"pato1994.csv": text}, day="2023-01-01")
    home, _ = land(settings, plain)
    expected = rows(home, "landing", "* exclude (source_file)")
    folder = write_delivery(
        tmp_path, "patobank", {f"pato1994.csv.{kind}": packed(kind, text)}, rows=2
    )
    land(settings, folder)
    assert rows(home, "landing", "* exclude (source_file)") == sorted(2 * expected, key=str)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_packed_csv_is_received_without_a_manifest(settings, tmp_path, kind):
    source = write_delivery(
        tmp_path, "patobank", {f"pato1994.csv.{kind}": packed(kind, PATO_HEADER + pato())}
    )
    (source / "manifest.json").unlink()
    place = deliveries.receive(source, tmp_path / "store", tmp_path / "scratch", "2023-06-30")
    assert [(f.format, f.rows) for f in deliveries.read(place).files] == [("csv", 1)]


def test_a_small_file_that_fills_the_disk_is_stopped_at_the_limit(settings, tmp_path, monkeypatch):
    sizes, close = [], UnnamedFiles.close
    monkeypatch.setattr(
        UnnamedFiles,
        "close",
        lambda files: (sizes.extend(os.fstat(d).st_size for d in files._descriptors), close(files)),
    )
    content = gzip.compress(PATO_HEADER.encode() + b"xxxxxxxx\n" * 500_000)
    folder = write_delivery(tmp_path, "patobank", {"pato1994.csv.gz": content})
    home = open_home(settings)
    message = refused(settings, folder)
    assert f"{len(content):,} bytes unpack to more than 200 times" in message
    assert "unpack_times" in message
    (text,) = sizes
    assert text <= 201 * len(content)
    with connect(settings) as con, pytest.raises(DeliveryError, match="found 500000 rows"):
        landing.parse(con, home, deliveries.read(folder), "mock", KEYS, unpack_times=2000)


SAS = Path(__file__).parent / "golden" / "pato1994.sas7bdat"


def test_sas7bdat_lands_like_csv(settings, tmp_path):
    content = SAS.read_bytes()
    folder = write_delivery(tmp_path, "patobank", {"pato1994.sas7bdat": content}, rows=45)
    home, files = land(settings, folder)
    columns = (
        "k_rekvnr, k_matnr, d_rekvdato::varchar, d_modtdato::varchar, c_snomedkode, source_row"
    )
    assert rows(home, "landing", columns)[:2] == [
        ("R1", 1, "1994-03-01", "1994-03-02", "M88903", 1),
        ("R–’", 1, "1994-03-01", None, "ÆF0000", 2),
    ]
    assert files[0].quarantined == {"duplicate": 1, "wrong_length": 1, "unreadable_k_matnr": 1}
    assert files[0].findings == {"unreadable_d_modtdato": 40}  # 12500.5 is no whole day
    kept = rows(home, "quarantine", "source_row, reason, as_given")
    assert [row[:2] for row in kept] == [
        (3, "duplicate"), (4, "wrong_length"), (5, "unreadable_k_matnr"),
    ]  # fmt: skip
    assert all(row[2].startswith('{"k_inst":"1301110"') for row in kept)


def test_sas7bdat_is_counted_where_there_is_no_manifest(tmp_path):
    source = write_delivery(tmp_path, "patobank", {"pato1994.sas7bdat": SAS.read_bytes()})
    (source / "manifest.json").unlink()
    place = deliveries.receive(source, tmp_path / "store", tmp_path / "scratch", "2023-06-30")
    assert [(f.format, f.rows) for f in deliveries.read(place).files] == [("sas7bdat", 45)]


@pytest.mark.parametrize(
    ("date_format", "text", "day"),
    [
        ("ISO", "1994-03-01", "1994-03-01"),
        ("ISO", " 1994-03-01 ", "1994-03-01"),
        ("ISO", "1994-02-29", None),
        ("ISO", "1994-3-1", None),
        ("DDMONYYYY", "01MAR1994", "1994-03-01"),
        ("DDMONYYYY", "31dec1969", "1969-12-31"),
        ("DDMONYYYY", "30FEB1994", None),
        ("DD/MM/YYYY", "01/03/1994", "1994-03-01"),
        ("DD/MM/YYYY", "13/13/1994", None),
        ("SAS", "0", "1960-01-01"),
        ("SAS", "12478", "1994-03-01"),
        ("SAS", "-1", "1959-12-31"),
        ("SAS", "12478.5", None),
    ],
)
def test_a_date_is_read_in_the_form_that_its_contract_names(
    settings, tmp_path, monkeypatch, date_format, text, day
):
    home, files = land_column(
        settings, tmp_path, monkeypatch, "d_modtdato", text, date_format=date_format
    )
    assert rows(home, "landing", "d_modtdato::varchar") == [(day,)]
    assert files[0].findings == ({} if day else {"unreadable_d_modtdato": 1})


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("0", "00:00:00"),
        ("86399", "23:59:59"),
        ("36000", "10:00:00"),
        ("86400", None),
        ("10:00", None),
    ],
)
def test_a_time_is_seconds_since_midnight(settings, tmp_path, monkeypatch, text, time):
    home, files = land_column(settings, tmp_path, monkeypatch, "d_modtdato", text, type="time")
    assert rows(home, "landing", "d_modtdato::varchar") == [(time,)]
    assert files[0].findings == ({} if time else {"unreadable_d_modtdato": 1})


def land_column(settings, tmp_path, monkeypatch, name, text, **promised):
    """Land one row whose column `name` holds `text`, under a contract that promises otherwise."""
    known = registers.register("patobank")
    (table,) = known.tables
    columns = tuple(replace(c, **promised) if c.name == name else c for c in table.columns)
    register = replace(known, tables=(replace(table, columns=columns),))
    monkeypatch.setattr(registers, "register", lambda _: register)
    row = f"1234567;R1;1;1;{ANNA};1994-03-01;{text};;11;T02120\n"
    return land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": PATO_HEADER + row}))


def test_rows_keep_their_number_in_a_file_of_many_pieces(settings, tmp_path):
    """More rows than DuckDB reads at once, with a copy, a bad row and a bad line inside."""
    n = 400_000
    lines = [pato(requisition=f"R{i}") for i in range(1, n + 1)]
    lines[299_999] = lines[0]
    lines[199_999] = pato("123", "R200000")
    lines[99_999] = "1234567;R2;1\n"
    text = PATO_HEADER + "".join(lines)
    home, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].quarantined == {"duplicate": 1, "malformed_line": 1, "wrong_length": 1}
    kept = rows(home, "quarantine", "source_row, reason")
    assert kept == [(100_000, "malformed_line"), (200_000, "wrong_length"), (300_000, "duplicate")]
    place = next((home.restricted / "landing").rglob("*.parquet"))
    source = restricted.scan(place, options="file_row_number = true")
    assert unlocked().execute(
        f"""
        select count(*), bool_and(k_rekvnr = 'R' || source_row), bool_and(source_row > earlier)
        from (
            select *, lag(source_row, 1, 0) over (order by file_row_number) as earlier
            from {source}
        )
        """
    ).fetchone() == (n - 3, True, True)


def test_two_values_that_cannot_be_read_are_no_copies_of_each_other(settings, tmp_path):
    row = f"1;R3;1;1;{ANNA};1994-03-01;%s;1994-03-09;11;T02120\n"
    text = PATO_HEADER + row % "soon" + row % "later" + row % " soon"
    home, files = land(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert files[0].quarantined == {"duplicate": 1}
    assert rows(home, "quarantine", "source_row") == [(3,)]


def test_a_real_number_written_with_a_hyphen_is_refused_too(settings, tmp_path):
    text = PATO_HEADER + pato("010250-1234")
    message = refused(settings, write_delivery(tmp_path, "patobank", {"pato1994.csv": text}))
    assert "may belong to real persons" in message


REVIEW_HEADER = (
    "record_id,cpr,k_inst,k_rekvnr,reviewed_on,who_diagnosis,size_mm,necrosis,mitotic_grade,"
    "perineural_invasion,vascular_invasion,margins,subcutaneous_extension\n"
)
SARCOMA_HEADER = (
    "cpr;diagnosis_date;location;size_mm;grade;depth;margin;radiotherapy;chemotherapy;"
    "local_recurrence_date;metastasis_date\n"
)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf_8_with_commas_lands_where_the_contract_says_so_with_a_byte_order_mark_or_without(
    settings, tmp_path, mark
):
    text = mark + REVIEW_HEADER + f'1,{ANNA},"Sygehus, Ærø",R–1,2020-01-01,leiomyoma,12.5,,,,,,\n'
    folder = write_delivery(tmp_path, "dlms_review", {"review.csv": text}, encoding="utf-8")
    home, files = land(settings, folder)
    assert files[0].findings == {}
    found = rows(home, "landing", "record_id, k_inst, k_rekvnr, size_mm")
    assert found == [("1", "Sygehus, Ærø", "R–1", 12.5)]


def test_bytes_that_are_no_utf_8_are_refused_where_the_contract_says_utf_8(settings, tmp_path):
    text = REVIEW_HEADER + f"1,{ANNA},Ærø,R1,,,,,,,,,\n"
    message = refused(settings, write_delivery(tmp_path, "dlms_review", {"review.csv": text}))
    assert "not utf-8" in message


@pytest.mark.parametrize(
    ("text", "size_mm"),
    [
        ("12,5", 12.5),
        ("12", 12.0),
        ("-0,5", -0.5),
        ("12.5", None),
        ("1.234,5", None),
        ("12,", None),
    ],
)
def test_a_decimal_is_read_with_the_mark_of_its_contract_and_no_other(
    settings, tmp_path, text, size_mm
):
    row = f"{ANNA};01/03/1994;arm;{text};;;;;;;\n"
    folder = write_delivery(tmp_path, "dsd", {"sarcoma.csv": SARCOMA_HEADER + row})
    home, files = land(settings, folder)
    assert rows(home, "landing", "size_mm") == [(size_mm,)]
    assert files[0].findings == ({"unreadable_size_mm": 1} if size_mm is None else {})


def test_a_decimal_comma_is_unreadable_where_the_contract_says_point(settings, tmp_path):
    text = REVIEW_HEADER + f'1,{ANNA},1,R1,,,"12,5",,,,,,\n'
    folder = write_delivery(tmp_path, "dlms_review", {"review.csv": text}, encoding="utf-8")
    home, files = land(settings, folder)
    assert rows(home, "landing", "size_mm") == [(None,)]
    assert files[0].findings == {"unreadable_size_mm": 1}


def test_numbers_of_a_parquet_file_need_no_mark(settings, tmp_path):
    place = tmp_path / "sarcoma.parquet"
    duckdb.execute(
        f"copy (select '{ANNA}' as cpr, date '1994-03-01' as diagnosis_date, null::varchar as "
        "location, 12.5::double as size_mm, null::varchar as grade, null::varchar as depth, "
        "null::varchar as margin, 1 as radiotherapy, 0 as chemotherapy, "
        "null::date as local_recurrence_date, null::date as metastasis_date) "
        f"to '{place}' (format parquet)"
    )
    files = {"sarcoma.parquet": place.read_bytes()}
    home, landed = land(settings, write_delivery(tmp_path, "dsd", files, rows=1))
    assert rows(home, "landing", "size_mm") == [(12.5,)]
    assert landed[0].findings == {}


# -------------------------------------------------------------------- the short way

DIAG_HEADER = "v_recnum;c_diag;c_diagtype;c_diagmod;c_tildiag"


def everything(home: Home) -> dict[str, list[tuple]]:
    """All that was kept of a delivery, in the order in which it stands."""
    con = unlocked()
    return {
        str(path.relative_to(home.restricted)): con.execute(
            f"from {restricted.scan(path)}"
        ).fetchall()
        for store in ("landing", "quarantine", "findings")
        for path in sorted((home.restricted / store).rglob("*.parquet"))
    }


@example_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(  # few, so that copies come; the last column is nobody's, and tells them apart
            st.sampled_from(["1", "", "NULL"]),
            st.sampled_from(["D1", "D1", "Ukendt"]),
            st.sampled_from(["Æ–", ""]),
            st.just(""),
            st.just("-"),
            st.sampled_from(["a", "b", "c", ""]),
        ),
        max_size=40,
    ),
    has_last_end=st.booleans(),
)
def test_the_short_way_leads_where_the_long_one_does(
    settings, tmp_path_factory, monkeypatch, rows, has_last_end
):
    lines = [f"{DIAG_HEADER};more", *(";".join(row) for row in rows)]
    text = "\n".join(lines) + ("\n" if has_last_end or not rows else "")
    found = []
    monkeypatch.setattr(plain, "PIECE_BYTES", 64)
    for is_short in (True, False):
        with monkeypatch.context() as patch:
            if not is_short:
                patch.setattr(plain.Shape, "is_plain", lambda _: False)
            place = tmp_path_factory.mktemp("way")
            folder = write_delivery(place, "lpr2", {"t_diag.csv": text})
            set_rows(folder, len(rows))
            home, files = land(replace(settings, home=place / "home"), folder)
            found.append((everything(home), files))
    assert found[0] == found[1]


def set_rows(folder, rows: int) -> None:
    import json

    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["rows"] = rows
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("a;b\n1;2\n3;4\n", True),
        ("a;b\n1;2\n3;4", True),
        ("a;b\n", True),
        ("a;b\n1;2\n\n3;4\n", False),
        ("a;b\n1;2;3\n4\n", False),
        ("a;b\n1;2\n3", False),
        ('a;b\n"1";2\n', False),
        ("a;b\r\n1;2\r\n", False),
        ("a\n1\n", False),
        ("a\n\n", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 100])
def test_a_text_is_plain_where_every_line_has_the_same_fields(text, is_plain, piece):
    shape = plain.Shape(";")
    for start in range(0, len(text), piece):
        shape.add(text.encode()[start : start + piece])
    assert shape.is_plain() is is_plain


def test_rows_that_share_a_hash_are_found_whatever_the_memory(tmp_path, monkeypatch):
    hashes = np.array([5, 9, 5, 7, 2**63, 9, 1, 2**63, 5], dtype=np.uint64)
    for at_once in (2, 100):
        monkeypatch.setattr(streaming, "HASHES_AT_ONCE", at_once)
        kept = streaming.Hashes(tmp_path / "hashes")
        kept.add(pyarrow.chunked_array([hashes[:4], hashes[4:]]))
        assert kept.repeated().tolist() == [1, 2, 3, 5, 6, 8, 9]
