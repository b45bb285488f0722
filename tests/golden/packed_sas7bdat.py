"""How `pato1994_packed.sas7bdat` was made, once: `python -m tests.golden.packed_sas7bdat`.

Needs libreadstat 1.1 (Debian: apt-get install libreadstat1), which packs rows as SAS does with
COMPRESS=CHAR. A run of one character is packed, so the bytes of the file do not show FREJA's
number; and one row holds it in a column of numbers.
"""

import ctypes
from pathlib import Path

PLACE = Path(__file__).with_name("pato1994_packed.sas7bdat")
FREJA, BENT, CARL = "6111111111", "6203611235", "6304721237"
TEXT, DOUBLE, PACKED_ROWS = 0, 5, 1
MADE_AT = 1_700_000_000  # the file says when; the same moment gives the same bytes
DAY = 12478.0  # 1994-03-01 as SAS keeps it
COLUMNS = {
    "K_INST": 7, "K_REKVNR": 20, "K_MATNR": 0, "K_SEKVENSNR": 0, "CPR": 10, "D_REKVDATO": 0,
    "D_MODTDATO": 0, "D_SVARDATO": 0, "C_MATTYPE": 0, "C_SNOMEDKODE": 40,
}  # fmt: skip
ROWS = [
    ("1301110", "R1", 1.0, 1.0, FREJA, DAY, DAY, None, 11.0, "M88903"),
    ("1301110", "R2", 1.0, 1.0, BENT, DAY, DAY, None, 11.0, "T02120"),
    ("1301110", "R3", 1.0, 1.0, BENT, DAY, None, None, float(FREJA), "T02120"),
    ("1301110", "R4", 1.0, 1.0, CARL, DAY, None, None, 11.0, "T02120"),
]


def main() -> None:
    library = ctypes.CDLL("libreadstat.so.1")
    content = bytearray()

    @ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    def take(data: int, n: int, _: int) -> int:
        content.extend(ctypes.string_at(data, n))
        return n

    def call(name: str, *given: object) -> None:
        assert getattr(library, name)(writer, *given) == 0, name

    for name in ("readstat_writer_init", "readstat_add_variable"):
        getattr(library, name).restype = ctypes.c_void_p
    writer = ctypes.c_void_p(library.readstat_writer_init())
    call("readstat_set_data_writer", take)
    call("readstat_writer_set_compression", PACKED_ROWS)
    call("readstat_writer_set_file_timestamp", ctypes.c_long(MADE_AT))
    columns = [
        (
            ctypes.c_void_p(
                library.readstat_add_variable(
                    writer, name.encode(), TEXT if width else DOUBLE, ctypes.c_size_t(width)
                )
            ),
            width,
        )
        for name, width in COLUMNS.items()
    ]
    call("readstat_begin_writing_sas7bdat", None, ctypes.c_long(len(ROWS)))
    for row in ROWS:
        call("readstat_begin_row")
        for (column, width), value in zip(columns, row, strict=True):
            if value is None:
                call("readstat_insert_missing_value", column)
            elif width:
                call("readstat_insert_string_value", column, value.encode())
            else:
                call("readstat_insert_double_value", column, ctypes.c_double(value))
        call("readstat_end_row")
    call("readstat_end_writing")
    assert FREJA.encode() not in content
    assert BENT.encode() in content
    PLACE.write_bytes(content)


if __name__ == "__main__":
    main()
