"""Which fields each model reads, taken from the SQL that dbt compiles: `make sources` writes it.

Nothing here is typed by hand. dbt renders every model, sqlglot reads it, and for each output column
the query is stripped to what that column needs: what is left are its inputs. What a query needs
even to count its rows (joins, filters, groups) decides which rows there are.

The file is committed, so that no run needs sqlglot, and a reader sees what a change of SQL moves.
"""

import json
import os
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path

import sqlglot
from sqlglot import expressions as exp
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify

from etl.crosswalk import PLACE, ROWS
from etl.home import digest
from etl.settings import CHECKOUT

# The folders of the lake bear the period, so that every row of a register has it.
OF_THE_FOLDER = "period"
UNLINKED = "unlinked_"
# Before the name of a table in the SQL that is read here.
READ = "read__"


def text(models: dict[str, dict]) -> str:
    """The whole file, a line for each column."""
    told = []
    for name, model in models.items():
        columns = ",\n".join(
            f"   {json.dumps(column)}: {json.dumps(read)}"
            for column, read in model["columns"].items()
        )
        told.append(
            f' "{name}": {{\n  "schema": "{model["schema"]}",\n  "sql": "{model["sql"]}",\n'
            f'  "rows": {json.dumps(model["rows"])},\n  "columns": {{\n{columns}\n  }}\n }}'
        )
    return "{\n" + ",\n".join(told) + "\n}\n"


def of(manifest: dict, known: dict[str, dict] | None = None) -> dict[str, dict]:
    """Model → its schema, the hash of its SQL, what its rows rest on, and what each column rests on
    beside that.

    An input is `table.column`, or `table.*` for which rows the table has. A table is a model, or a
    register's table as `register.table`, whether its rows lead to a person or to nobody.

    A model of `known` is not read again while its SQL is the same: reading all takes seconds.
    """
    nodes = {
        key: node
        for key, node in (manifest["nodes"] | manifest["sources"]).items()
        if node["resource_type"] in ("model", "seed", "source")
    }
    # What stands in the SQL → the name that sqlglot reads there → the name in the file.
    plain = {key: _plain_name(node) for key, node in nodes.items()}
    names = {plain[key]: _name(node) for key, node in nodes.items()}
    schema, found = {}, {}
    for key in TopologicalSorter({k: n.get("depends_on", {}).get("nodes", []) for k, n in
                                  nodes.items()}).static_order():  # fmt: skip
        node = nodes[key]
        if node["resource_type"] != "model":
            schema[plain[key]] = dict.fromkeys([*node["columns"], OF_THE_FOLDER], "text")
            continue
        sql = node["compiled_code"]
        reads = node["depends_on"]["nodes"]
        for one in reads:
            sql = sql.replace(nodes[one]["relation_name"], plain[one])
        hash_ = digest([sql, {plain[one]: schema[plain[one]] for one in reads}])[:12]
        told = (known or {}).get(node["name"])
        if told is None or told["sql"] != hash_:
            rows, columns = inputs(sql, schema)
            rows = _named(rows, names)
            told = {
                "schema": node["schema"],
                "sql": hash_,
                "rows": rows,
                "columns": {
                    column: [one for one in _named(read, names) if one not in rows]
                    for column, read in columns.items()
                },
            }
        schema[plain[key]] = dict.fromkeys(told["columns"], "text")
        found[node["name"]] = told
    return dict(sorted(found.items()))


def inputs(sql: str, schema: dict) -> tuple[set, dict[str, set]]:
    """What the rows of a query rest on, and what each of its columns does, as (table, column)."""
    query = qualify(
        sqlglot.parse_one(sql, dialect="duckdb"),
        schema=schema,
        dialect="duckdb",
        validate_qualify_columns=False,
    )
    return _needed(query, None), {column: _needed(query, column) for column in query.named_selects}


