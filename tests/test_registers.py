"""The contracts: they hold what the specification lists, and each of their rules can fail.

The list below is typed out by hand from the delivery specification, on purpose: a contract must
not be held against itself.
"""

import re
from pathlib import Path

import duckdb
import pytest
import yaml

from etl import registers
from etl.errors import DeliveryError
from etl.registers import CLASSIFICATIONS, Column, Shape, changes, in_words

SPECIFIED = {
    "cpr": {
        "cpr3_t_person": "*v_pnr v_pnr_gaeld c_kon c_status d_foddato d_status_hen_start v_mor_pnr "
        "v_far_pnr",
        "cpr3_t_adresse_hist": "v_pnr c_kom d_tilflyt_dato d_fraflyt_dato c_annkor",
        "cpr3_t_adresse_udland_hist": "v_pnr d_udrejse_dato d_indrejse_dato c_annkor",
    },
    "lpr2": {
        "t_adm": "*k_recnum v_cpr c_pattype c_sgh c_afd c_spec d_inddto d_uddto c_adiag",
        "t_diag": "v_recnum c_diag c_diagtype c_diagmod c_tildiag",
        "t_sksopr": "v_recnum c_opr c_oprart c_tilopr d_odto c_osgh c_oafd",
    },
    "lpr3": {
        "kontakter": "*dw_ek_kontakt cpr dato_start tidspunkt_start dato_slut aktionsdiagnose "
        "kontakttype prioritet region_ans hovedspeciale_ans lprindberetningssystem",
        "diagnoser": "dw_ek_kontakt diagnosekode diagnosetype senere_afkraeftet "
        "diagnosekode_parent lprindberetningssystem",
        "procedurer_kirurgi": "dw_ek_kontakt procedurekode proceduretype dato_start",
    },
    "patobank": {
        "pato": "*k_inst *k_rekvnr *k_matnr *k_sekvensnr cpr d_rekvdato d_modtdato d_svardato "
        "c_mattype c_snomedkode",
    },
    "dcr": {
        "t_tumor": "k_cprnr *k_tumornr d_diagnosedato c_icd10 c_morfo3 c_topo3 c_lateral c_grad "
        "c_tnm_t c_tnm_n c_tnm_m c_makrogrundlag c_mikrogrundlag c_status d_statdato",
    },
    "dar": {
        "t_dodsaarsag_1": "*k_cpr d_dodsdto c_dod1 c_dod2 c_dod3 c_dod4 c_dodsmaade",
        "t_dodsaarsag_2": "*k_cpr d_dodsdato d_findedato c_dodtilgrundl_acme c_dod_1a c_dod_1b "
        "c_dod_1c c_dod_1d c_dodsmaade",
        "dodsaarsager": "*cpr doedsdato doedsaarsag_tilgrundliggende doedsmaade_kode "
        "flag_valideret",
    },
    "dsd": {
        "sarcoma": "cpr diagnosis_date location size_mm grade depth margin radiotherapy "
        "chemotherapy local_recurrence_date metastasis_date",
    },
    "dlms_review": {
        "review": "*record_id cpr k_inst k_rekvnr reviewed_on who_diagnosis size_mm necrosis "
        "mitotic_grade perineural_invasion vascular_invasion margins subcutaneous_extension",
    },
}
YEARS = {
    "t_adm": (1977, 2019),
    "t_diag": (1977, 2019),
    "t_sksopr": (1996, 2019),
    "kontakter": (2019, None),
    "diagnoser": (2019, None),
    "procedurer_kirurgi": (2019, None),
    "pato": (1970, None),
    "t_tumor": (1943, None),
    "t_dodsaarsag_1": (1970, 2001),
    "t_dodsaarsag_2": (2002, 2022),
    "dodsaarsager": (2022, None),
    "sarcoma": (2009, None),
}
# Codes that do not say so by a c_ before their name.
CODES = {
    "aktionsdiagnose", "kontakttype", "prioritet", "region_ans", "lprindberetningssystem",
    "diagnosekode", "diagnosetype", "senere_afkraeftet", "diagnosekode_parent", "procedurekode",
    "proceduretype", "doedsaarsag_tilgrundliggende", "doedsmaade_kode", "flag_valideret",
}  # fmt: skip
TABLES = [table for register in registers.catalogue().values() for table in register.tables]
COLUMNS = [(table, column) for table in TABLES for column in table.columns]
SHAPES = [(column, shape) for _, column in COLUMNS for shape in column.shapes]


