"""Register keepers: what they know about everyone, written down as they would deliver it.

Everyone comes in blocks of persons. The first block holds the hand-written lives and every planted
defect, and its rows come first in each file; later blocks are appended: to text as lines, to
Parquet as row groups. Within a block rows lie in the order of their table.
"""

import datetime as dt
import hashlib
import io
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl
import pyarrow.parquet

from etl import registers
from etl.home import file_hash, replace_json
from etl.mock import hospitals, registries
from etl.mock import population as people
from etl.mock.defects import BACKGROUND, Planter, Wanted
from etl.mock.draws import Running, generator
from etl.mock.life import SKIN_SPECIMEN, Life
from etl.registers import Table

CPR_DAY = DSD_DAY = "2023-03-15"
CPR_COMPLETE_TO = "2023-02-28"
# The pathology register comes in three deliveries: everything up to 2021, two new years, and a
# correction of two years that were short in the first.
STOCK_DAY, STOCK_COMPLETE_TO, STOCK_LAST_YEAR = "2022-03-01", "2021-12-31", 2021
PERIOD_DAY, PERIOD_COMPLETE_TO = "2023-03-01", "2023-02-28"
CORRECTION_DAY = "2023-04-03"
CORRECTED_YEARS = ("2003", "2021")
SHORT_BY = 0.1
REVIEW_DAY = "2023-05-10"
LPR_DAY = DCR_DAY = DAR_DAY = "2023-04-01"
PROGRESS_SECONDS = 5
# Pieces of files that may wait to be written: about one block of persons.
PIECES_WAITING = 200
# Bytes that mean the same letter in windows-1252 and in latin-1.
ALIKE_IN_BOTH = bytes([*range(0x80), *range(0xA0, 0x100)])


