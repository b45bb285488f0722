"""A late, a shrunken, a corrupt and a duplicate delivery end as their runbook says, and are told.

Each begins in a home that is released, with a delivery of `dsd`, a stock. The live
releases stay what they are throughout.
"""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl import release
from etl.cli import main
from etl.home import Home
from etl.settings import CHECKOUT
from etl.steps import checking
from tests import story
from tests.mail_server import PASSWORD, USER, certificate, serving

DELIVERY, FILE = "2023-03-15", "sarcoma.csv"


class Keeper:
    """A home that is released, an inbox of its own, and somebody who types."""

    def __init__(self, home: Path, inbox: Path) -> None:
        self.home, self.inbox = home, inbox
        # What others had to tell of this home is told.
        assert self.kobling("notify").exit_code == 0
        self.n_told = len(self._numbers())

    def kobling(self, *words: str) -> Result:
        return CliRunner().invoke(main, words, env=story.environment(self.home))

    def deliver(self, day: str, text: bytes | None = None, *, is_sealed: bool = True) -> Path:
        """Hand over `dsd` as it was delivered first, or with another text under its manifest."""
        folder = self.inbox / "dsd" / day
        shutil.copytree(self.home / "deliveries" / "dsd" / DELIVERY, folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["delivered_on"] = day
        (file,) = manifest["files"]
        if text is not None:
            (folder / file["path"]).write_bytes(text)
            if is_sealed:
                file |= {
                    "rows": text.count(b"\n") - 1,
                    "bytes": len(text),
                    "sha256": hashlib.sha256(text).hexdigest(),
                }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    def sent_before(self) -> bytes:
        (path,) = (self.home / "deliveries" / "dsd" / DELIVERY).glob("*.csv")
        return path.read_bytes()

    def _numbers(self) -> list[Path]:
        return sorted((self.home / "notices").glob("*.txt"))

    def told(self) -> list[str]:
        """The notices since this was last asked."""
        new = self._numbers()[self.n_told :]
        self.n_told += len(new)
        return [path.read_text(encoding="utf-8") for path in new]


def live(home: Path) -> dict[str, dict[str, str]]:
    """Every file of every live release, by its hash."""
    found = {}
    for study in sorted(path.name for path in (home / "releases").iterdir()):
        place = release.current(Home(home), study)
        found[f"{study}/{place.name}"] = story.contents(place)
    assert len(found) > 1
    return found


@pytest.fixture
def keeper(small, tmp_path) -> Iterator[Keeper]:
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    before = live(home)
    yield Keeper(home, tmp_path / "inbox")
    assert live(home) == before


def heading(text: str) -> str:
    return text.splitlines()[0]


def hold_runbook(text: str, cause: str) -> None:
    assert text.endswith(f"runbook: docs/runbooks/{cause}.md\n")
    assert (CHECKOUT / "docs" / "runbooks" / f"{cause}.md").is_file()


def test_a_late_delivery_is_told_once_apart_from_stale_data_and_over_when_it_comes(
    keeper, monkeypatch
):
    (keeper.home / "kobling.toml").write_text(
        "[registers.dsd]\nevery_days = 31\nlate_after_days = 7\n"
        "[registers.patobank]\nevery_days = 365\nstale_after_days = 30\n"
    )

    def on(day: dt.date) -> Result:
        monkeypatch.setattr(checking, "today", lambda: day)
        return keeper.kobling("notify")

    assert "nothing has changed" in on(dt.date(2023, 3, 30)).output
    told = on(dt.date(2023, 4, 23))
    assert told.exit_code == 0
    late, stale = keeper.told()
    assert heading(late) == "Kobling warn: delivery_late: dsd"
    assert "the next was due on 2023-04-15" in late
    assert heading(stale) == "Kobling warn: data_stale: patobank"
    hold_runbook(late, "delivery_late")
    hold_runbook(stale, "data_stale")
    assert "nothing has changed" in on(dt.date(2023, 4, 24)).output
    # It comes, and is on time by what was set.
    keeper.deliver("2023-04-25")
    assert keeper.kobling("receive", str(keeper.inbox)).exit_code == 0
    assert on(dt.date(2023, 4, 25)).exit_code == 0
    assert [heading(text) for text in keeper.told()] == ["Kobling over: delivery_late: dsd"]


def test_a_corrupt_delivery_is_refused_and_told_until_it_is_out_of_the_way(keeper):
    bad = keeper.deliver("2024-01-10", keeper.sent_before()[:-40], is_sealed=False)
    ended = keeper.kobling("run", str(keeper.inbox))
    assert ended.exit_code == 2
    assert "Error: " in ended.stderr
    (told,) = keeper.told()
    assert heading(told) == "Kobling fail: delivery_refused: dsd/2024-01-10"
    flat = " ".join(told.split())
    assert "The file is cut or changed; ask the keeper to send the delivery again." in flat
    hold_runbook(told, "delivery_refused")
    # The same every night: nothing has changed.
    assert keeper.kobling("run", str(keeper.inbox)).exit_code == 2
    assert keeper.told() == []
    assert not (keeper.home / "deliveries" / "dsd" / "2024-01-10").exists()
    # As the page says: out of the inbox, and the road goes on.
    shutil.rmtree(bad)
    keeper.deliver("2024-01-11")
    assert keeper.kobling("receive", str(keeper.inbox)).exit_code == 0
    assert keeper.kobling("notify").exit_code == 0
    assert [heading(text) for text in keeper.told()] == [
        "Kobling over: delivery_refused: dsd/2024-01-10"
    ]


def test_a_shrunken_delivery_lands_and_is_told_until_a_whole_one_replaces_it(keeper):
    lines = keeper.sent_before().splitlines(keepends=True)
    keeper.deliver("2024-01-10", b"".join(lines[:8]))
    assert keeper.kobling("receive", str(keeper.inbox)).exit_code == 0
    landed = keeper.kobling("land", "--register", "dsd")
    assert landed.exit_code == 0, landed.output
    assert keeper.kobling("notify").exit_code == 0
    (told,) = keeper.told()
    assert heading(told) == "Kobling warn: delivery_shrunken: dsd/2024-01-10"
    assert f"{len(lines) - 1} in {DELIVERY}, which it replaces" in " ".join(told.split())
    hold_runbook(told, "delivery_shrunken")
    # As the page says: the whole of it again, with a later date.
    keeper.deliver("2024-01-20", keeper.sent_before())
    assert keeper.kobling("receive", str(keeper.inbox)).exit_code == 0
    assert keeper.kobling("land", "--register", "dsd").exit_code == 0
    assert keeper.kobling("notify").exit_code == 0
    assert [heading(text) for text in keeper.told()] == [
        "Kobling over: delivery_shrunken: dsd/2024-01-10"
    ]


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
def test_a_duplicate_delivery_changes_no_row_and_is_told_by_mail(keeper, tmp_path, monkeypatch):
    pem, password = certificate(tmp_path), tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with serving(pem) as (port, mailbox):
        (keeper.home / "kobling.toml").write_text(
            f'[notices]\nsend = "smtp"\nsmtp_host = "127.0.0.1"\nsmtp_port = {port}\n'
            f'smtp_user = "{USER}"\nsmtp_password_file = "{password}"\n'
            'sender = "kobling@example.dk"\nrecipients = ["data@example.dk"]\n'
        )
        # The very same is received once and told never.
        shutil.copytree(
            keeper.home / "deliveries" / "dsd" / DELIVERY, keeper.inbox / "dsd" / DELIVERY
        )
        received = keeper.kobling("receive", str(keeper.inbox))
        assert "received before, nothing new" in received.output
        keeper.deliver("2024-01-10")
        assert keeper.kobling("receive", str(keeper.inbox)).exit_code == 0
        assert keeper.kobling("land", "--register", "dsd").exit_code == 0
        sent = keeper.kobling("notify")
        assert "mailed to data@example.dk: Kobling warn: delivery_duplicate" in sent.output
        assert "nothing has changed" in keeper.kobling("notify").output
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Kobling warn: delivery_duplicate: dsd/2024-01-10"
    assert f"delivered before, in {DELIVERY}" in " ".join(mail.get_content().split())
    hold_runbook(mail.get_content().replace("\r\n", "\n"), "delivery_duplicate")
    ledger = (keeper.home / "ledger.jsonl").read_text().splitlines()
    assert json.loads(ledger[-1])["event"] == "notice sent"
    # With the server gone the next one waits: the line says so, and nothing is lost.
    bad = keeper.deliver("2024-01-21", b"cut", is_sealed=False)
    assert keeper.kobling("receive", str(keeper.inbox)).exit_code == 2
    ended = keeper.kobling("notify")
    assert ended.exit_code == 2
    assert "the notice is kept, and sent by the next `kobling notify`" in ended.stderr
    with serving(pem, port=port) as (_, mailbox):
        shutil.rmtree(bad)
        assert keeper.kobling("notify").exit_code == 0
    assert [mail["Subject"] for mail in mailbox.mails] == [
        "Kobling fail: delivery_refused: dsd/2024-01-21"
    ]


def test_no_notice_holds_a_planted_number_and_a_break_down_is_told_without_its_value(
    keeper, monkeypatch
):
    planted = (keeper.home / "restricted" / "answers" / "numbers.txt").read_text().split()

    def breaks(*_: object, **__: object) -> None:
        raise ValueError(f"cannot convert {planted[0]}")

    for place in ("etl.steps.receive", "etl.steps.road.receive"):
        monkeypatch.setattr(place, breaks)
    assert keeper.kobling("run", str(keeper.inbox)).exit_code == 1
    assert keeper.kobling("receive", str(keeper.inbox)).exit_code == 1
    assert keeper.kobling("notify").exit_code == 0
    texts = [path.read_text() for path in (keeper.home / "notices").iterdir() if path.is_file()]
    assert any("kobling receive: ValueError; its log has the traceback" in text for text in texts)
    assert len(planted) > 1000
    assert not [number for number in planted for text in texts if number in text]
