"""Personal number → person_id under a secret key. Pure: no files, no database, no environment.

A person_id is the HMAC-SHA256 (RFC 2104) of the FIRST number of a person's chain, so that it stays
when the number changes, cut to 63 bits and at least 10^10 so that it can never look like a number.

`person_ids` is the rule; `CANDIDATE_SQL` with `pads` says the same for millions, whole columns at a
time. tests/test_linkage.py proves them equal, collisions included.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from itertools import count

SMALLEST = 10**10
BITS = 63
BLOCK_BYTES = 64  # of SHA-256

# HMAC-SHA256 of the text `value`, cut; $inner and $outer are the padded keys of RFC 2104, so that
# the key itself never stands in a query.
CANDIDATE_SQL = """(
    ('0x' || sha256(
        $outer::blob || unhex(sha256($inner::blob || encode(value)))
    )[1:16])::ubigint >> $shift::int
)::bigint"""


def person_ids(first_numbers: Iterable[str], key: bytes) -> dict[str, int]:
    """Map each distinct first number to a 64-bit integer of at least 10^10.

    Of numbers with the same id the lowest keeps it. The others, and those whose id is too small,
    are then hashed again in sorted order, each with a counter behind it until it is free. The same
    set, or any set without a collision, always gives the same ids.
    """
    numbers = sorted(set(first_numbers))
    taken: dict[int, str] = {}
    for number in numbers:
        if (candidate := _candidate(number, key)) >= SMALLEST:
            taken.setdefault(candidate, number)
    ids = {number: candidate for candidate, number in taken.items()}
    for number in numbers:
        if number not in ids:
            free = next(one for one in later_candidates(number, key) if one not in taken)
            taken[free] = number
            ids[number] = free
    return ids


def later_candidates(number: str, key: bytes) -> Iterator[int]:
    """The ids to try, in order, for a number whose first one is taken or too small."""
    candidates = (_candidate(f"{number}#{attempt}", key) for attempt in count(1))
    return (candidate for candidate in candidates if candidate >= SMALLEST)


def _candidate(message: str, key: bytes) -> int:
    first = hmac.digest(key, message.encode(), "sha256")[:8]
    return int.from_bytes(first, "big") >> (64 - BITS)


def pads(key: bytes) -> tuple[bytes, bytes]:
    """The inner and the outer padded key of RFC 2104, section 2."""
    if len(key) > BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    padded = key.ljust(BLOCK_BYTES, b"\0")
    return bytes(b ^ 0x36 for b in padded), bytes(b ^ 0x5C for b in padded)


def key_id(key: bytes) -> str:
    """A name for a key that may be stored beside the data; the key cannot be found from it."""
    return hashlib.sha256(b"kobling key id" + key).hexdigest()[:12]