class Writer:
    """Writes pieces of files in the background, in order, while the next rows are made."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def add(self, write: Callable[[], None]) -> None:
        """Have a piece written. Waits where too many do already; raises what an earlier one did."""
        while len(self._waiting) >= PIECES_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(write))

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, error: type | None, *_: object) -> None:
        self._thread.shutdown(cancel_futures=error is not None)
        if error is None:
            for written in self._waiting:
                written.result()


class File:
    """One file of a delivery, which grows block by block."""

    def __init__(self, path: Path, table: Table, period: str | None) -> None:
        self.path, self.table, self.period = path, table, period
        # A file holds the columns that its year had; in which order is settled by its first block.
        self.columns = [column for column in table.columns if column.is_promised_for(period)]
        self.extra: str | None = None
        self.rows = 0
        self.is_new = True
        self._sha256 = hashlib.sha256()
        self._writer: pyarrow.parquet.ParquetWriter | None = None

    def append_text(self, content: bytes, rows: int) -> None:
        """Append lines, the header among the first."""
        with self.path.open("ab") as file:
            file.write(content)
        self._sha256.update(content)
        self.rows += rows
        self.is_new = False

    def append_rows(self, frame: pl.DataFrame) -> None:
        """Append a row group."""
        rows = frame.to_arrow()
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self.path, rows.schema, compression="zstd")
        self._writer.write_table(rows)
        self.rows += len(frame)
        self.is_new = False

    def close(self) -> dict:
        """What the manifest says of the finished file."""
        if self._writer is not None:
            self._writer.close()
        return {
            "path": self.path.name,
            "table": self.table.name,
            "period": self.period,
            "format": self.path.suffix[1:],
            "rows": self.rows,
            "bytes": self.path.stat().st_size,
            "sha256": self._sha256.hexdigest() if self._writer is None else file_hash(self.path),
        }


class Keeper:
    """One register's keeper, who writes deliveries below an inbox, block after block."""

    def __init__(self, inbox: Path, register: str, planter: Planter, writer: Writer) -> None:
        self.inbox, self.planter, self.writer = inbox, planter, writer
        self.register = registers.register(register)
        self.is_first_block = True
        self._manifests: dict[str, dict] = {}
        self._files: dict[tuple[str, str, str | None], File] = {}

    @property
    def rows(self) -> int:
        """Rows written so far, in all deliveries."""
        return sum(file.rows for file in self._files.values())

    def deliver(
        self,
        day: str,
        files: Iterable[tuple[str, str | None, pl.DataFrame]],
        *,
        coverage: str,
        complete_to: str | None = None,
        as_parquet: bool | tuple[str, ...] = False,
    ) -> None:
        """Write one block of a delivery: `files` are (table, period, rows).

        `as_parquet` is every table, none, or the names of some. Defects are planted in the first
        block.
        """
        folder = self.inbox / self.register.name / day
        folder.mkdir(parents=True, exist_ok=True)
        self._manifests[day] = {
            "register": self.register.name,
            "delivered_on": day,
            "complete_to": complete_to,
            "coverage": coverage,
        }
        for name, period, frame in files:
            table = self.register.table(name)
            is_parquet = as_parquet is True or (bool(as_parquet) and name in as_parquet)
            path = folder / f"{name}{period or ''}.{'parquet' if is_parquet else 'csv'}"
            file = self._files.setdefault((day, name, period), File(path, table, period))
            if self.is_first_block:
                self._begin(file, f"{day}/{path.name}", frame)
            else:
                self.writer.add(partial(self._append, file, frame))

    def close(self) -> int:
        """Finish every file and write the manifests. Returns the number of deliveries."""
        order = [table.name for table in self.register.tables]
        for day, manifest in self._manifests.items():
            files = [file for (of_day, *_), file in self._files.items() if of_day == day]
            files.sort(key=lambda file: (order.index(file.table.name), file.period or ""))
            replace_json(
                self.inbox / self.register.name / day / "manifest.json",
                manifest | {"files": [file.close() for file in files]},
            )
        return len(self._manifests)

    def _begin(self, file: File, place: str, frame: pl.DataFrame) -> None:
        """Write the first block of a file, with the defects that belong in it."""
        register, table, period = self.register.name, file.table.name, file.period
        if file.path.suffix == ".parquet":
            self._append(file, self.planter.plant(register, table, period, place, frame))
            return
        text = frame.select(*(_as_text(column) for column in file.columns), BACKGROUND)
        text = self.planter.plant(register, table, period, place, text)
        names, headings, file.extra = self.planter.column_names(
            register, table, period, place, [column.name for column in file.columns]
        )
        file.columns = [file.table.column(name) for name in names]
        # An empty value is written as nothing.
        written = text.select(
            pl.col(name).replace("", None).alias(heading)
            for name, heading in zip(names, headings, strict=True)
        )
        content = self._lines(file, written).decode("utf-8")
        content = self.planter.cut_lines(register, table, period, place, text, content)
        file.append_text(encoded(content.encode(), self.register.encoding), len(written))

    def _append(self, file: File, frame: pl.DataFrame) -> None:
        if file.path.suffix == ".parquet":
            file.append_rows(frame.select(column.name for column in file.table.columns))
            return
        written = frame.select(_as_written(column) for column in file.columns)
        file.append_text(encoded(self._lines(file, written), self.register.encoding), len(written))

    def _lines(self, file: File, written: pl.DataFrame) -> bytes:
        """Rows as CSV in UTF-8, with the header where they are the first."""
        if file.extra:
            written = written.with_columns(pl.lit(None, pl.String).alias(file.extra))
        lines = io.BytesIO()
        written.write_csv(
            lines, separator=self.register.delimiter, quote_style="necessary",
            include_header=file.is_new,
        )  # fmt: skip
        return lines.getvalue()


def encoded(content: bytes, encoding: str) -> bytes:
    """UTF-8 in the alphabet of a keeper."""
    if encoding == "utf-8" or content.isascii():
        return content
    text = content.decode("utf-8")
    if encoding == "windows-1252":
        # The two differ in 32 places only, and Python is twenty times as fast in this one.
        try:
            as_latin_1 = text.encode("latin-1")
        except UnicodeEncodeError:
            return text.encode(encoding)
        if not as_latin_1.translate(None, ALIKE_IN_BOTH):
            return as_latin_1
    return text.encode(encoding)


def _as_written(column: registers.Column) -> pl.Expr:
    """A column as `write_csv` makes the text of `_as_text` from it, by itself where it can."""
    value = pl.col(column.name)
    if column.type == "date" and column.date_format == "ISO":
        return value.cast(pl.Date)
    if column.type == "integer":
        return value.cast(pl.Int64)
    if column.type in ("date", "decimal"):
        return _as_text(column).replace("", None)
    return value.cast(pl.String)


