"""How `pato1994.sas7bdat` was made, once: `python -m tests.golden.pato_sas7bdat`.

Needs `readstat` (Debian: apt-get install readstat) to write SAS7BDAT from SPSS. It writes UTF-8 and
says so in byte 70 of the header; what register keepers send is windows-1252, so the two values with
other letters, and that byte, are put as SAS in Denmark would have them.
"""

import datetime as dt
import subprocess
import tempfile
from pathlib import Path

import polars as pl
from polars_readstat import write_readstat

PLACE = Path(__file__).with_name("pato1994.sas7bdat")
ENCODING_BYTE, WINDOWS_1252 = 70, 62
ANNA, LAB = "6102501234", "1301110"


def day(text: str) -> float:
    """A date as SAS keeps it: a number of days since 1960-01-01."""
    return float((dt.date.fromisoformat(text) - dt.date(1960, 1, 1)).days)


ROWS = pl.DataFrame(
    [
        (LAB, "R1", 1.0, 1.0, ANNA, day("1994-03-01"), day("1994-03-02"), None, 11.0, "M88903"),
        (LAB, "R–’", 1.0, 2.0, ANNA, day("1994-03-01"), None, None, None, "ÆF0000"),
        (LAB, "R1", 1.0, 1.0, ANNA, day("1994-03-01"), day("1994-03-02"), None, 11.0, "M88903"),
        (LAB, "R4", 1.0, 1.0, "12345", day("1994-05-01"), None, None, 11.0, "T02120"),
        (LAB, "R5", 1.5, 1.0, ANNA, day("1994-05-01"), None, None, 11.0, "T02120"),
        *[
            (LAB, f"S{i}", float(i), 1.0, ANNA, day("1994-12-31"), 12500.5, None, 11.0, "T02120")
            for i in range(40)
        ],
    ],
    schema=[
        "K_INST", "K_REKVNR", "K_MATNR", "K_SEKVENSNR", "CPR", "D_REKVDATO", "D_MODTDATO",
        "D_SVARDATO", "C_MATTYPE", "C_SNOMEDKODE",
    ],
    orient="row",
).with_columns(pl.col("D_SVARDATO").cast(pl.Float64))  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sav, sas = Path(folder, "x.sav"), Path(folder, "x.sas7bdat")
        write_readstat(ROWS, str(sav))
        subprocess.run(["readstat", str(sav), str(sas)], check=True)
        content = sas.read_bytes()
    for value in ("R–’", "ÆF0000"):
        wide = value.encode()
        assert wide in content
        content = content.replace(wide, value.encode("windows-1252").ljust(len(wide)))
    PLACE.write_bytes(
        content[:ENCODING_BYTE] + bytes([WINDOWS_1252]) + content[ENCODING_BYTE + 1 :]
    )


if __name__ == "__main__":
    main()
