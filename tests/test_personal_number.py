"""What is a personal number, and why not: the one-value rule, and its twin for millions."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.personal_number import (
    CLASSIFIED_SQL,
    KINDS,
    REASONS,
    UNKNOWN,
    WARNINGS,
    Classified,
    birth_year,
    classify,
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
        ("MISSING_IN_BTH", "unknown_number"),
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


new_year = st.builds(
    lambda day, year, rest: f"{day}01{year:02d}{rest}",
    st.sampled_from(["01", "61"]),
    st.integers(55, 99),
    st.from_regex(r"[0-3][0-9]{3}", fullmatch=True),
)


@given(
    st.lists(
        likely | dated | new_year | st.text(characters, max_size=12), min_size=50, max_size=200
    )
)
@settings(max_examples=25, deadline=None)
def test_the_sql_twins_say_the_same_of_every_value(numbers):
    con = duckdb.connect()
    con.execute(CLASSIFIED_SQL)
    rows = con.execute(
        """
        select
            number_malformed(number) as reason,
            case when reason is null then number_kind(number) end,
            case when reason is null then number_birth_date(number) end,
            case when reason is null then number_sex(number) end,
            case when reason is null then number_warning(number) end,
            reason is null and number_is_made_up(number)
        from (select unnest($numbers) as number)
        """,
        {"numbers": numbers},
    ).fetchall()
    assert [Classified(*row) for row in rows] == [classify(number) for number in numbers]


def test_the_generated_values_reach_every_answer():
    """Else the twins would be compared on less than all they say."""
    found: set[str | None] = set()

    @given(st.lists(likely | dated | new_year | st.just("") | st.just("0000000000"), min_size=200))
    @settings(max_examples=15, deadline=None, database=None, derandomize=True)
    def collect(numbers):
        for one in map(classify, numbers):
            found.update((one.reason, one.kind, one.warning))

    collect()
    assert found >= {*REASONS, *KINDS, *WARNINGS} - {"wrong_length"}


@pytest.mark.parametrize(
    ("number", "classified"),
    [
        ("0707614285", Classified(None, "civil", "1961-07-07", "male")),
        # MedCom's published test person: a real form, and no true check digit.
        ("2512489996", Classified(None, "civil", "1948-12-25", "female", "wrong_check_digit")),
        # The published example of the national family.
        ("0203291WQ3", Classified(None, "national_replacement", "1929-03-02", "male")),
        ("0203296AB2", Classified(None, "regional_replacement", "2029-03-02", "female")),
        ("0203295AB2", Classified(None, "regional_replacement", "1829-03-02", "female")),
        ("0203297AB2", Classified(None, "national_replacement", "2029-03-02", "female")),
        ("6707614285", Classified(None, "civil", "1961-07-07", "male", "wrong_check_digit", True)),
        # 1 January: of 1965 told as issued without, of 1959 as wrong.
        ("0101650001", Classified(None, "civil", "1965-01-01", "male", "without_check_digit")),
        ("0101590001", Classified(None, "civil", "1959-01-01", "male", "wrong_check_digit")),
        ("0102650001", Classified(None, "civil", "1965-02-01", "male", "wrong_check_digit")),
        ("0000000000", Classified("unknown_number")),
        (None, Classified("blank")),
    ],
)
def test_what_a_number_tells(number, classified):
    assert classify(number) == classified


# ------------------------------------------------------------------ a second opinion


@given(st.lists(likely | dated, min_size=50, max_size=200))
@settings(max_examples=25, deadline=None)
def test_python_stdnum_agrees_but_where_it_is_known_not_to(numbers):
    """stdnum.dk.cpr takes digits only, refuses births that are still to come, and knows neither
    days raised by 60 nor replacement numbers. See docs/methods.md, "Personal numbers".
    """
    from stdnum.dk import cpr

    for number in numbers:
        ours = classify(number)
        if len(number) != 10 or not (number.isascii() and number.isdigit()):
            continue  # it strips blanks and hyphens before it looks
        if ours.is_made_up or number in UNKNOWN or ours.reason is not None:
            assert not cpr.is_valid(number)
        elif cpr.is_valid(number):
            assert cpr.get_birth_date(number).isoformat() == ours.birth_date
        else:
            assert ours.birth_date > "2000"  # a birth that is still to come
