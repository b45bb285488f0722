"""What a Danish personal number (PNR) is. Pure: no files, no database, no clock.

Ten characters, DDMMYYSSSS. The seventh gives the century with the year; the last is even for women
and odd for men. Replacement numbers carry letters in the eighth and ninth place. A day raised by 60
(61–91) marks a number that no living person can have.

Source: cpr.dk, "Opbygning af CPR-nummeret", "Personnumre uden kontrolciffer" and
"Erstatningspersonnummer"; eCPR of the Danish Health Data Authority for the national family.

`classify` and `CLASSIFIED_SQL` say the same thing twice, once for one value and once for millions;
tests/test_personal_number.py proves them equal.
"""

import calendar
import re
from dataclasses import dataclass

SHAPE = re.compile(r"[0-9]{10}|[0-9]{6}[01567][A-Z]{2}[0-9]")
REASONS = ("blank", "wrong_length", "unknown_number", "forbidden_character", "impossible_date")
# How registers write that a number is not known; the second is of encrypted extracts.
UNKNOWN = ("0000000000", "MISSING_IN_BTH")
# In a production home a made-up number is refused like a malformed one.
MADE_UP_REASON = "replacement_number"
MADE_UP_DAY = 60
WEIGHTS = (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)

CIVIL = "civil"  # issued by the civil register: ten digits
NATIONAL = "national_replacement"  # X-eCPR: one person of the whole country
REGIONAL = "regional_replacement"  # D-eCPR: a hospital's own; several persons may bear it
KINDS = (CIVIL, NATIONAL, REGIONAL)
# Since 1 October 2007 numbers without a true check digit are issued where a day's are used up; so
# far that is 1 January of these years (cpr.dk, list of 10 May 2023).
WRONG_CHECK_DIGIT, WITHOUT_CHECK_DIGIT = "wrong_check_digit", "without_check_digit"
WITHOUT_CHECK_DIGIT_YEARS = range(1960, 1995)
WARNINGS = (WRONG_CHECK_DIGIT, WITHOUT_CHECK_DIGIT)


@dataclass(frozen=True)
class Classified:
    """What a value says, taken as a personal number.

    `reason` is one of REASONS where it cannot be one, and then all else is None or False. `kind` is
    one of KINDS, `birth_date` ISO (without the 60 of a made-up day), `sex` female or male by the
    last digit. `warning` is one of WARNINGS; it never makes a number wrong.
    """

    reason: str | None
    kind: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    warning: str | None = None
    is_made_up: bool = False


def classify(number: str | None) -> Classified:
    """Everything that a value tells as a personal number."""
    reason = malformed(number)
    if reason is not None or number is None:
        return Classified(reason)
    year, month, day = birth_year(number), int(number[2:4]), _day(number)
    return Classified(
        reason=None,
        kind=_kind(number),
        birth_date=f"{year:04d}-{month:02d}-{day:02d}",
        sex="male" if int(number[9]) % 2 else "female",
        warning=_warning(number, year, month, day),
        is_made_up=is_made_up(number),
    )


def malformed(number: str | None) -> str | None:
    """Why a value cannot be a personal number; None where it can.

    Never about modulus 11 or the parity of sex: both only warn, since numbers without a valid check
    digit are issued and a person's registered sex can change.
    """
    if number is None or number == "":
        return "blank"
    if number in UNKNOWN:
        return "unknown_number"
    if len(number) != 10:
        return "wrong_length"
    if not SHAPE.fullmatch(number):
        return "forbidden_character"
    day, month, year = _day(number), int(number[2:4]), birth_year(number)
    if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return "impossible_date"
    return None


def _day(number: str) -> int:
    day = int(number[:2])
    return day - MADE_UP_DAY if day > MADE_UP_DAY else day


def _kind(number: str) -> str:
    if not number[7].isalpha():
        return CIVIL
    return NATIONAL if number[6] in "17" else REGIONAL


def _warning(number: str, year: int, month: int, day: int) -> str | None:
    """Only numbers of ten digits have a check digit."""
    if number[7].isalpha() or passes_modulus_11(number):
        return None
    if (month, day) == (1, 1) and year in WITHOUT_CHECK_DIGIT_YEARS:
        return WITHOUT_CHECK_DIGIT
    return WRONG_CHECK_DIGIT