def _as_text(column: registers.Column) -> pl.Expr:
    """A typed column as the contract says that this keeper writes it."""
    value = pl.col(column.name)
    if column.type == "date":
        form = {"DD/MM/YYYY": "%d/%m/%Y", "DDMONYYYY": "%d%b%Y"}.get(column.date_format, "%Y-%m-%d")
        return value.cast(pl.Date).dt.strftime(form).str.to_uppercase().fill_null("")
    if column.type == "decimal":
        text = value.cast(pl.Float64).cast(pl.String)
        return text.str.replace(".", column.decimal_separator, literal=True).fill_null("")
    if column.type == "integer":
        return value.cast(pl.Int64).cast(pl.String).fill_null("")
    return value.cast(pl.String).fill_null("")


# -------------------------------------------------------------------- rows of hand-written lives


def _frame(table: Table, rows: list[dict]) -> pl.DataFrame:
    types = {"text": pl.String, "integer": pl.Int64, "decimal": pl.Float64, "date": pl.Date}
    return pl.DataFrame(rows, schema={c.name: types[c.type] for c in table.columns})


def _together(table: Table, background: pl.DataFrame, lives: list[dict]) -> pl.DataFrame:
    """Population and hand-written lives as one table, with a note of which is which."""
    own = _frame(table, lives)
    columns = [pl.col(name).cast(kind) for name, kind in own.schema.items()]
    return pl.concat(
        [
            background.select(columns).with_columns(pl.lit(True).alias(BACKGROUND)),
            own.with_columns(pl.lit(False).alias(BACKGROUND)),
        ]
    )


