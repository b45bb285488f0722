"""Register keepers: what they know about everyone, written down as they would deliver it."""

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import polars as pl

from etl import registers
from etl.home import file_hash, replace_json
from etl.mock import hospitals, registries
from etl.mock import population as people
from etl.mock.defects import BACKGROUND, Planter, Wanted
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


class Keeper:
    """One register's keeper, who writes deliveries below an inbox."""

    def __init__(self, inbox: Path, register: str, planter: Planter) -> None:
        self.inbox, self.planter = inbox, planter
        self.register = registers.register(register)
        self.rows = 0

    def deliver(
        self,
        day: str,
        files: Iterable[tuple[str, str | None, pl.DataFrame]],
        *,
        coverage: str,
        complete_to: str | None = None,
        as_parquet: bool | tuple[str, ...] = False,
    ) -> None:
        """Write one delivery: `files` are (table, period, rows); the manifest comes last.

        `as_parquet` is every table, none, or the names of some.
        """
        folder = self.inbox / self.register.name / day
        folder.mkdir(parents=True)
        listed = []
        for name, period, frame in files:
            table = self.register.table(name)
            is_parquet = as_parquet is True or (bool(as_parquet) and name in as_parquet)
            place = f"{day}/{name}{period or ''}.{'parquet' if is_parquet else 'csv'}"
            if is_parquet:
                frame = self.planter.plant(self.register.name, name, period, place, frame)
                path, rows = self._parquet(folder, table, period, frame)
            else:
                path, rows = self._csv(folder, table, period, place, frame)
            self.rows += rows
            listed.append(
                {
                    "path": path.name,
                    "table": name,
                    "period": period,
                    "format": path.suffix[1:],
                    "rows": rows,
                    "bytes": path.stat().st_size,
                    "sha256": file_hash(path),
                }
            )
        replace_json(
            folder / "manifest.json",
            {
                "register": self.register.name,
                "delivered_on": day,
                "complete_to": complete_to,
                "coverage": coverage,
                "files": listed,
            },
        )

    def _parquet(
        self, folder: Path, table: Table, period: str | None, frame: pl.DataFrame
    ) -> tuple[Path, int]:
        path = folder / f"{table.name}{period or ''}.parquet"
        frame.select(column.name for column in table.columns).write_parquet(path)
        return path, len(frame)

    def _csv(
        self,
        folder: Path,
        table: Table,
        period: str | None,
        place: str,
        frame: pl.DataFrame,
    ) -> tuple[Path, int]:
        path = folder / f"{table.name}{period or ''}.csv"
        register, planter = self.register.name, self.planter
        # A file holds the columns that its year had.
        columns = [column for column in table.columns if column.is_promised_for(period)]
        text = frame.select(
            *(_as_text(column, self.register.delimiter) for column in columns), BACKGROUND
        )
        text = planter.plant(register, table.name, period, place, text)
        names, headings, extra = planter.column_names(
            register, table.name, period, place, [column.name for column in columns]
        )
        written = text.select(names).rename(dict(zip(names, headings, strict=True)))
        if extra:
            written = written.with_columns(pl.lit("").alias(extra))
        content = written.write_csv(separator=self.register.delimiter, quote_style="necessary")
        content = content.replace('""', "")  # an empty value is written as nothing
        content = planter.cut_lines(register, table.name, period, place, text, content)
        path.write_bytes(content.encode(self.register.encoding))
        return path, len(text)


