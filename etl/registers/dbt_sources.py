"""The dbt sources of the lake, and the two models that read every table of it alike, written from
the contracts: `python -m etl.registers.dbt_sources`.

The files are committed so that they can be read beside the models; a test holds them to the
contracts.
"""

from pathlib import Path

import yaml

from etl import registers
from etl.registers import Column, Register, Table

MODELS = Path(__file__).parents[2] / "dbt_project" / "models"
PLACE = MODELS / "staging" / "_sources.yml"
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


def rows_of_every_table(store: str) -> str:
    """The model that reads all tables of a store, `linked` or `unlinked`, as one of few columns."""
    linked = store == "linked"
    head = (
        "-- One row per linked row of any table: whose it is, and its day where it has one.\n"
        if linked
        else "-- One row per row of any table that leads to nobody: why, and its day where it has "
        "one.\n"
    )
    selects = []
    for register in registers.catalogue().values():
        for table in register.tables:
            day = table.era_column or "cast(null as date)"
            columns = [
                *(["person_id"] if linked else ["reason", "stage"]),
                "period",
                "source_row",
                f"'{register.name}' as register",
                f"'{table.name}' as table_name",
                f"{day} as event_date",
            ]
            source = register.name if linked else f"unlinked_{register.name}"
            selects.append(
                "select\n    "
                + ",\n    ".join(columns)
                + f"\nfrom {{{{ source('{source}', '{table.name}') }}}}\n"
            )
    return (
        head
        + "-- Written by `make sources` from the contracts in etl/registers/. Do not edit.\n"
        + "{{ config(materialized='view') }}\n\n"
        + "\nunion all\n\n".join(selects)
    )


def written() -> dict[Path, str]:
    """Every file that is written from the contracts, and its text."""
    return {
        PLACE: text(),
        **{
            MODELS / "intermediate" / f"int_{store}_row.sql": rows_of_every_table(store)
            for store in ("linked", "unlinked")
        },
    }


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
    for place, content in written().items():
        place.write_text(content, encoding="utf-8")
