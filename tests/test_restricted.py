"""The restricted store: locked, for its owner only, and shut to every key but its own."""

import base64
import dataclasses
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from etl import restricted, steps
from etl.cli import main
from etl.errors import LinkageError, SettingsError, without_numbers
from etl.home import Home, connect, open_home
from etl.settings import CHECKOUT
from etl.steps import requests
from tests import story
from tests.conftest import (
    ANNA,
    BENT,
    CARL,
    KEY,
    PATO_HEADER,
    PERSON_HEADER,
    unlocked,
    write_delivery,
)

OTHER = "o" * 40


def nothing(_: str) -> None:
    pass


def deliver(home: Path) -> None:
    """Three persons, one of them under two numbers, and a row that is refused."""
    person = "".join(
        f"{number};{number};K;01;1950-02-01;1950-02-01;;\n" for number in (ANNA, BENT, CARL)
    )
    codes = "".join(
        f"1;R{n};1;1;{number};1994-03-01;1994-03-01;1994-03-01;11;T02120\n"
        for n, number in enumerate((ANNA, BENT, CARL, "123"))
    )
    inbox = home / "restricted" / "inbox"
    write_delivery(inbox, "cpr", {"cpr3_t_person.csv": PERSON_HEADER + person})
    write_delivery(inbox, "patobank", {"pato1994.csv": PATO_HEADER + codes})


@pytest.fixture
def linked(settings):
    """A home with two registers, received, landed and linked with an umask that hides nothing."""
    deliver(settings.home)
    before = os.umask(0)
    try:
        steps.receive(settings, settings.home / "restricted" / "inbox", None, nothing)
        steps.land(settings, None, nothing)
        steps.link(settings, nothing)
    finally:
        os.umask(before)
    return settings


def files_of(home: Home) -> list[Path]:
    return [
        path
        for store in (home.landing, home.quarantine, home.findings)
        for path in sorted(store.rglob("*.parquet"))
    ]


def test_no_number_can_be_read_in_any_byte_that_was_landed(linked):
    home = Home(linked.home)
    assert len(files_of(home)) >= 3
    for path in [*files_of(home), home.identity]:
        content = path.read_bytes()
        for number in (ANNA, BENT, CARL):
            assert number.encode() not in content, path.name
        with pytest.raises(duckdb.Error):
            duckdb.execute(f"from '{path}'")


def test_everything_is_for_its_owner_only_whatever_the_umask(linked):
    home = Home(linked.home)
    loose = [
        path
        for root in (home.restricted, home.deliveries)
        for path in [root, *root.rglob("*")]
        if not path.is_relative_to(home.inbox)
        and stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600)
    ]
    assert loose == []


def test_another_key_is_refused_before_anything_is_read_or_written(linked):
    home = Home(linked.home)
    # A delivery that is landed already is not read; there must be something to do.
    shutil.rmtree(home.accepted / "patobank")
    before = {path: path.read_bytes() for path in linked.home.rglob("*") if path.is_file()}
    wrong = dataclasses.replace(linked, key_text=OTHER)
    for step in (
        lambda: steps.land(wrong, None, nothing),
        lambda: steps.link(wrong, nothing),
        lambda: steps.quarantine_as_given(wrong, None, None),
        lambda: steps.put_aside_list(wrong, "quarantine", None, None, True),
        lambda: steps.person_behind(wrong, "dlms", str(10**11), False),
    ):
        with pytest.raises(LinkageError, match="locked with key") as error:
            step()
        assert OTHER not in str(error.value)
        assert KEY not in str(error.value)
    after = {path: path.read_bytes() for path in linked.home.rglob("*") if path.is_file()}
    assert before == after


def test_a_store_that_was_taken_away_does_not_let_another_key_in(linked):
    """Half of the lake under one key and half under another would be nobody's."""
    home = Home(linked.home)
    shutil.rmtree(home.restricted)
    with pytest.raises(LinkageError, match="linked under key"):
        restricted.keys_of(dataclasses.replace(linked, key_text=OTHER))
    assert not restricted.mark_of(home).exists()
    assert restricted.keys_of(linked).secret == KEY.encode()


