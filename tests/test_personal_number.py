"""What is a personal number, and why not: the one-value rule, and its twin for millions."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.personal_number import (
    MALFORMED_SQL,
    REASONS,
    birth_year,
    is_made_up,
    malformed,
    passes_modulus_11,
)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (None, "blank"),
        ("", "blank"),
        ("610250123", "wrong_length"),
        ("610250-1234", "wrong_length"),
        ("0000000000", "unknown_number"),
        ("610250123X", "forbidden_character"),
        ("6102501æ34", "forbidden_character"),
        ("6102502AB1", "forbidden_character"),  # no family of replacement numbers has a 2 here
        ("3113501234", "impossible_date"),
        ("9102501234", "impossible_date"),  # 31 February, raised by 60
        ("6113501234", "impossible_date"),
        ("4002501234", "impossible_date"),
        ("0002501234", "impossible_date"),
        ("6102501234", None),
        ("0102501234", None),
        ("6102501AB1", None),  # X-eCPR
        ("6102500AB1", None),  # D-eCPR
        ("8902004234", None),  # 29 February 2000
        ("8902000234", "impossible_date"),  # 1900 was no leap year
    ],
)
def test_every_reason_has_its_number(number, reason):
    assert malformed(number) == reason


@pytest.mark.parametrize(
    ("year", "seventh", "born"),
    [
        ("00", "4", 2000), ("36", "4", 2036), ("37", "4", 1937), ("57", "5", 2057),
        ("58", "5", 1858), ("99", "8", 1899), ("36", "9", 2036), ("37", "9", 1937),
        ("99", "0", 1999), ("00", "0", 1900),
    ],
)  # fmt: skip
def test_the_seventh_digit_gives_the_century(year, seventh, born):
    assert birth_year(f"6101{year}{seventh}234") == born


def test_modulus_11_is_told_apart_from_well_formed():
    assert passes_modulus_11("0707614285")
    assert not passes_modulus_11("2512489996")  # MedCom's published test person
    assert malformed("2512489996") is None


def test_days_above_60_belong_to_nobody():
    assert is_made_up("6101501234")
    assert not is_made_up("3101501234")


characters = st.sampled_from("0123456789ABZÆx-")
likely = st.builds(
    lambda day, month, rest: f"{day:02d}{month:02d}{rest}",
    st.integers(0, 95),
    st.integers(0, 14),
    st.text(characters, min_size=6, max_size=6),
)
dated = st.builds(
    lambda day, month, year, rest: f"{day:02d}{month:02d}{year:02d}{rest}",
    st.integers(0, 95),
    st.integers(0, 14),
    st.integers(0, 99),
    st.from_regex(r"[0-9]{4}|[0-9][A-Z]{2}[0-9]", fullmatch=True),
)


@given(st.lists(likely | dated | st.text(characters, max_size=12), min_size=50, max_size=200))
@settings(max_examples=25, deadline=None)
def test_the_sql_twin_gives_the_same_reason(numbers):
    con = duckdb.connect()
    con.execute(MALFORMED_SQL)
    answers = con.execute(
        "select number_malformed(number) from (select unnest($numbers) as number)",
        {"numbers": numbers},
    ).fetchall()
    assert [answer for (answer,) in answers] == [malformed(number) for number in numbers]
    assert {answer for (answer,) in answers} <= {*REASONS, None}
