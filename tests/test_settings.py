"""One file of settings: each is validated and told, and no name is ignored."""

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.errors import SettingsError
from etl.settings import (
    COMMENTED,
    NAMES,
    SETTINGS,
    Bounds,
    Calendar,
    Settings,
    said,
)

# Every line that is commented out in the file, as if somebody had taken the mark away.
ALL_OF_IT = re.sub(r"(?m)^# (?=\[registers|\w+ = )", "", COMMENTED.read_text(encoding="utf-8"))


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty home, and nothing else in the environment."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KOBLING_HOME", str(tmp_path))
    return tmp_path


def written(home: Path, text: str) -> Settings:
    (home / "kobling.toml").write_text(text, encoding="utf-8")
    return Settings.from_environment()


def test_the_commented_file_holds_every_setting_at_its_default(home):
    without = Settings.from_environment()
    assert written(home, COMMENTED.read_text(encoding="utf-8")) == without
    held = tomllib.loads(ALL_OF_IT)
    of_registers = held.pop("registers")
    names = {
        f"{section}.{name}" for section, of in held.items() if isinstance(of, dict) for name in of
    }
    names |= {name for name, value in held.items() if not isinstance(value, dict)}
    assert names == {one.key for one in SETTINGS}
    assert written(home, ALL_OF_IT).calendars == {"patobank": Calendar(31, 7, 90)}
    assert of_registers == {
        "patobank": {"every_days": 31, "late_after_days": 7, "stale_after_days": 90}
    }


def test_the_commented_file_names_every_variable():
    text = COMMENTED.read_text(encoding="utf-8")
    for one in SETTINGS:
        line = next(
            line for line in text.splitlines()
            if re.match(rf"(# )?{one.key.rpartition('.')[2]} = ", line)
        )  # fmt: skip
        assert (one.variable or "") == (m[0] if (m := re.search(r"KOBLING_\w+", line)) else "")


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(home, monkeypatch):
    held = written(home, '[machine]\nmemory_limit = "3GB"\nthreads = 4\n')
    assert (held.memory_limit, held.threads, held.unpack_times) == ("3GB", 4, 200)
    monkeypatch.setenv("KOBLING_THREADS", "8")
    told = {one.key: (one.value, one.by) for one in said()}
    assert told["machine.threads"] == (8, "environment KOBLING_THREADS")
    assert told["machine.memory_limit"] == ("3GB", str(home / "kobling.toml"))
    assert told["deliveries.unpack_times"] == (200, "default")


def test_another_file_may_be_named_and_must_be_there(home, tmp_path, monkeypatch):
    other = tmp_path / "other.toml"
    monkeypatch.setenv("KOBLING_SETTINGS", str(other))
    with pytest.raises(SettingsError, match="there is no such file"):
        Settings.from_environment()
    other.write_text("[bounds]\nshift_points = 0.5\n")
    assert Settings.from_environment().bounds == Bounds(shift_points=0.5)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.key)
def test_every_setting_refuses_what_means_nothing_with_its_line(home, setting):
    section, _, name = setting.key.rpartition(".")
    text = f"# a comment\n[{section}]\n{name} = [[1]]\n" if section else f"# a\n\n{name} = [[1]]\n"
    with pytest.raises(SettingsError) as refused:
        written(home, text)
    assert f"kobling.toml: line 3: {setting.key} is '[[1]]'. Expected " in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[bounds]\nfewer_row_percent = 2\n", "line 2: bounds.fewer_row_percent is no setting"),
        ("treads = 2\n", "line 1: treads is no setting"),
        ("[mashine]\nthreads = 2\n", "line 2: mashine.threads is no setting"),
        ("[registers.pato]\nevery_days = 2\n", "line 2: pato is no register. Expected one of cpr"),
        ("[registers.cpr]\nevery_day = 2\n", "line 2: registers.cpr.every_day is no setting"),
        ("[registers.cpr]\nevery_days = 0\n", "is '0'. Expected a whole number from 1 up"),
        ("[registers.cpr]\nlate_after_days = 3\n", "without registers.cpr.every_days"),
        ("[bounds]\nshift_points = true\n", "is 'True'. Expected a number from 0 up"),
        ("[machine]\nthreads = true\n", "is 'True'. Expected a whole number"),
        ('[notices]\nsend = "smtp"\n', "notices.smtp_host is not there"),
        ('[notices]\nsend = "smtp"\nsmtp_host = "m"\nsender = "a@b.dk"\n', "notices.recipients"),
        ('[notices]\nrecipients = ["a@b.dk", "nobody"]\n', "a list of mail addresses"),
        ('[schedule]\nrefresh = "daily"\n', "five fields of cron"),
        ('[schedule]\nrefresh = "@daily"\n', "five fields of cron"),
        ('[schedule]\nrefresh = "99 99 * * *"\n', "five fields of cron"),
        ("[notices]\nsmtp_port = 70000\n", "Expected one up to 65535"),
        ('[notices]\nsmtp_user = "k"\n', "go together"),
        ('[notices]\nsmtp_security = "none"\nsmtp_host = "mail.dk"\n', "would leave this machine"),
        ("[machine\nthreads = 2\n", "not readable"),
        ('population = "mock"\npopulation = "mock"\n', "not readable"),
    ],
)
def test_no_name_is_ignored_and_no_value_guessed(home, text, expected):
    with pytest.raises(SettingsError) as refused:
        written(home, text)
    assert expected in str(refused.value)


def test_a_path_in_the_file_is_beside_it_wherever_one_stands(home, monkeypatch):
    assert written(home, 'key_file = "a.key"\n').key_file == home / "a.key"
    assert written(home, 'key_file = "/b/a.key"\n').key_file == Path("/b/a.key")
    monkeypatch.setenv("KOBLING_KEY_FILE", "c.key")
    assert written(home, "").key_file == Path("c.key")  # as the shell that says it means it


def test_every_setting_is_told_with_who_said_so(home, monkeypatch):
    (home / "kobling.toml").write_text("[bounds]\nfew_rows = 7\n")
    monkeypatch.setenv("KOBLING_KEY", "a secret of more than thirty-two bytes")
    told = CliRunner().invoke(main, ["settings"])
    assert told.exit_code == 0
    lines = {line.split()[0]: line for line in told.stdout.splitlines()}
    assert set(lines) == {"home", *(one.key for one in SETTINGS)}
    assert lines["bounds.few_rows"].split(maxsplit=2)[1:] == ["7", f"({home / 'kobling.toml'})"]
    assert "secret" not in told.stdout


def test_the_file_is_written_once_for_the_population_that_holds(home, monkeypatch):
    monkeypatch.setenv("KOBLING_POPULATION", "production")
    assert CliRunner().invoke(main, ["settings", "--write"]).exit_code == 0
    monkeypatch.delenv("KOBLING_POPULATION")
    assert Settings.from_environment().population == "production"
    again = CliRunner().invoke(main, ["settings", "--write"])
    assert again.exit_code == 2
    assert "there is one already" in again.stderr