def _whole(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Every column of the contract; what the rows do not say is missing."""
    types = _frame(table, []).schema
    return rows.select(
        *(
            (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
            for name, kind in types.items()
        ),
        BACKGROUND,
    )


def life_person_rows(life: Life) -> list[dict]:
    """The rows of cpr3_t_person for every number that a life has had."""
    if not life.is_in_cpr:
        return []
    said = {
        "c_kon": "M" if life.is_male else "K",
        "d_foddato": life.born,
        "v_mor_pnr": None,
        "v_far_pnr": None,
    }
    rows = []
    chain = [*(number for number, _ in life.former_numbers), life.number]
    for (number, replaced_on), current in zip(life.former_numbers, chain[1:], strict=True):
        rows.append(
            said
            | {
                "v_pnr": number,
                "v_pnr_gaeld": current,
                "c_status": "60",
                "d_status_hen_start": replaced_on,
            }
        )
    if life.status == "missing":
        return rows
    is_cycle = life.status == "cycle"
    rows.append(
        said
        | {
            "v_pnr": life.number,
            "v_pnr_gaeld": life.former_numbers[0][0] if is_cycle else life.number,
            "c_status": "60" if is_cycle else life.status,
            "d_status_hen_start": life.status_date or life.born,
        }
    )
    return rows


def life_address_rows(life: Life) -> list[dict]:
    """The rows of cpr3_t_adresse_hist."""
    return [
        {
            "v_pnr": life.number,
            "c_kom": municipality,
            "d_tilflyt_dato": since,
            "d_fraflyt_dato": until,
            "c_annkor": correction,
        }
        for municipality, since, until, correction in life.addresses
    ]


def life_abroad_rows(life: Life) -> list[dict]:
    """The rows of cpr3_t_adresse_udland_hist."""
    return [
        {
            "v_pnr": life.number,
            "d_udrejse_dato": departed,
            "d_indrejse_dato": returned,
            "c_annkor": correction,
        }
        for departed, returned, correction in life.stays_abroad
    ]


def life_pathology_rows(life: Life) -> list[dict]:
    """The rows of pato: one code a row, under the number of the day."""
    rows = []
    for requisition in life.requisitions:
        given = requisition.number_as_given
        number = life.number_on(requisition.requested) if given is None else given
        sequence = 0
        for specimen, codes in enumerate(requisition.specimens, 1):
            for code in codes:
                sequence += 1
                rows.append(
                    {
                        "k_inst": requisition.k_inst,
                        "k_rekvnr": requisition.k_rekvnr,
                        "k_matnr": specimen,
                        "k_sekvensnr": sequence,
                        "cpr": number,
                        "d_rekvdato": requisition.requested,
                        "d_modtdato": requisition.requested + dt.timedelta(days=1),
                        "d_svardato": requisition.requested + dt.timedelta(days=8),
                        "c_mattype": SKIN_SPECIMEN,
                        "c_snomedkode": code,
                    }
                )
    return rows


def life_review_rows(life: Life) -> list[dict]:
    """The rows of review, under the number in force when the slides were seen again."""
    return [{"cpr": life.number_on(row["reviewed_on"]), **row} for row in life.reviews]


def life_sarcoma_rows(life: Life) -> list[dict]:
    """The rows of sarcoma."""
    return [{"cpr": life.number_on(row["diagnosis_date"]), **row} for row in life.sarcomas]


# -------------------------------------------------------------------- the keepers


def deliver_all(
    inbox: Path,
    blocks: Iterable[people.Population],
    lives: list[Life],
    seed: int,
    wanted: Wanted,
    progress: Callable[[str], None],
    share_of_contacts: float,
    persons: int,
) -> tuple[int, int, Planter]:
    """Write every register's deliveries. Returns deliveries, rows, and what was planted.

    `lives` are written with the first block; `persons` counts them and all of the blocks.
    """
    blocks = iter(blocks)
    first = next(blocks)
    planter = Planter(seed, wanted, first, lives)
    running, pace = Running(), Pace(persons - len(lives), progress)
    with Writer() as writer:
        keepers = {name: Keeper(inbox, name, planter, writer) for name in registers.catalogue()}
        for block, population in enumerate(chain([first], blocks)):
            _deliver_block(keepers, population, lives if block == 0 else [], seed, block, running,
                           share_of_contacts)  # fmt: skip
            for keeper in keepers.values():
                keeper.is_first_block = False
            pace.tell(len(population), sum(keeper.rows for keeper in keepers.values()))
    for name, keeper in keepers.items():
        progress(f"{name}: {keeper.rows:,} rows")
    deliveries = sum(keeper.close() for keeper in keepers.values())
    for form, day, spoil in planter.refused():
        spoil(inbox / "dsd" / day)
        planter.note_refused(form, "dsd", f"{day}/sarcoma.csv")
    return deliveries, sum(keeper.rows for keeper in keepers.values()), planter


class Pace:
    """Says every few seconds how far the writing has come."""

    def __init__(self, persons: int, progress: Callable[[str], None]) -> None:
        self._persons, self._progress = persons, progress
        self._done = 0
        self._started = self._told = time.monotonic()

    def tell(self, persons: int, rows: int) -> None:
        """So many more persons are written, and so many rows in all."""
        self._done += persons
        now = time.monotonic()
        left = self._persons - self._done
        if now - self._told < PROGRESS_SECONDS or left <= 0:
            return
        self._told, seconds = now, now - self._started
        self._progress(
            f"{rows:,} rows of {self._done:,} persons, {rows / seconds:,.0f} rows a second; "
            f"{left:,} persons to go, about {seconds * left / self._done:,.0f} seconds"
        )


def _deliver_block(
    keepers: dict[str, Keeper],
    population: people.Population,
    lives: list[Life],
    seed: int,
    block: int,
    running: Running,
    share_of_contacts: float,
) -> None:
    cpr, patobank, dsd, review = (
        keepers[name] for name in ("cpr", "patobank", "dsd", "dlms_review")
    )

    def table(keeper: Keeper, name: str, background: pl.DataFrame, of_life, *order: str):
        rows = [row for life in lives for row in of_life(life)]
        together = _together(keeper.register.table(name), background, rows)
        # The population's own rows are in order already.
        return together.sort(*order, maintain_order=True, nulls_last=True) if rows else together

    cpr.deliver(
        CPR_DAY,
        [
            ("cpr3_t_person", None, table(
                cpr, "cpr3_t_person", people.person_rows(population), life_person_rows, "v_pnr")),
            ("cpr3_t_adresse_hist", None, table(
                cpr, "cpr3_t_adresse_hist", people.address_rows(population, seed, block),
                life_address_rows, "v_pnr", "d_tilflyt_dato")),
            ("cpr3_t_adresse_udland_hist", None, table(
                cpr, "cpr3_t_adresse_udland_hist", people.abroad_rows(population),
                life_abroad_rows, "v_pnr", "d_udrejse_dato")),
        ],
        coverage="stock",
        complete_to=CPR_COMPLETE_TO,
    )  # fmt: skip

    pato = table(
        patobank, "pato", people.pathology_rows(population, seed, running, block),
        life_pathology_rows, "d_rekvdato", "k_inst", "k_rekvnr", "k_matnr", "k_sekvensnr",
    )  # fmt: skip
    years = dict(_by_year(pato, pato["d_rekvdato"].dt.year()))
    patobank.deliver(
        STOCK_DAY,
        [
            ("pato", year, _short(rows, seed, block) if year in CORRECTED_YEARS else rows)
            for year, rows in years.items()
            if int(year) <= STOCK_LAST_YEAR
        ],
        coverage="stock",
        complete_to=STOCK_COMPLETE_TO,
    )
    patobank.deliver(
        PERIOD_DAY,
        [("pato", year, rows) for year, rows in years.items() if int(year) > STOCK_LAST_YEAR],
        coverage="period",
        complete_to=PERIOD_COMPLETE_TO,
    )
    patobank.deliver(
        CORRECTION_DAY,
        [("pato", year, years[year]) for year in CORRECTED_YEARS if year in years],
        coverage="correction",
        complete_to=PERIOD_COMPLETE_TO,
        as_parquet=True,
    )

    sarcomas = table(dsd, "sarcoma", people.sarcoma_rows(population, seed, block),
                     life_sarcoma_rows, "diagnosis_date", "cpr")  # fmt: skip
    dsd.deliver(DSD_DAY, [("sarcoma", None, sarcomas)], coverage="stock")
    for _, day, _ in dsd.planter.refused() if block == 0 else ():
        dsd.deliver(day, [("sarcoma", None, sarcomas)], coverage="stock")
    nothing = _frame(review.register.table("review"), [])
    review.deliver(
        REVIEW_DAY,
        [("review", None, table(review, "review", nothing, life_review_rows, "record_id"))],
        coverage="stock",
    )

    lpr2, lpr3, dcr, dar = (keepers[name] for name in ("lpr2", "lpr3", "dcr", "dar"))
    has_copies = lpr2.planter.wants("overlap")
    happened = hospitals.happen(population, lives, seed, running, share_of_contacts, block)
    lpr2.deliver(
        LPR_DAY,
        [
            (name, year, _whole(lpr2.register.table(name), rows))
            for name, of_all_years in hospitals.lpr2(happened, has_copies).items()
            for year, rows in _by_year(of_all_years, of_all_years["year"])
        ],
        coverage="stock",
    )
    lpr3.deliver(
        LPR_DAY,
        [
            (name, None, _whole(lpr3.register.table(name), rows))
            for name, rows in hospitals.lpr3(happened, has_copies).items()
        ],
        coverage="stock",
        as_parquet=True,
    )
    tumours = registries.cancer_rows(population, lives, seed, running, block)
    dcr.deliver(
        DCR_DAY,
        [("t_tumor", None, _whole(dcr.register.table("t_tumor"), tumours))],
        coverage="stock",
    )
    dar.deliver(
        DAR_DAY,
        [
            (name, None, _whole(dar.register.table(name), rows))
            for name, rows in registries.death_rows(population, lives, seed, block).items()
        ],
        coverage="stock",
        as_parquet=("dodsaarsager",),
    )


def _by_year(rows: pl.DataFrame, year: pl.Series) -> Iterator[tuple[str, pl.DataFrame]]:
    """Rows that are in order of their year, year by year."""
    start = 0
    for length, value in zip(*year.rle().struct.unnest().get_columns(), strict=True):
        yield str(value), rows.slice(start, length)
        start += length


def _short(rows: pl.DataFrame, seed: int, block: int) -> pl.DataFrame:
    """A year whose last examinations had not come in yet. No hand-written life is cut."""
    late = rows[BACKGROUND].to_numpy() & (generator(seed, block, 7).random(len(rows)) < SHORT_BY)
    return rows.filter(pl.Series(~late))