def test_a_key_that_is_made_up_does_not_open_a_store_that_has_one(linked):
    """A mock home makes a key once. Without its variable it does not go on with a new one."""
    with pytest.raises(LinkageError, match="locked with key"):
        steps.link(dataclasses.replace(linked, key_text=None), nothing)


def test_a_crash_on_a_personal_number_does_not_print_it(linked):
    """DuckDB names the value that it cannot use; the traceback goes to Airflow's logs."""
    code = (
        "from etl import linkage\n"
        "linkage.identify = lambda con, rows, key: con.execute(f'select v_pnr::date from {rows}')\n"
        "from etl.cli import main; main(['link'])"
    )
    (linked.home / "state" / "link.json").unlink()
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"KOBLING_HOME": str(linked.home), "KOBLING_KEY": KEY},
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" in ended.stderr
    assert "ConversionException" in ended.stderr
    assert "(a number, not shown)" in ended.stderr
    for text in (ANNA, BENT, CARL, KEY):
        assert text not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "number", [ANNA, f"{ANNA[:6]}-{ANNA[6:]}", f"00{ANNA}", f"{ANNA[:6]}AB12", "0101501234"]
)
def test_no_spelling_of_a_number_is_left_in_a_text_for_a_log(number):
    assert number[-4:] not in without_numbers(f"string '{number}' to DATE")
    assert without_numbers("line 1234, in land, 2024-06-01") == "line 1234, in land, 2024-06-01"


def test_a_key_file_that_others_may_read_is_refused(settings, tmp_path):
    path = tmp_path / "pseudonym.key"
    path.write_text(KEY)
    path.chmod(0o644)
    with pytest.raises(LinkageError, match="chmod 600"):
        restricted.keys_of(dataclasses.replace(settings, key_text=None, key_file=path))
    path.chmod(0o600)
    keys = restricted.keys_of(dataclasses.replace(settings, key_text=None, key_file=path))
    assert keys.secret == KEY.encode()
    assert KEY not in repr(keys)


