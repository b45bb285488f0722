"""Great Expectations on a DuckDB connection that is already open.

Great Expectations 1.24 has no DuckDB backend. `engine_on` gives it a SQLAlchemy engine over the
caller's own connection, so that it sees the caller's views and one process stays the only writer.
The traps that this dialect is made of:

* It calls itself `postgresql`: expectations on regular expressions compile only for dialects that
  Great Expectations knows.
* PostgreSQL's `~` finds a match anywhere in the text; DuckDB reads `~` as a match of the whole
  text. It is written as `regexp_matches` instead, which finds.
* SQLAlchemy rolls back when a connection goes home to the pool, and Great Expectations fetches
  after that. Results are therefore fetched as soon as they are made, and begin, commit, rollback
  and close do nothing: the caller's connection and transaction are the caller's.
* Columns are reflected by `duckdb_columns()`. Through `pg_catalog` every expectation fails with
  `IndexError: list index out of range`.
"""

from itertools import islice

import duckdb
import sqlalchemy as sa
from duckdb_engine import Dialect
from sqlalchemy.dialects import registry

TYPES = {
    "VARCHAR": sa.types.String,
    "DATE": sa.types.Date,
    "BOOLEAN": sa.types.Boolean,
    "DOUBLE": sa.types.Float,
    "FLOAT": sa.types.Float,
    "DECIMAL": sa.types.Numeric,
    "TIMESTAMP": sa.types.DateTime,
    "TINYINT": sa.types.BigInteger,
    "SMALLINT": sa.types.BigInteger,
    "INTEGER": sa.types.BigInteger,
    "BIGINT": sa.types.BigInteger,
    "HUGEINT": sa.types.BigInteger,
}


def engine_on(con: duckdb.DuckDBPyConnection) -> sa.Engine:
    """A SQLAlchemy engine whose only connection is `con`, which stays open when it is disposed."""
    return sa.create_engine(
        "duckdb+gx://", creator=lambda: _Connection(con), poolclass=sa.pool.StaticPool
    )


class _Connection:
    """The caller's connection, as a database driver would hand it out."""

    def __init__(self, con: duckdb.DuckDBPyConnection):
        self._con = con
        self.notices: list[str] = []

    def cursor(self) -> "_Cursor":
        return _Cursor(self, self._con)

    def begin(self) -> None:
        pass

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Cursor:
    """Holds its own results: several live at once on one DuckDB connection."""

    arraysize = 1
    rowcount = -1
    lastrowid = None

    def __init__(self, connection: _Connection, con: duckdb.DuckDBPyConnection):
        self.connection = connection
        self._con = con
        self.description = None
        self._rows = iter(())

    def execute(self, statement: str, parameters=None, context=None) -> None:
        self._con.execute(statement, parameters or None)
        self.description = self._con.description
        self._rows = iter(self._con.fetchall() if self.description else ())

    def fetchone(self):
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list:
        return list(islice(self._rows, size or self.arraysize))

    def fetchall(self) -> list:
        return list(self._rows)

    def close(self) -> None:
        self._rows = iter(())


class _Compiler(Dialect.statement_compiler):
    def visit_custom_op_binary(self, element, operator, **kw):
        if operator.opstring not in ("~", "!~"):
            return super().visit_custom_op_binary(element, operator, **kw)
        text, pattern = self.process(element.left, **kw), self.process(element.right, **kw)
        negated = "NOT " if operator.opstring == "!~" else ""
        return f"{negated}regexp_matches({text}, {pattern})"


class GxDialect(Dialect):
    """DuckDB under the name of PostgreSQL; see the module for why."""

    name = "postgresql"
    supports_statement_cache = False
    statement_compiler = _Compiler

    def get_columns(self, connection, table_name, schema=None, **kw):
        rows = connection.exec_driver_sql(
            """
            select column_name, data_type, is_nullable
            from duckdb_columns()
            where database_name = current_database()
                and schema_name = coalesce($1, current_schema()) and table_name = $2
            order by column_index
            """,
            (schema, table_name),
        ).fetchall()
        return [
            {"name": name, "type": _sql_type(kind), "nullable": nullable, "default": None}
            for name, kind, nullable in rows
        ]

    def get_pk_constraint(self, connection, table_name, schema=None, **kw):
        """None: expectations never ask for keys, and `pg_catalog` answers slowly and wrongly."""
        return {"constrained_columns": [], "name": None}


def _sql_type(duckdb_type: str) -> sa.types.TypeEngine:
    return TYPES.get(duckdb_type.split("(")[0].split(" ")[0], sa.types.String)()


registry.register("duckdb.gx", __name__, "GxDialect")
