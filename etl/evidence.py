"""What an estimate was made from: hashes of data, definition and code, and the state of the gate.

Times, hosts and commits are not evidence of content and stay in the ledger; two runs on the same
content give the same evidence, to the byte.
"""

from pathlib import Path

from etl.home import digest, file_hash

CODE = (
    "etl",
    "dbt_project/models",
    "dbt_project/macros",
    "dbt_project/seeds",
    "dbt_project/tests",
    "dbt_project/dbt_project.yml",
    "dbt_project/profiles.yml",
    "expectations",
    "requirements.lock",
)
CODE_ENDINGS = (".py", ".sql", ".yml", ".yaml", ".json", ".csv", ".lock", ".html", ".css")
ID_LENGTH = 12


# What a delivered file is read by: the same file by the same rules always lands as the same rows.
LANDING_RULES = (
    "etl/landing", "etl/registers", "etl/deliveries.py", "etl/personal_number.py",
    "etl/restricted.py",
)  # fmt: skip


def landing_rules(project: Path) -> str:
    """SHA-256 over the contracts and the code that read deliveries."""
    return code_hash(project, LANDING_RULES)


def code_hash(project: Path, places: tuple[str, ...] = CODE) -> str:
    """SHA-256 over all that turns deliveries into a release. What stands in for the keepers is not
    part of it: new mock registers are new data."""
    hashes = {}
    for place in places:
        root = project / place
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            relative = path.relative_to(project)
            if path.suffix in CODE_ENDINGS and not relative.is_relative_to("etl/mock"):
                hashes[str(relative)] = file_hash(path)
    return digest(hashes)


def data_hash(slots: list[list], complete_to: dict, key_id: str) -> str:
    """SHA-256 over the files that count and what they were read by, the days they are complete to,
    and the pseudonym key."""
    return digest([slots, complete_to, key_id])


def release_id(keys: dict[str, str]) -> str:
    """Twelve hex digits of all keys: data, definition, code, gate."""
    return digest(keys)[:ID_LENGTH]
