"""What a Danish personal number (PNR) is. Pure: no files, no database, no clock.

Ten characters, DDMMYYSSSS. The seventh gives the century with the year; the last is even for women
and odd for men. Replacement numbers carry letters in the eighth and ninth place. A day raised by 60
(61–91) marks a number that no living person can have.

Source: cpr.dk, "Opbygning af CPR-nummeret" and "Erstatningspersonnummer".

`malformed` and `MALFORMED_SQL` say the same thing twice, once for one value and once for millions;
tests/test_personal_number.py proves them equal.
"""

import calendar
import re

SHAPE = re.compile(r"[0-9]{10}|[0-9]{6}[01567][A-Z]{2}[0-9]")
REASONS = ("blank", "wrong_length", "unknown_number", "forbidden_character", "impossible_date")
# In a production home a made-up number is refused like a malformed one.
MADE_UP_REASON = "replacement_number"
MADE_UP_DAY = 60
WEIGHTS = (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)


def malformed(number: str | None) -> str | None:
    """Why a value cannot be a personal number; None where it can.

    Never about modulus 11 or the parity of sex: both only warn, since numbers without a valid check
    digit are issued and a person's registered sex can change.
    """
    if number is None or number == "":
        return "blank"
    if len(number) != 10:
        return "wrong_length"
    if number == "0000000000":
        return "unknown_number"
    if not SHAPE.fullmatch(number):
        return "forbidden_character"
    day, month, year = int(number[:2]), int(number[2:4]), birth_year(number)
    if day > MADE_UP_DAY:
        day -= MADE_UP_DAY
    if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return "impossible_date"
    return None


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


MALFORMED_SQL = """
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
        when length(number) <> 10 then 'wrong_length'
        when number = '0000000000' then 'unknown_number'
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
"""
