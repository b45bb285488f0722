"""A new study folder, made from one that works."""

import json
import re
from pathlib import Path
from shutil import copytree

from etl.errors import StudyError
from etl.home import remove

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
TITLE = re.compile(r"(?m)^title = .*$")


def create(project: Path, name: str, like: str, title: str | None) -> Path:
    """Copy the folder of `like` under a new name, whole or not at all.

    Raises StudyError where the name cannot be one, or is taken.
    """
    store = project / "dbt_project/studies"
    place = store / name
    if not NAME.fullmatch(name):
        raise StudyError(
            f"study '{name}': found a name that cannot be a folder and a value. Expected "
            "lower-case letters, digits and underscores, a letter first, at most 40. Choose "
            "another."
        )
    if place.exists():
        raise StudyError(
            f"dbt_project/studies/{name}: there already. Expected a new name. Choose another, or "
            "edit the folder that is there."
        )
    beside = store / f".{name}.new"
    remove(beside)
    copytree(store / like, beside)
    text = (beside / "study.toml").read_text(encoding="utf-8")
    told = json.dumps(title or f"{name}: to be named", ensure_ascii=False)
    text = TITLE.sub(lambda _: f"title = {told}", text, count=1)
    (beside / "study.toml").write_text(text, encoding="utf-8")
    beside.rename(place)
    return place