def column_of(place: str) -> Column:
    table, column = place.split(".")
    return next(t for t in TABLES if t.name == table).column(column)


# ------------------------------------------------------------------ what they hold


def test_every_table_and_column_of_the_specification_has_a_contract():
    assert {
        register.name: {
            table.name: " ".join("*" * column.is_key + column.name for column in table.columns)
            for table in register.tables
        }
        for register in registers.catalogue().values()
    } == SPECIFIED


def test_everything_says_what_it_is_in_both_languages():
    said = [*TABLES, *(column for _, column in COLUMNS)]
    assert [thing.name for thing in said if not thing.danish or not thing.description] == []
    assert {column.classification for _, column in COLUMNS} == set(CLASSIFICATIONS)


def test_personal_numbers_are_text_and_classified_so():
    named = re.compile(r"(k_|v_)?(cpr|cprnr|pnr)(_gaeld)?|v_(mor|far)_pnr")
    for table, column in COLUMNS:
        is_number = bool(named.fullmatch(column.name))
        assert column.is_personal_number == is_number, f"{table.name}.{column.name}"
        assert bool(column.role) == is_number
        assert column.type == "text" or not is_number


def test_every_code_column_has_a_code_system():
    codes = [c for _, c in COLUMNS if c.name.startswith("c_") or c.name in CODES]
    assert len(codes) > 50
    assert [column.name for column in codes if not column.code_systems] == []
    # One way of saying it each: books with shapes, or the name of a list.
    assert [c.name for _, c in COLUMNS if c.shapes and (c.listed_in or c.pattern)] == []


def test_a_number_with_a_unit_in_its_name_has_the_unit():
    for _, column in COLUMNS:
        assert (column.unit == "mm") == column.name.endswith("_mm")
    assert column_of("kontakter.tidspunkt_start").unit == "s"


def test_every_table_of_years_covers_what_the_specification_says():
    assert {
        table.name: (table.first_year, table.last_year) for table in TABLES if table.name in YEARS
    } == YEARS


def test_the_years_make_sense():
    for table, column in COLUMNS:
        first, last = table.years(column)
        assert table.first_year <= first <= (last or first), f"{table.name}.{column.name}"
        assert not table.last_year or last <= table.last_year
        for shape in column.shapes:
            assert (shape.first_year or 0) <= (shape.last_year or 9999)
    for table in TABLES:
        if table.era_column:
            assert table.column(table.era_column).type == "date"


def test_modifier_and_addition_are_of_the_years_that_had_them():
    modifier, addition = column_of("t_diag.c_diagmod"), column_of("t_diag.c_tildiag")
    assert (modifier.last_year, addition.first_year) == (1994, 1995)


def test_years_in_words_include_both_ends():
    assert in_words(1995, 2003) == "1995–2003"
    assert (in_words(1995, None), in_words(None, 2003), in_words(None, None)) == (
        "from 1995",
        "to 2003",
        "",
    )


def test_how_a_register_is_written_is_in_its_contract():
    forms = {
        name: (register.encoding, register.delimiter, register.decimal_separator)
        for name, register in registers.catalogue().items()
    }
    danish = ("windows-1252", ";", ",")
    assert forms == dict.fromkeys(SPECIFIED, danish) | {"dlms_review": ("utf-8", ",", ".")}
    dates = {
        (table.register, column.date_format) for table, column in COLUMNS if column.type == "date"
    }
    assert dates == {(name, "ISO") for name in SPECIFIED if name not in ("dsd", "dar")} | {
        ("dsd", "DD/MM/YYYY"),
        ("dar", "DDMONYYYY"),
        ("dar", "ISO"),  # the table that arrives as Parquet
    }


# ------------------------------------------------------------------ rules that can fail


def fits(pattern: str, value: str) -> bool:
    """As DuckDB reads the pattern, and Python, which must agree."""
    found = duckdb.execute("select regexp_matches(?, ?)", [value, pattern]).fetchone()[0]
    assert found == bool(re.search(pattern, value))
    return found


