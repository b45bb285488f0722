"""What a run is told from outside: one frozen dataclass, read once.

A setting stands in `kobling.toml`, or in the environment, which goes before it. The file lies in
the home; KOBLING_SETTINGS names another. `kobling.toml` of the checkout holds every setting with
its default and what it says; `kobling settings` tells what holds, and where from.
"""

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

from etl.errors import SettingsError

CHECKOUT = Path(__file__).resolve().parent.parent
COMMENTED = CHECKOUT / "kobling.toml"
FILE = "kobling.toml"
POPULATIONS = ("mock", "production")
# When a new release becomes the live one by itself.
ALWAYS, WITHIN_BOUNDS, BY_HAND = "always", "within_bounds", "by_hand"
PROMOTE = (ALWAYS, WITHIN_BOUNDS, BY_HAND)
# No Danish keeper lets fewer out; Statistics Denmark once asked for three.
LEAST_SMALLEST_COUNT = 3
MEMORY = re.compile(r"\d+(\.\d+)? ?[KMGT]i?B", re.IGNORECASE)
ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
BY_FILE, BY_MAIL = "file", "smtp"
SECURITY = ("starttls", "tls", "none")
THIS_MACHINE, MOST_PORT = ("localhost", "127.0.0.1", "::1"), 65_535

# Read apart from the settings below: where the home and its file lie, and the secret itself, which
# no file of settings may hold; and what `select` hands to dbt, and the browser tests read.
OTHER_NAMES = (
    "KOBLING_HOME", "KOBLING_SETTINGS", "KOBLING_KEY",
    "KOBLING_WAREHOUSE", "KOBLING_LAKE", "KOBLING_CHROMIUM",
)  # fmt: skip


@dataclass(frozen=True)
class Bounds:
    """Within these a new release takes the place of the live one by itself; what lies outside a
    data manager would want to have looked at. Percent of what the live release has."""

    fewer_rows_percent: float = 2
    more_rows_percent: float = 50
    # Of one year: years before it tell what a new one should have.
    fewer_rows_of_a_year_percent: float = 10
    more_rows_of_a_year_percent: float = 100
    few_rows: int = 50
    moved_persons_percent: float = 5
    few_persons: int = 5
    shift_points: float = 1.0


@dataclass(frozen=True)
class Notices:
    """Where it is told that something needs looking at. A password lies in a file of its own."""

    send: str = BY_FILE
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password_file: Path | None = None
    sender: str = ""
    recipients: tuple[str, ...] = ()
    # No refresh for longer than this is told; 0 never.
    refresh_late_after_days: int = 0


@dataclass(frozen=True)
class Calendar:
    """When a register is expected. Days; None where nothing is agreed with its keeper."""

    every_days: int | None = None
    late_after_days: int = 0
    stale_after_days: int | None = None


@dataclass(frozen=True)
class Settings:
    """Everything that may differ between two machines.

    `population` says whose numbers may come in. A mock home refuses any number that could belong
    to a living person (day 01–31); a production home quarantines the made-up ones (day 61–91).
    `smallest_count` is the rule of the keeper in whose environment the home lies: the smallest
    number of persons that may leave it, nought apart. `promote` says when a new release takes the
    place of the live one by itself. `schedule` is a cron expression for the refresh, or nothing.
    """

    home: Path
    population: str
    project: Path
    memory_limit: str
    threads: int
    key_file: Path | None
    key_text: str | None
    unpack_times: int = 200
    smallest_count: int = 5
    promote: str = ALWAYS
    schedule: str = ""
    bounds: Bounds = field(default_factory=Bounds)
    notices: Notices = field(default_factory=Notices)
    calendars: dict[str, Calendar] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read kobling.toml and KOBLING_* once. Raises SettingsError on a value that means
        nothing, and on a name that nothing reads: a misspelt setting would be ignored."""
        return _settings(said())


@dataclass(frozen=True)
class Said:
    """One setting as it holds: its key in kobling.toml, its value, and who said so."""

    key: str
    value: object
    by: str

    @property
    def is_default(self) -> bool:
        return self.by == DEFAULT


DEFAULT = "default"


# ------------------------------------------------------------------ what a value may be
#
# Each takes what the environment (text) or the file (typed) holds, and returns the value, or raises
# ValueError with what was expected.


def _one_of(*names: str) -> Callable[[object], str]:
    def read(given: object) -> str:
        if given not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return given

    return read


def _whole_number(least: int, why: str = "") -> Callable[[object], int]:
    def read(given: object) -> int:
        is_one = isinstance(given, int) and not isinstance(given, bool)
        if not (is_one or (isinstance(given, str) and given.isdigit())) or int(given) < least:
            raise ValueError(f"a whole number from {least} up{why}")
        return int(given)

    return read


def _number(given: object) -> float:
    """Percent, or percentage points. From a file only, so never text."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < 1e6:
        raise ValueError("a number from 0 up")
    return given


