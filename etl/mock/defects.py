"""A first handful of planted defects, each noted with its file and row.

They are planted in rows of the population, never in a patient's or a decoy's, so that what the
study should find does not depend on them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

FEW = 5
BACKGROUND = "is_background"


@dataclass(frozen=True)
class Defect:
    """Where a defect lies, and what the landing should make of it."""

    defect: str
    register: str
    path: str  # <delivered_on>/<file>
    row: int  # record number in the file, from 1, header not counted
    expected: str  # quarantined:<reason>, finding:<name>, repaired, linked or unlinked:<reason>


class Planter:
    """Changes files (frames of text, one per path) and keeps the list."""

    def __init__(self, seed: int, nobody: dict[str, str]) -> None:
        self.rng = np.random.default_rng([seed, 6])
        self.nobody = nobody  # numbers that decoys are written under → what becomes of the rows
        self.planted: list[Defect] = []
        self._used: dict[str, set[int]] = {}

    def plant(self, register: str, table: str, path: str, frame: pl.DataFrame) -> pl.DataFrame:
        """All defects of a table, in one of its files."""
        for defect, column, change, expected in CHANGES.get(table, ()):
            rows = self._rows(path, frame)
            values = frame[column].to_list()
            for row in rows:
                values[row] = change(values[row])
            frame = frame.with_columns(pl.Series(column, values, dtype=pl.String))
            self._note(defect, register, path, rows, expected)
        rows = self._rows(path, frame)
        copies = frame[rows].with_columns(pl.lit(False).alias(BACKGROUND))
        self._note(
            "exact_copy", register, path, list(range(len(frame), len(frame) + len(rows))),
            "quarantined:duplicate",
        )  # fmt: skip
        return pl.concat([frame, copies])

    def plant_keys(self, register: str, path: str, frame: pl.DataFrame, key: str) -> pl.DataFrame:
        """Rows whose contact is not there, and keys that somebody has padded or stripped."""
        for defect, change, expected in CONTACT_KEYS:
            rows = self._rows(path, frame)
            values = frame[key].to_list()
            for row in rows:
                values[row] = change(values[row])
            frame = frame.with_columns(pl.Series(key, values, dtype=pl.String))
            self._note(defect, register, path, rows, expected)
        return frame

    def note_nobody(self, register: str, path: str, frame: pl.DataFrame) -> None:
        """Rows that a decoy's requisition was written in under a number of nobody."""
        for row, (number, is_background) in enumerate(frame.select("cpr", BACKGROUND).iter_rows()):
            if not is_background and (number or "") in self.nobody:
                expected = self.nobody[number or ""]
                self._note("number_of_nobody", register, path, [row], expected)

    def cut_lines(self, register: str, path: str, frame: pl.DataFrame, text: str) -> str:
        """Lines that break off in the middle of a record."""
        lines = text.split("\n")
        rows = self._rows(path, frame)
        for row in rows:
            lines[row + 1] = lines[row + 1][: len(lines[row + 1]) // 3]
        self._note("line_breaks_off", register, path, rows, "quarantined:malformed_line")
        return "\n".join(lines)

    def _rows(self, path: str, frame: pl.DataFrame) -> list[int]:
        """A few rows that nothing else has been planted in."""
        used = self._used.setdefault(path, set())
        free = [int(row) for row in np.flatnonzero(frame[BACKGROUND].to_numpy()) if row not in used]
        chosen = sorted(int(row) for row in self.rng.permutation(free)[:FEW])
        used.update(chosen)
        return chosen

    def _note(self, defect: str, register: str, path: str, rows: list[int], expected: str) -> None:
        self.planted += [Defect(defect, register, path, row + 1, expected) for row in rows]


def _to(value: str) -> Callable[[str], str]:
    return lambda _: value


def _replacement(number: str) -> str:
    """A national replacement number of the same century: well-formed, and unknown to CPR."""
    return f"{number[:6]}{'1' if number[6] <= '3' else '7'}QX{number[9]}"


# (defect, how the key of a contact changes, what should become of the row)
CONTACT_KEYS: tuple[tuple[str, Callable[[str], str], str], ...] = (
    ("contact_missing", lambda key: str(900_000_000 + int(key) % 1_000_000),
     "unlinked:orphan_of_contact"),
    ("contact_key_padded", lambda key: key.zfill(18), "linked"),
    ("contact_key_with_blanks", lambda key: f" {int(key)} ", "linked"),
)  # fmt: skip

# (defect, column, how the value changes, what should become of the row)
CHANGES: dict[str, tuple[tuple[str, str, Callable[[str], str], str], ...]] = {
    "pato": (
        ("number_blank", "cpr", _to(""), "quarantined:blank"),
        ("number_told_missing", "cpr", _to("#N/A"), "quarantined:blank"),
        ("number_too_short", "cpr", lambda n: n[:-1], "quarantined:wrong_length"),
        ("number_with_hyphen", "cpr", lambda n: f"{n[:6]}-{n[6:]}", "quarantined:wrong_length"),
        ("number_unknown", "cpr", _to("0000000000"), "quarantined:unknown_number"),
        ("number_with_odd_letter", "cpr", lambda n: n[:9] + "X", "quarantined:forbidden_character"),
        ("number_with_impossible_date", "cpr", lambda n: n[:2] + "13" + n[4:],
         "quarantined:impossible_date"),
        ("replacement_number", "cpr", _replacement, "unlinked:unknown_to_cpr"),
        ("requisition_number_missing", "k_rekvnr", _to(""), "quarantined:missing_k_rekvnr"),
        ("requisition_date_unreadable", "d_rekvdato", _to("31-02-94"),
         "quarantined:unreadable_d_rekvdato"),
        ("received_date_impossible", "d_modtdato", lambda d: d[:5] + "02-31",
         "finding:unreadable_d_modtdato"),
        ("answered_date_told_missing", "d_svardato", _to("Uoplyst"), "linked"),
        ("specimen_kind_told_missing", "c_mattype", _to("Ukendt"), "linked"),
        ("code_padded", "c_snomedkode", lambda code: f" {code} ", "repaired"),
        # Æ as UTF-8 read as windows-1252.
        ("code_mangled", "c_snomedkode", _to("Ã†KI030"), "repaired"),
        ("code_written_out", "c_snomedkode", _to("AEKI030"), "repaired"),
        ("row_of_another_year", "d_rekvdato", lambda d: f"{int(d[:4]) - 1}{d[4:]}",
         "finding:outside_period"),
    ),
    "cpr3_t_adresse_hist": (
        ("move_date_unreadable", "d_tilflyt_dato", _to("0000-00-00"),
         "finding:unreadable_d_tilflyt_dato"),
    ),
    "t_adm": (
        ("discharge_date_unreadable", "d_uddto", _to("0000-00-00"), "finding:unreadable_d_uddto"),
        ("diagnosis_told_missing", "c_adiag", _to("#N/A"), "linked"),
    ),
    "t_diag": (
        ("diagnosis_missing", "c_diag", _to(""), "quarantined:missing_c_diag"),
        ("diagnosis_padded", "c_diag", lambda code: f" {code} ", "linked"),
    ),
    "t_sksopr": (
        ("operation_date_unreadable", "d_odto", _to("00JAN2012"), "finding:unreadable_d_odto"),
    ),
    "t_tumor": (
        ("number_blank", "k_cprnr", _to(""), "quarantined:blank"),
        ("number_told_missing", "k_cprnr", _to("Ukendt"), "quarantined:blank"),
        ("tumour_number_missing", "k_tumornr", _to(""), "quarantined:missing_k_tumornr"),
        ("replacement_number", "k_cprnr", _replacement, "unlinked:unknown_to_cpr"),
        ("diagnosis_padded", "c_icd10", lambda code: f" {code}", "linked"),
    ),
    "t_dodsaarsag_1": (
        ("number_of_nobody", "k_cpr", _to("0000000000"), "quarantined:unknown_number"),
        ("date_of_death_unreadable", "d_dodsdto", _to("31FEB1994"),
         "quarantined:unreadable_d_dodsdto"),
    ),
    "t_dodsaarsag_2": (
        ("date_of_death_told_missing", "d_dodsdato", _to("#N/A"), "linked"),
        ("date_found_unreadable", "d_findedato", _to("1994-03-01"),
         "finding:unreadable_d_findedato"),
    ),
}  # fmt: skip