@pytest.mark.parametrize(("column", "shape"), SHAPES, ids=[f"{c.name}-{s.name}" for c, s in SHAPES])
def test_every_shape_has_a_code_that_passes_and_one_that_fails(column: Column, shape: Shape):
    assert shape.pattern.startswith("^")
    assert shape.pattern.endswith("$")
    assert shape.passes
    assert shape.fails
    for code in shape.passes:
        assert fits(shape.pattern, code)
        assert fits(column.form, code)
    for code in shape.fails:
        assert not fits(shape.pattern, code)


def test_every_other_pattern_has_a_value_that_passes_and_one_that_fails():
    patterned = [column for _, column in COLUMNS if column.pattern]
    assert patterned
    for column in patterned:
        assert column.examples
        assert all(fits(column.pattern, value) for value in column.examples)
        assert not fits(column.pattern, "~")


def test_one_book_has_one_era_in_a_register():
    eras: dict[tuple, set] = {}
    for table, column in COLUMNS:
        for shape in column.shapes:
            key = (table.register, shape.name)
            eras.setdefault(key, set()).add((shape.pattern, shape.first_year, shape.last_year))
    assert [key for key, found in eras.items() if len(found) > 1] == []


@pytest.mark.parametrize(
    ("place", "code", "book"),
    [
        ("t_diag.c_diag", "17309", "ICD-8"),
        ("t_diag.c_diag", "DC449", "ICD-10 in SKS"),
        ("t_dodsaarsag_1.c_dod1", "41009", "ICD-8"),
        ("t_dodsaarsag_1.c_dod1", "C449", "ICD-10"),
        ("diagnoser.diagnosekode", "AZCA1", "SKS addition"),
        ("t_sksopr.c_opr", "KQBE00", "SKS"),
        ("t_tumor.c_morfo3", "M9999X", "Not coded"),
        ("t_tumor.c_topo3", "C445", "ICD-O-3 topography"),
        ("pato.c_snomedkode", "M88903", "SNOMED (Patobank) morphology"),
        ("pato.c_snomedkode", "T0220A", "SNOMED (Patobank) topography"),
        ("pato.c_snomedkode", "AEKI030", "SNOMED (Patobank), Æ mangled"),
        ("pato.c_snomedkode", "P306X0", "SNOMED (Patobank) function, disease, procedure"),
    ],
)
def test_a_code_is_of_the_book_that_its_shape_says(place, code, book):
    shapes = column_of(place).shapes
    assert [shape.name for shape in shapes if fits(shape.pattern, code)] == [book]


# ------------------------------------------------------------------ what it takes to change one

