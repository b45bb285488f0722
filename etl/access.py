"""From a released id back to a person: only with the key, only through the restricted store."""

from pathlib import Path

import duckdb

from etl import keyed_hash, restricted
from etl.errors import LinkageError
from etl.home import Home, replace_text


def person_behind(
    con: duckdb.DuckDBPyConnection, home: Home, keys: restricted.Keys, study: str, released_id: str
) -> tuple[int, list[str]]:
    """The warehouse's person_id and the personal numbers behind an id of a study's releases.

    Raises LinkageError where no person of the identity store has that id there.
    """
    keys.attach_identity(con, home.identity)
    keyed_hash.give_ids(
        con,
        "released",
        "select person_id::varchar as value from identity.number",
        keys.of_release(study),
    )
    numbers = con.execute(
        """
        select number.person_id, number.pnr
        from identity.number as number
        inner join released on number.person_id::varchar = released.value
        where released.id::varchar = ?
        order by number.pnr
        """,
        [released_id],
    ).fetchall()
    con.execute("detach identity")
    if not numbers:
        raise LinkageError(
            f"{released_id}: nobody's id in releases of {study}. Expected an id of that study as "
            "its release has it: each study has ids of its own. Name the study that it is from."
        )
    return numbers[0][0], [number for _, number in numbers]


def write_numbers(home: Home, released_id: str, numbers: list[str]) -> Path:
    """A person's numbers as a file of its owner in the restricted zone."""
    place = home.restricted / "opened" / f"{released_id}.csv"
    place.parent.mkdir(mode=restricted.FOLDER_MODE, parents=True, exist_ok=True)
    replace_text(place, "\n".join(["personal_number", *numbers]) + "\n", restricted.MODE)
    return place