def _memory(given: object) -> str:
    if not isinstance(given, str) or not MEMORY.fullmatch(given):
        raise ValueError("a number and a unit, such as 1GB or 512MiB")
    return given


def _file(given: object) -> Path | None:
    if not isinstance(given, str):
        raise ValueError("the path of a file")
    return Path(given) if given else None


def _text(given: object) -> str:
    if not isinstance(given, str) or "\n" in given:
        raise ValueError("one line of text")
    return given


def _cron(given: object) -> str:
    from croniter import croniter

    is_five = isinstance(given, str) and len(given.split()) == 5
    if given != "" and not (is_five and croniter.is_valid(given)):
        raise ValueError("five fields of cron, such as 0 6 * * 1, or nothing")
    return given


def _addresses(given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(
        isinstance(one, str) and ADDRESS.fullmatch(one) for one in given
    ):
        raise ValueError("a list of mail addresses")
    return tuple(given)


def _address(given: object) -> str:
    if not isinstance(given, str) or (given and not ADDRESS.fullmatch(given)):
        raise ValueError("a mail address")
    return given


@dataclass(frozen=True)
class _Setting:
    key: str  # in kobling.toml: section.name
    default: object
    read: Callable[[object], object]
    variable: str | None = None


# Whether numbers of mock or real persons come in decides how careful a new release is.
_BY_POPULATION = {"mock": ALWAYS, "production": WITHIN_BOUNDS}
_BOUNDS, _NOTICES = Bounds(), Notices()
SETTINGS = (
    _Setting("population", "mock", _one_of(*POPULATIONS), "KOBLING_POPULATION"),
    _Setting("key_file", None, _file, "KOBLING_KEY_FILE"),
    _Setting("machine.memory_limit", "1GB", _memory, "KOBLING_MEMORY_LIMIT"),
    _Setting("machine.threads", 2, _whole_number(1), "KOBLING_THREADS"),
    _Setting(
        "deliveries.unpack_times", 200,
        _whole_number(1, ": how many times its size a packed file may unpack to"),
        "KOBLING_UNPACK_TIMES",
    ),
    _Setting("release.promote", _BY_POPULATION, _one_of(*PROMOTE), "KOBLING_PROMOTE"),
    _Setting(
        "release.smallest_count", 5,
        _whole_number(LEAST_SMALLEST_COUNT, ": the fewest persons that may be told of"),
        "KOBLING_SMALLEST_COUNT",
    ),
    *(
        _Setting(f"bounds.{one.name}", getattr(_BOUNDS, one.name),
                 _whole_number(0) if one.type is int else _number)
        for one in fields(Bounds)
    ),
    _Setting("schedule.refresh", "", _cron, "KOBLING_SCHEDULE"),
    _Setting("notices.send", _NOTICES.send, _one_of(BY_FILE, BY_MAIL)),
    _Setting("notices.smtp_host", _NOTICES.smtp_host, _text),
    _Setting("notices.smtp_port", _NOTICES.smtp_port, _whole_number(1)),
    _Setting("notices.smtp_security", _NOTICES.smtp_security, _one_of(*SECURITY)),
    _Setting("notices.smtp_user", _NOTICES.smtp_user, _text),
    _Setting("notices.smtp_password_file", _NOTICES.smtp_password_file, _file),
    _Setting("notices.sender", _NOTICES.sender, _address),
    _Setting("notices.recipients", _NOTICES.recipients, _addresses),
    _Setting(
        "notices.refresh_late_after_days", _NOTICES.refresh_late_after_days, _whole_number(0)
    ),
)  # fmt: skip
# Of every register: registers.<name>.<this>.
_OF_A_REGISTER = {
    "every_days": _whole_number(1),
    "late_after_days": _whole_number(0),
    "stale_after_days": _whole_number(1),
}
NAMES = (*(one.variable for one in SETTINGS if one.variable), *OTHER_NAMES)


# ------------------------------------------------------------------ reading


def said() -> list[Said]:
    """Every setting with its value and who said so, in the order of kobling.toml.

    Raises SettingsError with the file and line, or the variable, of the first that is wrong.
    """
    if unknown := sorted(n for n in os.environ if n.startswith("KOBLING_") and n not in NAMES):
        raise SettingsError(
            f"environment: {unknown[0]} is no setting. Expected one of {', '.join(NAMES)}. "
            "Correct its name, or unset it."
        )
    home = os.environ.get("KOBLING_HOME")
    if "'" in (home or ""):
        raise SettingsError(
            f"environment: KOBLING_HOME is {home}. Expected a path without an apostrophe. "
            "Choose another folder."
        )
    place = Path(home).resolve() if home else CHECKOUT / "home"
    told = [Said("home", place, "environment KOBLING_HOME" if home else DEFAULT)]
    file, written = _written(place)
    for one in SETTINGS:
        if one.variable and one.variable in os.environ:
            given, by = os.environ[one.variable], f"environment {one.variable}"
            where, name, undo = "environment", one.variable, ", or unset it"
        elif one.key in written:
            given, by = written[one.key], f"{file}"
            where, name, undo = f"{file}: line {_line(file, one.key)}", one.key, ""
        else:
            default = one.default
            if isinstance(default, dict):
                default = default[next(s.value for s in told if s.key == "population")]
            told.append(Said(one.key, default, DEFAULT))
            continue
        try:
            value = one.read(given)
            if isinstance(value, Path) and name == one.key:
                # A task and a clock start elsewhere than whoever wrote it.
                value = file.parent / value
            told.append(Said(one.key, value, by))
        except ValueError as error:
            raise SettingsError(
                f"{where}: {name} is '{given}'. Expected {error}. Correct it{undo}."
            ) from None
    told += [
        Said(key, _of_a_register(file, key, value), str(file))
        for key, value in written.items()
        if key.startswith("registers.")
    ]
    _hold_together(file, {one.key: one.value for one in told})
    return told


def _written(home: Path) -> tuple[Path, dict[str, object]]:
    """What the file of settings holds, by section.name. Without a file nothing."""
    named = os.environ.get("KOBLING_SETTINGS")
    file = Path(named).resolve() if named else home / FILE
    try:
        held = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise SettingsError(
                f"environment: KOBLING_SETTINGS is {named}, and there is no such file. Expected "
                "a kobling.toml. Correct it, or unset it."
            ) from None
        return file, {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file}: not readable ({error}). Expected TOML as in {COMMENTED}. Correct it."
        ) from None
    written = _flat(held)
    known = {one.key for one in SETTINGS}
    for key in written:
        if key not in known and not key.startswith("registers."):
            raise SettingsError(
                f"{file}: line {_line(file, key)}: {key} is no setting. Expected one of "
                f"{', '.join(sorted(known))}. Correct its name, or take it out."
            )
    return file, written