PATO = re.sub(
    r"^version: .*$",
    "version: 1.0.0",
    (changes.RELEASED / "patobank.odcs.yaml").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


def changed(change, version: str | None = None) -> str:
    """The contract of patobank, as released under 1.0.0, with something else in it."""
    contract = yaml.safe_load(PATO)
    if version:
        contract["version"] = version
    change(contract, {column["name"]: column for column in contract["schema"][0]["properties"]})
    return yaml.safe_dump(contract, sort_keys=False, allow_unicode=True)


def take_away(contract, columns):
    contract["schema"][0]["properties"].remove(columns["c_mattype"])


def add(contract, columns):
    contract["schema"][0]["properties"].append(columns["c_mattype"] | {"name": "c_new"})


def rename(contract, columns):
    columns["c_mattype"]["name"] = "c_kind"


def describe(contract, columns):
    columns["c_mattype"]["description"] = "Another word for it."


def retype(contract, columns):
    columns["c_mattype"] |= {"logicalType": "string", "physicalType": "text"}


def require(contract, columns):
    columns["c_mattype"]["required"] = True


def shorten_the_key(contract, columns):
    del columns["k_inst"]["primaryKey"], columns["k_inst"]["primaryKeyPosition"]


def encode(contract, columns):
    contract["customProperties"][0]["value"] = "utf-8"


def give_to_another(contract, columns):
    (role,) = (p for p in columns["cpr"]["customProperties"] if p["property"] == "role")
    role["value"] = "relative"


def reshape(contract, columns):
    columns["c_snomedkode"]["logicalTypeOptions"] = {"pattern": "^T"}


@pytest.mark.parametrize(
    ("change", "is_breaking"),
    [
        (describe, False),
        (reshape, False),  # a finding, and no refusal
        (take_away, True),
        (add, True),  # the deliveries of yesterday lack it
        (rename, True),
        (retype, True),
        (require, True),
        (shorten_the_key, True),
        (encode, True),
        (give_to_another, True),
    ],
)
def test_what_breaks_a_contract(change, is_breaking):
    found = changes.compare(PATO, changed(change, "1.0.1"))
    assert found
    assert any(one.is_breaking for one in found) == is_breaking


def test_the_order_and_the_look_of_a_contract_are_no_change():
    same = changed(lambda contract, columns: contract["schema"][0]["properties"].reverse())
    assert changes.compare(PATO, "# Another comment.\n" + same) == []


BROKEN = changes.Change("removed", "schema.pato.properties.c_mattype", True)
HARMLESS = changes.Change("updated", "schema.pato.properties.cpr.description", False)


@pytest.mark.parametrize(
    ("after", "found", "says"),
    [
        ("1.2.0", [], None),
        ("1.2.0", [HARMLESS], "changed under version 1.2.0: schema.pato.properties.cpr.descr"),
        ("1.1.9", [HARMLESS], "Expected a version after 1.2.0"),
        ("1.10.0", [HARMLESS], None),  # ten is after two
        ("1.3.0", [HARMLESS, BROKEN], "a breaking change under version 1.3.0: schema.pato.prop"),
        ("1.3.0", [BROKEN], "Expected version 2.0.0, since 1.2.0 was released"),
        ("2.0.0", [HARMLESS, BROKEN], None),
    ],
)
def test_a_change_needs_a_raised_version_and_a_breaking_one_a_raised_major(after, found, says):
    line = changes.verdict("patobank", "1.2.0", after, found)
    assert (line is None) if says is None else (says in line and "\n" not in line)


def test_a_version_is_three_numbers():
    with pytest.raises(DeliveryError, match=r"patobank.*'1\.2'.*three numbers"):
        changes.verdict("patobank", "1.0.0", "1.2", [])


def test_many_changes_are_told_by_the_first_and_their_number():
    many = [changes.Change("added", f"schema.t{nth}", False) for nth in range(7)]
    assert "schema.t4 added and 2 more" in changes.verdict("cpr", "1.0.0", "1.0.0", many)


def folders(tmp_path: Path) -> tuple[Path, Path]:
    present, released = tmp_path / "present", tmp_path / "released"
    for folder in (present, released):
        folder.mkdir()
        (folder / "patobank.odcs.yaml").write_text(PATO, encoding="utf-8")
    return present, released


def test_the_guard_tells_what_changed_and_releasing_makes_it_the_new_measure(tmp_path):
    present, released = folders(tmp_path)
    told = []
    assert changes.check(present, released, told.append) == []
    contract = present / "patobank.odcs.yaml"
    contract.write_text(changed(take_away), encoding="utf-8")
    (fault,) = changes.check(present, released, told.append)
    assert "c_mattype removed" in fault
    assert "2.0.0" in fault
    assert told == []
    contract.write_text(changed(take_away, "2.0.0"), encoding="utf-8")
    assert changes.check(present, released, told.append) == []
    assert told[0].startswith("patobank 1.0.0 → 2.0.0: ")
    changes.release(present, released)
    assert changes.check(present, released, told.append) == []
    assert len(told) == 1


def test_a_contract_that_is_gone_is_told(tmp_path):
    present, released = folders(tmp_path)
    (present / "patobank.odcs.yaml").unlink()
    (fault,) = changes.check(present, released, print)
    assert fault.startswith("patobank.odcs.yaml: the contract is gone.")


def test_the_contracts_of_this_checkout_are_versioned_as_they_have_changed():
    """Only the versions: `make lint` compares them in full."""
    for path in changes.RELEASED.glob("*.yaml"):
        before, after = (
            yaml.safe_load(text)
            for text in (path.read_text("utf-8"), (registers.FOLDER / path.name).read_text("utf-8"))
        )
        assert before == after or before["version"] < after["version"]
    assert {path.name for path in changes.RELEASED.iterdir()} == {
        path.name for path in registers.FOLDER.glob("*.odcs.yaml")
    }