def _needed(query: exp.Expression, column: str | None) -> set[tuple[str, str]]:
    """The columns of tables without which a column, or the number of rows, cannot be told.

    `*` stands for each table that is left. A left join from which nothing is taken goes too: it
    adds no row, since what is looked up is there once, which tests of the models' grain hold.
    """
    asked = exp.Count(this=exp.Star()) if column is None else exp.column(column, table="whole")
    whole = query.copy().subquery("whole", copy=False)
    asking = exp.select(exp.alias_(asked, "asked", copy=False)).from_(whole, copy=False)
    asking = pushdown_projections(asking)
    while _without_idle_joins(asking):
        asking = pushdown_projections(asking)
    # By the query that reads it and the name that it bears there.
    read = {
        (id(select), one.this.alias_or_name): one.this.name
        for select in asking.find_all(exp.Select)
        for one in (select.args.get("from_"), *(select.args.get("joins") or ()))
        if one is not None and isinstance(one.this, exp.Table) and one.this.name.startswith(READ)
    }
    found = {(table, ROWS) for table in read.values()}
    for one in asking.find_all(exp.Column):
        select = one.parent_select
        # A query within a condition may name a table of the one around it.
        while select is not None and (id(select), one.table) not in read:
            select = select.parent_select
        if select is not None:
            found.add((read[id(select), one.table], one.name))
    return found


def _without_idle_joins(query: exp.Expression) -> bool:
    """Takes out the left joins that nothing but their own condition reads; whether there were."""
    idle = []
    for select in query.find_all(exp.Select):
        joins = [one for one in select.args.get("joins") or () if one.side == "LEFT"]
        if not joins or any(isinstance(one.this, exp.Star) for one in select.find_all(exp.Count)):
            continue
        for join in joins:
            own = {id(one) for one in join.find_all(exp.Column)}
            if not any(
                one.table == join.alias_or_name and id(one) not in own
                for one in select.find_all(exp.Column)
                if one.parent_select is select
            ):
                idle.append(join)
    for join in idle:
        join.pop()
    return bool(idle)


def _named(inputs: set[tuple[str, str]], names: dict[str, str]) -> list[str]:
    """As they stand in the file; the definitions of the studies are no field."""
    return sorted(
        {
            f"{names[table]}.{column}"
            for table, column in inputs
            if names[table] and (column != OF_THE_FOLDER or "." not in names[table])
        }
    )


def _plain_name(node: dict) -> str:
    """A name that no query gives to a part of its own."""
    return READ + "__".join(filter(None, (node.get("source_name"), node["name"])))


def _name(node: dict) -> str:
    """Empty for what no register says: the studies' definitions and the seeds."""
    if node["resource_type"] == "seed" or node.get("source_name") == "study":
        return ""
    if node["resource_type"] == "source":
        return f"{node['source_name'].removeprefix(UNLINKED)}.{node['name']}"
    return node["name"]


def compiled(project: Path) -> dict:
    """The manifest of the project with the SQL of every model, without a warehouse or a lake."""
    from dbt.cli.main import dbtRunner

    with tempfile.TemporaryDirectory() as place:
        os.environ |= {
            "KOBLING_WAREHOUSE": f"{place}/warehouse.duckdb",
            "KOBLING_LAKE": "/lake",
            "DO_NOT_TRACK": "1",
        }
        folder = str(project / "dbt_project")
        outcome = dbtRunner().invoke(
            [
                "compile",
                "--project-dir", folder,
                "--profiles-dir", folder,
                "--target-path", f"{place}/target",
                "--log-path", f"{place}/logs",
                "--select", "resource_type:model",
                "--quiet",
            ]
        )  # fmt: skip
        if outcome.exception:
            raise outcome.exception
        return json.loads(Path(place, "target/manifest.json").read_text(encoding="utf-8"))


def write(project: Path = CHECKOUT) -> None:
    (project / PLACE).write_text(text(of(compiled(project))), encoding="utf-8")


if __name__ == "__main__":
    write()
