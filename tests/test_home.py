"""The stores: one writer, one population, a key that nobody guesses, files whole or not at all."""

import dataclasses
import os
import stat

import duckdb
import pytest
from duckdb_extensions import import_extension

from etl import linkage, restricted
from etl.errors import BusyError, LinkageError, SettingsError
from etl.home import Home, connect, one_writer, open_home, pseudonym_key, replace_json, replace_text
from etl.settings import Settings
from tests.conftest import ANNA, KEYS


def test_a_home_is_not_opened_for_another_population(settings):
    open_home(settings)
    with pytest.raises(SettingsError, match="made for population 'mock'"):
        open_home(dataclasses.replace(settings, population="production"))


def test_a_second_writer_is_refused_at_once(settings):
    home = open_home(settings)
    refused = pytest.raises(BusyError, match="another kobling command")
    with one_writer(home), refused, one_writer(home):
        pass
    with one_writer(home):
        pass


def test_the_restricted_zone_is_for_its_owner_only(settings):
    home = open_home(settings)
    assert stat.S_IMODE(home.restricted.stat().st_mode) == 0o700


def test_a_mock_home_makes_its_key_once_for_its_owner_only(settings):
    without = dataclasses.replace(settings, key_text=None)
    home = open_home(without)
    key = pseudonym_key(without)
    assert len(key) >= 32
    assert pseudonym_key(without) == key
    assert stat.S_IMODE(home.key.stat().st_mode) == 0o600


def test_a_production_home_never_makes_a_key(settings):
    production = dataclasses.replace(settings, population="production", key_text=None)
    open_home(production)
    with pytest.raises(LinkageError, match="no pseudonym key"):
        pseudonym_key(production)


def test_a_short_key_is_refused_and_not_shown(settings):
    with pytest.raises(LinkageError, match="8 bytes") as error:
        pseudonym_key(dataclasses.replace(settings, key_text="topsecre"))
    assert "topsecre" not in str(error.value)


def test_a_key_file_that_is_not_there_is_named(settings, tmp_path):
    missing = dataclasses.replace(settings, key_text=None, key_file=tmp_path / "gone.key")
    with pytest.raises(LinkageError, match=r"gone\.key: no such key file"):
        pseudonym_key(missing)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    place = tmp_path / "state.json"
    replace_json(place, {"a": 1})

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        replace_text(place, "half")
    assert place.read_text() == '{\n  "a": 1\n}\n'


def test_the_identity_store_is_unreadable_without_its_key(settings):
    home = open_home(settings)
    with connect(settings) as con:
        con.execute(
            "create table person as select $1 as v_pnr, $1 as v_pnr_gaeld, '01' as c_status, "
            "null::date as d_status_hen_start, 'K' as c_kon, null::date as d_foddato", [ANNA],
        )  # fmt: skip
        linkage.identify(con, "person", KEYS.secret)
        restricted.keep_identity(con, home, KEYS)
    assert ANNA.encode() not in home.identity.read_bytes()
    assert stat.S_IMODE(home.identity.stat().st_mode) == 0o600
    import_extension("httpfs")
    con = duckdb.connect()
    con.execute("load httpfs")
    with pytest.raises(duckdb.Error):
        con.execute(f"attach '{home.identity}' as closed (read_only)")
    with pytest.raises(duckdb.Error):
        con.execute(f"attach '{home.identity}' as wrong (encryption_key '{'00' * 32}', read_only)")
    KEYS.attach_identity(con, home.identity)
    assert con.execute("select pnr from identity.number").fetchall() == [(ANNA,)]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KOBLING_POPULATION", "real", "Expected one of mock, production"),
        ("KOBLING_THREADS", "many", "whole number"),
        ("KOBLING_THREADS", "0", "whole number"),
        ("KOBLING_MEMORY_LIMIT", "banana", "such as 1GB"),
        ("KOBLING_HOME", "/somewhere/o'brien", "without an apostrophe"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        Settings.from_environment()


def test_the_home_is_in_the_checkout_where_nothing_is_said(monkeypatch):
    monkeypatch.delenv("KOBLING_HOME", raising=False)
    assert Home(Settings.from_environment().home).root.name == "home"
