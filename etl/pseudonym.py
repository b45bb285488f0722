"""Personal number → person_id under a secret key. Pure: no files, no database, no environment.

A person_id is the HMAC-SHA256 of the FIRST number of a person's chain, so that it stays when the
number changes, cut to 63 bits and raised above 10^10 so that it can never look like a number.
"""

import hashlib
import hmac
from collections.abc import Iterable

SMALLEST = 10**10


def person_ids(first_numbers: Iterable[str], key: bytes) -> dict[str, int]:
    """Map each distinct first number to a 64-bit integer of at least 10^10.

    Numbers are taken in sorted order; one whose id is taken already, or too small, is hashed again
    with a counter behind it until it is free. The same set, or any set without a collision, always
    gives the same ids.
    """
    taken: dict[int, str] = {}
    ids: dict[str, int] = {}
    for number in sorted(set(first_numbers)):
        attempt = 0
        while (candidate := _candidate(number, key, attempt)) < SMALLEST or candidate in taken:
            attempt += 1
        taken[candidate] = number
        ids[number] = candidate
    return ids


def _candidate(number: str, key: bytes, attempt: int) -> int:
    message = f"{number}#{attempt}" if attempt else number
    return int.from_bytes(hmac.digest(key, message.encode(), "sha256")[:8], "big") >> 1


def key_id(key: bytes) -> str:
    """A name for a key that may be stored beside the data; the key cannot be found from it."""
    return hashlib.sha256(b"kobling key id" + key).hexdigest()[:12]