def _as_text(column: registers.Column, delimiter: str) -> pl.Expr:
    """A typed column as this keeper writes it: the contract's date form, a decimal comma."""
    value = pl.col(column.name)
    if column.type == "date":
        form = {"DD/MM/YYYY": "%d/%m/%Y", "DDMONYYYY": "%d%b%Y"}.get(column.date_format, "%Y-%m-%d")
        return value.cast(pl.Date).dt.strftime(form).str.to_uppercase().fill_null("")
    if column.type == "decimal":
        text = value.cast(pl.Float64).cast(pl.String)
        return (text.str.replace(".", ",", literal=True) if delimiter == ";" else text).fill_null(
            ""
        )
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
    population: people.Population,
    lives: list[Life],
    seed: int,
    wanted: Wanted,
    progress: Callable[[str], None],
) -> tuple[int, int, Planter]:
    """Write every register's deliveries. Returns deliveries, rows, and what was planted."""
    planter = Planter(seed, wanted, population, lives)
    cpr, patobank, dsd, review = (
        Keeper(inbox, name, planter) for name in ("cpr", "patobank", "dsd", "dlms_review")
    )

    def table(keeper: Keeper, name: str, background: pl.DataFrame, of_life, *order: str):
        rows = [row for life in lives for row in of_life(life)]
        return _together(keeper.register.table(name), background, rows).sort(
            *order, maintain_order=True, nulls_last=True
        )

    cpr.deliver(
        CPR_DAY,
        [
            ("cpr3_t_person", None, table(
                cpr, "cpr3_t_person", people.person_rows(population), life_person_rows, "v_pnr")),
            ("cpr3_t_adresse_hist", None, table(
                cpr, "cpr3_t_adresse_hist", people.address_rows(population, seed),
                life_address_rows, "v_pnr", "d_tilflyt_dato")),
            ("cpr3_t_adresse_udland_hist", None, table(
                cpr, "cpr3_t_adresse_udland_hist", people.abroad_rows(population),
                life_abroad_rows, "v_pnr", "d_udrejse_dato")),
        ],
        coverage="stock",
        complete_to=CPR_COMPLETE_TO,
    )  # fmt: skip
    progress(f"cpr: {cpr.rows:,} rows")

    pato = table(
        patobank, "pato", people.pathology_rows(population, seed), life_pathology_rows,
        "d_rekvdato", "k_inst", "k_rekvnr", "k_matnr", "k_sekvensnr",
    )  # fmt: skip
    years = {
        str(year): rows
        for (year,), rows in pato.with_columns(year=pl.col("d_rekvdato").dt.year())
        .partition_by("year", as_dict=True, include_key=False, maintain_order=True)
        .items()
    }
    patobank.deliver(
        STOCK_DAY,
        [
            ("pato", year, _short(rows, seed) if year in CORRECTED_YEARS else rows)
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
    progress(f"patobank: {patobank.rows:,} rows")

    sarcomas = table(dsd, "sarcoma", people.sarcoma_rows(population, seed), life_sarcoma_rows,
                     "diagnosis_date", "cpr")  # fmt: skip
    dsd.deliver(DSD_DAY, [("sarcoma", None, sarcomas)], coverage="stock")
    for form, day, spoil in planter.refused():
        dsd.deliver(day, [("sarcoma", None, sarcomas)], coverage="stock")
        spoil(inbox / "dsd" / day)
        planter.note_refused(form, "dsd", f"{day}/sarcoma.csv")
    nothing = _frame(review.register.table("review"), [])
    review.deliver(
        REVIEW_DAY,
        [("review", None, table(review, "review", nothing, life_review_rows, "record_id"))],
        coverage="stock",
    )
    progress(f"dsd: {dsd.rows:,} rows; dlms_review: {review.rows:,} rows")

    lpr2, lpr3, dcr, dar = (Keeper(inbox, name, planter) for name in ("lpr2", "lpr3", "dcr", "dar"))
    registries.register_cancers(lives)
    registries.register_metastases(lives)
    happened = hospitals.happen(population, lives, seed)
    lpr2.deliver(
        LPR_DAY,
        [
            (name, str(year), _whole(lpr2.register.table(name), rows))
            for name, years in hospitals.lpr2(happened, planter.wants("overlap")).items()
            for year, rows in years.items()
        ],
        coverage="stock",
    )
    lpr3.deliver(
        LPR_DAY,
        [
            (name, None, _whole(lpr3.register.table(name), rows))
            for name, rows in hospitals.lpr3(happened, planter.wants("overlap")).items()
        ],
        coverage="stock",
        as_parquet=True,
    )
    progress(f"lpr2: {lpr2.rows:,} rows; lpr3: {lpr3.rows:,} rows")
    tumours = registries.cancer_rows(population, lives, seed)
    dcr.deliver(
        DCR_DAY,
        [("t_tumor", None, _whole(dcr.register.table("t_tumor"), tumours))],
        coverage="stock",
    )
    dar.deliver(
        DAR_DAY,
        [
            (name, None, _whole(dar.register.table(name), rows))
            for name, rows in registries.death_rows(population, lives, seed).items()
        ],
        coverage="stock",
        as_parquet=("dodsaarsager",),
    )
    progress(f"dcr: {dcr.rows:,} rows; dar: {dar.rows:,} rows")
    keepers = (cpr, patobank, dsd, review, lpr2, lpr3, dcr, dar)
    return (
        sum(len(list((inbox / k.register.name).iterdir())) for k in keepers),
        sum(k.rows for k in keepers),
        planter,
    )


def _short(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """A year whose last examinations had not come in yet. No hand-written life is cut."""
    rng = np.random.default_rng([seed, 7])
    late = rows[BACKGROUND].to_numpy() & (rng.random(len(rows)) < SHORT_BY)
    return rows.filter(pl.Series(~late))