def _flat(held: dict, above: str = "") -> dict[str, object]:
    flat = {}
    for name, value in held.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{above}{name}.")
        else:
            flat[above + name] = value
    return flat


def _line(file: Path, key: str) -> int:
    """Where a key stands in the file; 1 where it is written in a way of its own."""
    section, _, name = key.rpartition(".")
    at = ""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if head := re.fullmatch(r"\s*\[\s*([^]]+?)\s*\]\s*(#.*)?", line):
            at = head[1]
        elif at == section and re.match(rf"\s*{re.escape(name)}\s*=", line):
            return number
    return 1


def _of_a_register(file: Path, key: str, given: object) -> int:
    """One setting of one register: registers.<name>.<what>."""
    known = sorted(
        path.name.partition(".")[0] for path in CHECKOUT.glob("etl/registers/*.odcs.yaml")
    )
    where = f"{file}: line {_line(file, key)}"
    _, register, *what = key.split(".")
    if register not in known:
        raise SettingsError(
            f"{where}: {register} is no register. Expected one of {', '.join(known)}. Correct its "
            "name, or take it out."
        )
    name = ".".join(what)
    if name not in _OF_A_REGISTER:
        raise SettingsError(
            f"{where}: {key} is no setting. Expected one of {', '.join(_OF_A_REGISTER)}. Correct "
            "its name, or take it out."
        )
    try:
        return _OF_A_REGISTER[name](given)
    except ValueError as error:
        raise SettingsError(f"{where}: {key} is '{given}'. Expected {error}. Correct it.") from None