def test_without_the_extension_nothing_is_locked_or_opened(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb_extensions", None)
    with (
        pytest.raises(LinkageError, match="cannot be loaded"),
        restricted.unlocked(settings),
    ):
        pass


def test_a_store_of_a_version_that_locked_nothing_is_refused(settings):
    home = open_home(settings)
    place = home.landing / "cpr/cpr3_t_person/period=all/x.parquet"
    place.parent.mkdir(parents=True)
    duckdb.execute(f"copy (select 1 as a) to '{place}'")
    with pytest.raises(LinkageError, match="locked nothing"):
        restricted.keys_of(settings)


def test_a_mark_that_was_lost_is_made_again_under_the_right_key_and_no_other(linked):
    home = Home(linked.home)
    shutil.rmtree(home.state)  # which remembers the key too
    restricted.mark_of(home).unlink()
    with pytest.raises(LinkageError, match="does not open with key"):
        restricted.keys_of(dataclasses.replace(linked, key_text=OTHER))
    assert not restricted.mark_of(home).exists()
    assert restricted.is_locked_with(home, restricted.keys_of(linked))


def test_each_purpose_has_a_key_of_its_own_and_none_is_the_secret():
    keys = restricted.Keys(KEY.encode())
    made = [keys.derived(p) for p in ("parquet", "identity", "release a", "release b")]
    assert len({*made, keys.secret}) == 5
    assert all(len(key) == 32 for key in made)
    # RFC 5869: T(1) = HMAC(PRK, info | 0x01)
    import hmac

    expected = hmac.new(keys.secret, b"kobling parquet\x01", hashlib.sha256).digest()
    assert keys.derived("parquet") == expected
    assert base64.b64encode(expected).decode() not in repr(keys)


def test_what_is_spilt_is_locked_too(settings):
    with connect(settings) as con:
        assert con.execute("select current_setting('temp_file_encryption')").fetchone() == (True,)


SAS = Path(__file__).parent / "golden" / "pato1994.sas7bdat"


@pytest.mark.parametrize(
    ("moment", "kind"),
    [("judge", "csv"), ("_find_copies", "csv"), ("accept", "csv"), ("judge", "sas7bdat")],
)
def test_land_killed_at_any_moment_leaves_no_number_that_can_be_read(settings, moment, kind):
    """What is unpacked, transcoded or hashed on the way has no name, and goes with the process."""
    home = Home(settings.home)
    if kind == "csv":
        deliver(home.root)
        known = {ANNA, BENT, CARL}
    else:
        write_delivery(home.inbox, "patobank", {SAS.name: SAS.read_bytes()}, rows=45)
        known = {ANNA}
        assert ANNA.encode() in SAS.read_bytes()
    steps.receive(settings, home.inbox, None, nothing)
    module = "etl.steps.landing" if moment == "accept" else "etl.landing.judging"
    code = (
        f"import os, {module} as m; m.{moment} = lambda *a, **k: os.kill(os.getpid(), 9)\n"
        "from etl.cli import main; main(['land'])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"KOBLING_HOME": str(home.root), "KOBLING_KEY": KEY},
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -9, ended.stderr
    assert list(home.scratch.glob("land-*"))
    left = [
        path
        for path in home.restricted.rglob("*")
        if path.is_file() and not path.is_relative_to(home.inbox) and not path.is_symlink()
    ]
    assert left
    for path in left:
        assert not any(number.encode() in path.read_bytes() for number in known), path


# ------------------------------------------------------------------ another key


def content(settings, key: str) -> dict[str, list[tuple]]:
    con = unlocked(restricted.Keys(key.encode()))
    home = Home(settings.home)
    return {
        str(path.relative_to(home.root)): con.execute(f"from {restricted.scan(path)}").fetchall()
        for path in files_of(home)
    }


def key_file(tmp_path: Path, key: str = OTHER) -> Path:
    path = tmp_path / "new.key"
    path.write_text(key)
    path.chmod(0o600)
    return path


def test_a_new_key_opens_the_same_rows_and_the_old_one_none(linked, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "etl.steps.requests.run", lambda settings, *_: steps.link(settings, nothing)
    )
    before = content(linked, KEY)
    ids = person_ids(linked, KEY)
    steps.rotate_key(linked, key_file(tmp_path), nothing, nothing)
    assert content(linked, OTHER) == before
    with pytest.raises(duckdb.InvalidInputException):
        content(linked, KEY)
    renewed = person_ids(linked, OTHER)
    assert renewed.keys() == ids.keys()
    assert not set(renewed.values()) & set(ids.values())
    event = json.loads((linked.home / "ledger.jsonl").read_text().splitlines()[-2])
    assert (event["event"], event["files"]) == ("key changed", len(before))
    with pytest.raises(LinkageError, match="locked with key"):
        restricted.keys_of(linked)


def person_ids(settings, key: str) -> dict[str, int]:
    con = duckdb.connect()
    restricted.Keys(key.encode()).attach_identity(con, Home(settings.home).identity)
    return dict(con.execute("select pnr, person_id from identity.number").fetchall())


def test_the_same_key_or_a_short_one_changes_nothing(linked, tmp_path):
    with pytest.raises(SettingsError, match="the key of this home already"):
        steps.rotate_key(linked, key_file(tmp_path, KEY), nothing, nothing)
    with pytest.raises(LinkageError, match="has 5 bytes"):
        steps.rotate_key(linked, key_file(tmp_path, "short"), nothing, nothing)
    assert content(linked, KEY)


@pytest.mark.parametrize("moment", ["copy", "mark", "record"])
def test_a_change_that_is_killed_is_finished_by_the_same_command(
    linked, tmp_path, monkeypatch, moment
):
    """Until then nothing opens the store; afterwards every row is there."""
    before = content(linked, KEY)
    new = key_file(tmp_path)
    kill = {
        "copy": "n = []; old = r._opens; r._opens = "
        "lambda *a: os.kill(os.getpid(), 9) if n.append(1) or len(n) > 1 else old(*a)",
        "mark": "r.replace_text = r.replace_json = kill_at_mark = "
        "lambda p, *a, **k: os.kill(os.getpid(), 9) if p.name == 'key.json' else write(p, *a, **k)",
        "record": "from etl import ledger; ledger.record = lambda *a, **k: os.kill(os.getpid(), 9)",
    }[moment]
    code = (
        "import os; from etl import restricted as r; from etl.home import replace_json as write; "
        f"{kill}\n"
        f"from etl.cli import main; main(['rotate-key', '--new-key-file', {str(new)!r}])"
    )
    environment = {"KOBLING_HOME": str(linked.home), "KOBLING_KEY": KEY}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, cwd=CHECKOUT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -9, ended.stderr
    with pytest.raises(LinkageError, match="broken off"):
        restricted.keys_of(linked)
    monkeypatch.setattr(
        "etl.steps.requests.run", lambda settings, *_: steps.link(settings, nothing)
    )
    steps.rotate_key(linked, new, nothing, nothing)
    assert content(linked, OTHER) == before
    assert not list(linked.home.rglob("restricted/**/.*.new"))
    told = [json.loads(line) for line in (linked.home / "ledger.jsonl").read_text().splitlines()]
    assert [one["event"] for one in told].count("key changed") == 1


def test_a_change_that_is_killed_while_all_is_built_anew_goes_on_with_it(
    linked, tmp_path, monkeypatch
):
    new, built = key_file(tmp_path), []
    monkeypatch.setattr(requests, "run", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        steps.rotate_key(linked, new, nothing, nothing)
    monkeypatch.setattr(
        "etl.steps.requests.run", lambda settings, *_: built.append(settings.key_file)
    )
    steps.rotate_key(linked, new, nothing, nothing)
    assert built == [new]


def test_a_key_that_comes_back_is_told_of_each_time(linked, tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "run", lambda *_: None)
    first, second = key_file(tmp_path), tmp_path / "first.key"
    second.write_text(KEY)
    second.chmod(0o600)
    under_new = dataclasses.replace(linked, key_text=None, key_file=first)
    for settings, to in ((linked, first), (under_new, second), (linked, first)):
        steps.rotate_key(settings, to, nothing, nothing)
    told = [json.loads(line) for line in (linked.home / "ledger.jsonl").read_text().splitlines()]
    assert sum(one["event"] == "key changed" for one in told) == 3


# ------------------------------------------------------------------ ids of a study's own


def test_two_studies_have_no_id_of_a_person_in_common(small):
    """The same warehouse, released under the keys of two studies."""
    from etl import release as releases

    home = Home(small[0])
    keys = restricted.Keys(story.KEY.encode())
    con = duckdb.connect()
    con.execute(f"attach '{home.warehouse}' as warehouse (read_only)")
    con.execute("use warehouse")
    one = releases.give_own_ids(con, "dlms", keys.of_release("dlms"))
    other = releases.give_own_ids(con, "other", keys.of_release("other"))
    assert one.keys() == other.keys()
    assert len(set(one.values())) == len(set(other.values())) == len(one) > 500
    assert not set(one.values()) & set(other.values())
    assert not (set(one.values()) | set(other.values())) & set(one)
    released = duckdb.sql(
        f"select person_id from '{home.releases}/dlms/current/parquet/exclusion_reasons.parquet'"
    ).fetchall()
    assert {person for (person,) in released} <= set(one.values())


@pytest.mark.parametrize("study", ["dlms", "afx_pds"])
def test_no_id_of_the_warehouse_is_in_a_release(small, study):
    """In no file and no text: not in the failing rows, the pages or the estimates either."""
    home = Home(small[0])
    ids = [
        str(person).encode()
        for (person,) in duckdb.connect(str(home.warehouse), read_only=True)
        .execute("select person_id from marts.exclusion_reasons")
        .fetchall()
    ]
    release = (home.releases / study / "current").resolve()
    texts = [p for p in release.rglob("*") if p.suffix in (".html", ".json", ".svg")]
    assert len(texts) > 5
    for path in texts:
        content = path.read_bytes()
        assert not any(person in content for person in ids), path.name
    con = duckdb.connect()
    for path in (release / "parquet").glob("*.parquet"):
        rows = str(con.execute(f"from '{path}'").fetchall()).encode()
        assert not any(person in rows for person in ids), path.name


def test_the_way_back_from_a_released_id_leads_through_the_restricted_store(small):
    home = Home(small[0])
    (released, index_date) = duckdb.sql(
        "select person_id, index_date from "
        f"'{home.releases}/dlms/current/parquet/cohort.parquet' order by all limit 1"
    ).fetchone()
    environment = story.environment(small[0])
    asked = ["person", "--study", "dlms", "--released-id", released]
    ended = CliRunner().invoke(main, [*asked, "--pnr"], env=environment)
    assert ended.exit_code == 0, ended.output
    person = int(ended.output.split("person_id ")[1].split()[0])
    assert duckdb.connect(str(home.warehouse), read_only=True).execute(
        "select index_date from marts.cohort where person_id = ?", [person]
    ).fetchone() == (index_date,)
    place = home.restricted / "opened" / f"{released}.csv"
    header, *numbers = place.read_text().split()
    place.unlink()
    keys = restricted.Keys(story.KEY.encode())
    con = duckdb.connect()
    keys.attach_identity(con, home.identity)
    assert header == "personal_number"
    assert {(n,) for n in numbers} == set(
        con.execute("select pnr from identity.number where person_id = ?", [person]).fetchall()
    )
    assert not any(number in ended.output for number in numbers)
    last = json.loads(home.ledger.read_text().splitlines()[-1])
    assert (last["event"], last["with_number"]) == ("person opened", True)
    stranger = CliRunner().invoke(
        main, ["person", "--study", "dlms", "--released-id", str(person)], env=environment
    )
    assert stranger.exit_code == 2
    assert "each study has ids of its own" in stranger.output


def test_hashing_every_number_without_the_key_gives_nobodys_id(small):
    """The lake in hand and the rule known: the key alone stands between a number and its id."""
    from etl.pseudonym import person_ids as ids_of

    home = Home(small[0])
    keys = restricted.Keys(story.KEY.encode())
    con = duckdb.connect()
    keys.attach_identity(con, home.identity)
    known = dict(
        con.execute("select pnr, person_id from identity.number where person_id > 0").fetchall()
    )
    ids = set(known.values())
    assert ids & set(ids_of(known, keys.secret).values())
    for guess in (b"", b"kobling", b"0" * 32, keys.key_id.encode(), keys.secret[:-1]):
        assert not ids & set(ids_of(known, guess or b"\0").values())
    for number in known:
        for made in (number, f"{number[:6]}-{number[6:]}"):
            for name in ("md5", "sha1", "sha256", "sha512"):
                digest = hashlib.new(name, made.encode()).digest()
                assert int.from_bytes(digest[:8], "big") >> 1 not in ids


def test_what_comes_after_linkage_works_without_the_restricted_store(small, tmp_path):
    """Rows, findings and who is who are somewhere else: the same release is made again."""
    home = Home(tmp_path / "home")
    shutil.copytree(small[0], home.root, symlinks=True)
    before = story.contents((home.releases / "dlms" / "current").resolve())
    for place in (home.landing, home.quarantine, home.findings, home.identity, home.inbox):
        place.rename(tmp_path / place.name)
    shutil.rmtree(home.deliveries)
    home.warehouse.unlink()
    shutil.rmtree(home.releases)
    for command in (["select"], ["check"], ["estimate", "dlms"], ["release", "dlms"]):
        ended = CliRunner().invoke(main, command, env=story.environment(home.root))
        assert ended.exit_code == 0, ended.output
    assert story.contents((home.releases / "dlms" / "current").resolve()) == before
    assert not home.identity.exists()
    assert not home.landing.exists()