def birth_year(number: str) -> int:
    """Year of birth by the seventh character and the two-digit year.

    In replacement numbers the seventh is 0 or 1 for 1900–1999, 5 before 1900, 6 or 7 after 1999.
    """
    year, seventh = int(number[4:6]), int(number[6])
    if number[7].isalpha():
        return {0: 1900, 1: 1900, 5: 1800, 6: 2000, 7: 2000}[seventh] + year
    if seventh <= 3:
        return 1900 + year
    if seventh in (4, 9):
        return (2000 if year <= 36 else 1900) + year
    return (2000 if year <= 57 else 1800) + year


def is_made_up(number: str) -> bool:
    """True for the days 61–91, which a real number never has."""
    return number[:2].isdigit() and int(number[:2]) > MADE_UP_DAY


def passes_modulus_11(number: str) -> bool:
    """Whether the weighted sum is divisible by 11. A warning at most."""
    return (
        number.isdigit()
        and sum(weight * int(digit) for weight, digit in zip(WEIGHTS, number, strict=True)) % 11
        == 0
    )


CLASSIFIED_SQL = """
create or replace temp macro number_year(number) as
    case
        when regexp_matches(number, '[A-Z]')
            then
                case number[7]
                    when '0' then 1900 when '1' then 1900 when '5' then 1800 else 2000
                end
        when number[7] <= '3' then 1900
        when number[7] in ('4', '9')
            then case when number[5:6] <= '36' then 2000 else 1900 end
        when number[5:6] <= '57' then 2000
        else 1800
    end + try_cast(number[5:6] as integer);

create or replace temp macro number_day(number) as
    case
        when number[1:2] > '60' then try_cast(number[1:2] as integer) - 60
        else try_cast(number[1:2] as integer)
    end;

create or replace temp macro number_malformed(number) as
    case
        -- Nearly every number ends here: digits, and a day that every month has.
        when
            regexp_full_match(
                number,
                '(0[1-9]|1[0-9]|2[0-8]|6[1-9]|7[0-9]|8[0-8])(0[1-9]|1[0-2])[0-9]{6}'
            )
            then null
        when number is null or number = '' then 'blank'
        when number in ('0000000000', 'MISSING_IN_BTH') then 'unknown_number'
        when length(number) <> 10 then 'wrong_length'
        when not regexp_full_match(number, '[0-9]{10}|[0-9]{6}[01567][A-Z]{2}[0-9]')
            then 'forbidden_character'
        when
            try_cast(
                printf('%04d-%s-%02d', number_year(number), number[3:4], number_day(number))
                as date
            ) is null
            then 'impossible_date'
    end;

create or replace temp macro number_is_made_up(number) as number >= '61';

-- What follows is of numbers that number_malformed lets pass.
create or replace temp macro number_kind(number) as
    case
        when not regexp_matches(number, '[A-Z]') then 'civil'
        when number[7] in ('1', '7') then 'national_replacement'
        else 'regional_replacement'
    end;

create or replace temp macro number_birth_date(number) as
    printf('%04d-%s-%02d', number_year(number), number[3:4], number_day(number));

create or replace temp macro number_sex(number) as
    case when number[10] in ('1', '3', '5', '7', '9') then 'male' else 'female' end;

create or replace temp macro number_check_sum(number) as
    4 * (ascii(number[1]) - 48) + 3 * (ascii(number[2]) - 48) + 2 * (ascii(number[3]) - 48)
    + 7 * (ascii(number[4]) - 48) + 6 * (ascii(number[5]) - 48) + 5 * (ascii(number[6]) - 48)
    + 4 * (ascii(number[7]) - 48) + 3 * (ascii(number[8]) - 48) + 2 * (ascii(number[9]) - 48)
    + (ascii(number[10]) - 48);

create or replace temp macro number_warning(number) as
    case
        when regexp_matches(number, '[A-Z]') or number_check_sum(number) % 11 = 0 then null
        when number[3:4] = '01' and number[1:2] in ('01', '61')
            and number_year(number) between 1960 and 1994
            then 'without_check_digit'
        else 'wrong_check_digit'
    end;
"""