def _hold_together(file: Path, value: dict[str, object]) -> None:
    """What one setting asks of another."""
    if value["notices.smtp_port"] > MOST_PORT:
        raise SettingsError(
            f"{file}: notices.smtp_port is {value['notices.smtp_port']}. Expected one up to "
            f"{MOST_PORT}. Correct it."
        )
    if bool(value["notices.smtp_user"]) != bool(value["notices.smtp_password_file"]):
        raise SettingsError(
            f"{file}: notices.smtp_user and notices.smtp_password_file go together, and one is not "
            "there. Expected both or none. Write it, or take the other out."
        )
    if value["notices.smtp_security"] == "none" and (
        value["notices.smtp_user"] or value["notices.smtp_host"] not in ("", *THIS_MACHINE)
    ):
        raise SettingsError(
            f"{file}: notices.smtp_security is 'none', and what is sent would leave this machine, "
            "or a password be read on the way. Expected starttls or tls; none for "
            f"{', '.join(THIS_MACHINE)} without a user. Correct it."
        )
    if value["notices.send"] == BY_MAIL:
        for needed in ("smtp_host", "sender", "recipients"):
            if not value[f"notices.{needed}"]:
                raise SettingsError(
                    f"{file}: notices.send is '{BY_MAIL}', and notices.{needed} is not there. "
                    f"Expected it. Write it, or send by '{BY_FILE}'."
                )
    for key in value:
        register, _, what = key.rpartition(".")
        if what == "late_after_days" and f"{register}.every_days" not in value:
            raise SettingsError(
                f"{file}: line {_line(file, key)}: {key} without {register}.every_days. Expected "
                "how often the register comes. Write it."
            )


def _settings(told: list[Said]) -> Settings:
    value = {one.key: one.value for one in told}

    def section(name: str) -> dict:
        start = f"{name}."
        return {key[len(start) :]: of for key, of in value.items() if key.startswith(start)}

    calendars: dict[str, dict] = {}
    for key, of in section("registers").items():
        register, _, what = key.partition(".")
        calendars.setdefault(register, {})[what] = of
    return Settings(
        home=value["home"],
        population=value["population"],
        project=CHECKOUT,
        memory_limit=value["machine.memory_limit"],
        threads=value["machine.threads"],
        key_file=value["key_file"],
        key_text=os.environ.get("KOBLING_KEY"),
        unpack_times=value["deliveries.unpack_times"],
        smallest_count=value["release.smallest_count"],
        promote=value["release.promote"],
        schedule=value["schedule.refresh"],
        bounds=Bounds(**section("bounds")),
        notices=Notices(**section("notices")),
        calendars={name: Calendar(**of) for name, of in calendars.items()},
    )
