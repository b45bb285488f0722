"""The dbt sources of the lake, written from the contracts: `python -m etl.registers.dbt_sources`.

The file is committed so that it can be read beside the models; a test holds it to the contracts.
"""

from pathlib import Path

import yaml

from etl import registers
from etl.registers import Column, Register, Table

PLACE = Path(__file__).parents[2] / "dbt_project" / "models" / "staging" / "_sources.yml"
HEADER = "# Written by `make sources` from the contracts in etl/registers/. Do not edit.\n"
LAKE = "{{ env_var('KOBLING_LAKE') }}"
FACTS = {
    "delivery": "One row per (register, table, period): the delivered file that counts.",
    "register": "One row per register: the day up to which its keeper calls it complete.",
    "linkage_flow": "One row per register, table, period, stage and reason: rows there.",
    "number_finding": "One row per finding about the civil register's numbers, without them.",
}


def text() -> str:
    """The whole file."""
    sources = []
    for register in registers.catalogue().values():
        sources.append(_source(register, "linked"))
        sources.append(_source(register, "unlinked"))
    sources.append(
        {
            "name": "kobling",
            "description": "What the linkage says about itself.",
            "tables": [
                {
                    "name": name,
                    "description": description,
                    "config": {"external_location": f"read_parquet('{LAKE}/{name}.parquet')"},
                }
                for name, description in FACTS.items()
            ],
        }
    )
    return HEADER + yaml.safe_dump(
        {"version": 2, "sources": sources}, sort_keys=False, allow_unicode=True, width=110
    )


def _source(register: Register, store: str) -> dict:
    linked = store == "linked"
    return {
        "name": register.name if linked else f"unlinked_{register.name}",
        "description": f"{register.title}. "
        + (register.purpose if linked else "Rows that lead to no person, without their number."),
        "tables": [
            {
                "name": table.name,
                "description": table.description,
                "config": {
                    "external_location": (
                        f"read_parquet('{LAKE}/{store}/{register.name}/{table.name}/*/*.parquet', "
                        # Not hive_types: dbt-duckdb takes braces for its own placeholders.
                        "hive_partitioning = true, hive_types_autocast = false, "
                        "union_by_name = true)"
                    )
                },
                "columns": _columns(table, linked),
            }
            for table in register.tables
        ],
    }


def _columns(table: Table, linked: bool) -> list[dict]:
    columns = [{"name": "person_id", "description": "Pseudonym."}] if linked else []
    columns += [_column(column) for column in table.columns if column.role != "owner"]
    columns.append({"name": "source_row", "description": "Record number in the delivered file."})
    if not linked:
        columns.append({"name": "reason", "description": "Why the row leads to no person."})
        columns.append({"name": "stage", "description": "landing or linkage."})
    return columns


def _column(column: Column) -> dict:
    if column.role == "current":
        return {
            "name": "is_number_in_force",
            "description": "Whether the number is the one in force.",
        }
    if column.role == "relative":
        description = column.description.replace("Personal number", "Pseudonym")
        return {"name": f"{column.name}_person_id", "description": description}
    return {"name": column.name, "description": column.description}


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
