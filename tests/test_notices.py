"""Somebody is told what stands: once, grouped by cause, and never lost."""

import datetime as dt
import errno
import shutil
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from etl import cli, ledger, notices, steps
from etl.errors import (
    BusyError,
    DeliveryError,
    DiskError,
    KoblingError,
    NoticeError,
    QualityError,
    SettingsError,
)
from etl.home import Home, open_home, read_json
from etl.notices import CheckState, Concern, Excepted, Failure, outbox
from etl.notices.causes import CAUSES
from etl.notices.concerns import after_success
from etl.notices.telling import MOST_LINES, tell, written
from etl.settings import Calendar, Notices, Settings
from etl.steps import checking, notifying
from tests.conftest import ANNA
from tests.mail_server import PASSWORD, UNKNOWN, USER, certificate, free_port, serving

# It cannot see that a login comes over TLS from the beginning.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")

DAY = dt.date(2024, 6, 1)
WHERE = "/data/kobling, a mock home"


def a_refusal(day: str = "2024-06-01", text: str = "cut") -> Concern:
    return Concern("delivery_refused", f"dsd/{day}", text)


def headings(told: list) -> list[str]:
    return [notice.heading for notice in told]


# ------------------------------------------------------------------ what is told


def test_what_stands_is_told_once_again_when_it_changes_and_once_when_it_is_over():
    told, memory = tell([a_refusal()], {})
    assert headings(told) == ["Kobling fail: delivery_refused: dsd/2024-06-01"]
    assert tell([a_refusal()], memory) == ([], memory)
    changed, memory = tell([a_refusal(text="a column is missing")], memory)
    assert [notice.changed for notice in changed] == [{"dsd/2024-06-01": "a column is missing"}]
    over, memory = tell([], memory)
    assert headings(over) == ["Kobling over: delivery_refused: dsd/2024-06-01"]
    assert tell([], memory) == ([], {})


def test_there_is_one_notice_for_each_cause_with_all_that_it_concerns():
    stand = [Concern("check_warns", f"marts.cohort: rule_{n}", "fails") for n in range(30)]
    told, _ = tell([*stand, a_refusal(), a_refusal("2024-06-02")], {})
    assert [(notice.cause.name, notice.severity, len(notice.new)) for notice in told] == [
        ("delivery_refused", "fail", 2),
        ("check_warns", "warn", 30),
    ]
    text = written(told[1], WHERE)
    assert text.count("marts.cohort: rule_") == MOST_LINES + 1
    assert f"and {30 - MOST_LINES} more\n" in text


def test_what_is_over_while_others_stand_is_not_told_as_if_it_had_begun():
    _, memory = tell([a_refusal(), a_refusal("2024-06-02")], {})
    (told,), _ = tell([a_refusal()], memory)
    assert told.heading == "Kobling fail: delivery_refused: dsd/2024-06-02: over, others stand"
    text = written(told, WHERE)
    assert "over:\n  dsd/2024-06-02: cut" in text
    assert "Besides, 1 stands as told before." in text


def test_nobody_is_told_that_an_event_is_over():
    event = Concern("check_worsened", "marts.cohort: age", "fails in 12 of 300 rows")
    told, memory = tell([event], {})
    assert len(told) == 1
    assert tell([], memory) == ([], {})


def test_a_notice_says_where_what_what_to_do_and_its_page():
    (told,), _ = tell([a_refusal(text="found 100 bytes, expected 303")], {})
    text = written(told, WHERE)
    for words in (WHERE, "found 100 bytes", CAUSES["delivery_refused"].to_do):
        assert words in text
    assert text.endswith("runbook: docs/runbooks/delivery_refused.md\n")


def test_no_heading_breaks_a_line():
    told, _ = tell([Concern("run_failed", "kobling\nrun", "x")], {})
    assert headings(told) == ["Kobling fail: run_failed: kobling run"]


# ------------------------------------------------------------------ late and stale


@pytest.mark.parametrize(
    ("days_after", "is_late"), [(0, False), (31, False), (38, False), (39, True)]
)
def test_a_register_is_late_when_a_delivery_was_due_and_some_days_have_passed(days_after, is_late):
    calendars = {"dsd": Calendar(every_days=31, late_after_days=7)}
    today = DAY + dt.timedelta(days=days_after)
    assert bool(notices.late(calendars, {"dsd": DAY}, today)) == is_late


def test_late_is_told_once_however_late_it_gets():
    calendars = {"dsd": Calendar(every_days=31)}
    first, later = (
        notices.late(calendars, {"dsd": DAY}, DAY + dt.timedelta(days=n)) for n in (32, 300)
    )
    assert first == later != []
    assert "due on 2024-07-02" in first[0].text


def test_a_register_that_never_came_is_late_and_one_without_a_calendar_never():
    (told,) = notices.late({"dsd": Calendar(every_days=31), "cpr": Calendar()}, {"lpr2": DAY}, DAY)
    assert (told.subject, "nothing was ever received" in told.text) == ("dsd", True)


@pytest.mark.parametrize(("days_after", "is_stale"), [(90, False), (91, True)])
def test_data_are_stale_when_they_end_too_long_ago_though_deliveries_come(days_after, is_stale):
    calendars = {"dsd": Calendar(every_days=31, stale_after_days=90)}
    today = DAY + dt.timedelta(days=days_after)
    assert bool(notices.stale(calendars, {"dsd": DAY}, today)) == is_stale
    assert notices.late(calendars, {"dsd": today}, today) == []
    assert notices.stale(calendars, {}, today) == []


def test_a_refresh_is_late_when_none_has_passed_for_too_long():
    assert notices.refresh_late(DAY, 7, DAY + dt.timedelta(days=7)) == []
    (told,) = notices.refresh_late(DAY, 7, DAY + dt.timedelta(days=8))
    assert "since 2024-06-01" in told.text
    assert notices.refresh_late(DAY, 0, DAY + dt.timedelta(days=800)) == []
    assert notices.refresh_late(None, 7, DAY) == []


# ------------------------------------------------------------------ deliveries


def entry(event: str, day: str, register: str = "dsd") -> dict:
    return {"event": f"delivery {event}", "delivery": f"{register}/{day}", "reason": f"bad {day}"}


BAD, GOOD = "2024-06-01", "2024-06-08"


@pytest.mark.parametrize(
    ("in_store", "ledger", "is_receiving_refused", "stand"),
    [
        ({}, [entry("refused", BAD)], True, [BAD]),
        # Nothing is refused any longer: it was taken out of the inbox.
        ({}, [entry("refused", BAD)], False, []),
        ({}, [entry("refused", BAD), entry("received", BAD)], True, []),
        ({}, [entry("refused", BAD), entry("accepted", GOOD)], True, []),
        ({}, [entry("refused", BAD), entry("accepted", GOOD, "cpr")], True, [BAD]),
        ({}, [entry("refused", GOOD), entry("accepted", BAD)], True, [GOOD]),
        # It lies in the inbox still, and keeps the road red.
        ({}, [entry("refused", BAD), entry("accepted", GOOD), entry("refused", BAD)], True, [BAD]),
        ({f"dsd/{BAD}": "bad"}, [entry("received", BAD), entry("refused", BAD)], False, [BAD]),
        (
            {f"dsd/{BAD}": "bad"},
            [entry("received", BAD), entry("refused", BAD), entry("accepted", GOOD)],
            False,
            [],
        ),
        # An older one, refused after a newer was accepted, is told all the same.
        ({f"dsd/{BAD}": "bad"}, [entry("accepted", GOOD), entry("refused", BAD)], False, [BAD]),
    ],
)
def test_a_refused_delivery_stands_until_a_better_one_or_nobody_waits_for_it(
    in_store, ledger, is_receiving_refused, stand
):
    found = notices.refused(in_store, ledger, is_receiving_refused)
    assert [concern.subject for concern in found] == [f"dsd/{day}" for day in stand]


def accepted(day: str, sha256: str = "a", findings: tuple = ()) -> dict:
    return {
        "register": "dsd",
        "folder": day,
        "files": [{"table": "sarcoma", "period": "all", "sha256": sha256}],
        "findings": list(findings),
    }


def finding(kind: str, rows: int, before: int, period: str = "all") -> dict:
    return {
        "finding": kind, "table": "sarcoma", "period": period, "rows": rows, "rows_before": before,
        "text": kind,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "is_told"),
    [
        (finding("shrunken", 98, 100), False),
        (finding("shrunken", 97, 100), True),
        (finding("shrunken", 850, 1000, "2005"), True),
        (finding("shrunken", 900, 1000, "2005"), False),
        (finding("shrunken", 60, 100, "2005"), False),  # few rows
        (finding("gone", 0, 100, "2005"), True),
        (finding("grown", 200, 100), False),
        (finding("part_of_a_year", 90, 100, "2005"), False),
    ],
)
def test_a_delivery_that_counts_is_shrunken_beyond_the_bounds_or_not(one, is_told):
    records, counting = [accepted(GOOD, findings=(one,))], {("dsd", GOOD)}
    assert bool(notices.shrunken(records, counting, 2, 10, 50)) == is_told
    assert notices.shrunken(records, set(), 2, 10, 50) == []


def test_a_delivery_of_nothing_but_old_files_is_a_duplicate_until_others_come():
    first, copy, other = accepted("2024-06-01"), accepted("2024-07-01"), accepted("2024-08-01", "b")
    assert notices.duplicates([first]) == []
    (told,) = notices.duplicates([first, copy])
    assert (told.subject, "in 2024-06-01" in told.text) == ("dsd/2024-07-01", True)
    assert notices.duplicates([first, copy, other]) == []
    more = copy | {"files": [*copy["files"], {"table": "t", "period": "all", "sha256": "c"}]}
    assert notices.duplicates([first, more]) == []


# ------------------------------------------------------------------ checks and exceptions

CHECK = CheckState("marts.cohort: age", "An age can be.", "warn", "fail", 300, 12, "same")


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"severity": "fatal"}, "check_failed"),
        ({"severity": "fatal", "status": "not_run"}, "check_failed"),
        ({}, "check_warns"),
        ({"is_waived": True}, None),
        ({"severity": "fatal", "is_waived": True}, None),
        ({"status": "pass_with_findings"}, None),
        ({"status": "pass_with_findings", "change": "first"}, None),
        ({"status": "pass_with_findings", "change": "improved"}, None),
        ({"status": "pass_with_findings", "change": "worsened"}, "check_worsened"),
        ({"status": "pass_with_findings", "change": "new"}, "check_worsened"),
        ({"status": "pass", "change": "fixed", "n_failing": 0}, None),
    ],
)
def test_a_check_is_told_where_it_fails_or_has_worsened(changes, cause):
    found = notices.checks([replace(CHECK, **changes)], 5)
    assert [concern.cause for concern in found] == ([cause] if cause else [])


def test_no_small_count_of_rows_leaves_in_a_notice():
    (told,) = notices.checks([replace(CHECK, n_failing=3)], 5)
    assert told.text.startswith("fails in fewer than 5 of 300 rows")
    (told,) = notices.checks([replace(CHECK, n_failing=5)], 5)
    assert told.text.startswith("fails in 5 of 300 rows")
    (told,) = notices.checks([replace(CHECK, n_failing=1, n_checked=2)], 5)
    assert told.text.startswith("fails in some of fewer than 5 rows")
    waits = {"study": "dlms", "release": "a1", "outside_bounds": ["6 persons left a cohort of 7"]}
    (told,) = notices.staged({"dlms": "a1"}, [waits])
    assert "7" not in told.text


@pytest.mark.parametrize(
    ("days_left", "words"), [(15, None), (14, "ends with"), (0, "ends with"), (-1, "ended with")]
)
def test_a_waiver_that_is_needed_is_told_before_it_ends(days_left, words):
    waiver = Excepted("waiver 1", "marts.cohort: age", "K. Hansen", DAY)
    today = DAY - dt.timedelta(days=days_left)
    found = notices.ending([waiver], {"marts.cohort: age"}, today)
    assert [words in concern.text for concern in found] == ([True] if words else [])
    assert notices.ending([waiver], set(), today) == []


# ------------------------------------------------------------------ commands that failed


def chained(text: str, cause: Exception) -> KoblingError:
    error = KoblingError(text)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (RuntimeError("IO Error: Could not write file: No space left on device"), "disk_full"),
        (chained("the lake cannot be written", OSError(errno.EDQUOT, "")), "disk_full"),
        (DiskError("/data: no space left on device. Expected room"), "disk_full"),
        (OSError(errno.EIO, "Input/output error"), "run_failed"),
        (BusyError("another kobling command is writing here"), "home_locked"),
        (KoblingError("no key"), "run_failed"),
        (ValueError(f"cannot use Hansen or {ANNA}"), "run_failed"),
    ],
)
def test_a_failed_command_has_the_cause_of_its_error_and_no_value_of_it(error, cause):
    failure = notices.failure_of(error)
    assert failure.cause == cause
    assert ANNA not in failure.text
    assert "Hansen" not in failure.text
    assert ("no key" in failure.text) == ("no key" in str(error))


def test_a_refusal_that_is_told_by_what_stands_is_not_told_again_as_a_failure():
    failures = {
        "run": notices.failure_of(DeliveryError("cut")),
        "check": notices.failure_of(QualityError("red")),
    }
    assert [c.subject for c in notices.failed(failures, [a_refusal()])] == ["kobling check"]
    assert len(notices.failed(failures, [])) == 2


@pytest.mark.parametrize(
    ("job", "left"),
    [
        ("run", set()),
        ("receive", {"estimate dlms"}),
        ("receive --register", {"run", "receive", "receive dsd", "estimate dlms"}),
        ("estimate dlms", {"run", "receive", "receive dsd"}),
    ],
)
def test_a_command_that_succeeds_has_failed_no_longer(job, left):
    failure = Failure("run_failed", "DeliveryError", "x")
    failures = dict.fromkeys(("run", "receive", "receive dsd", "estimate dlms"), failure)
    assert set(after_success(failures, job)) == left


# ------------------------------------------------------------------ the files


class Taking:
    """A notifier that keeps what it is given, and refuses from a number on."""

    to = "kept"

    def __init__(self, refuses_from: int = 1000) -> None:
        self.refuses_from, self.taken = refuses_from, []

    def send(self, number: int, text: str) -> None:
        if number >= self.refuses_from:
            raise NoticeError("nobody is there")
        self.taken.append(number)


def post(home: Home, *concerns: Concern, notifier=None) -> list[int]:
    sent = []
    notifier = notifier or notices.ToFiles(home)
    notices.post(home, list(concerns), WHERE, notifier, lambda number, text: sent.append(number))
    return sent


def numbered(home: Home) -> dict[str, str]:
    return {p.stem: p.read_text().splitlines()[0] for p in sorted(home.notices.glob("*.txt"))}


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def test_notices_are_numbered_files_in_the_order_in_which_they_were_told(home):
    assert post(home, a_refusal(), Concern("data_stale", "cpr", "old")) == [1, 2]
    assert post(home, a_refusal(), Concern("data_stale", "cpr", "old")) == []
    assert post(home, a_refusal()) == [3]
    assert numbered(home) == {
        "000001": "Kobling fail: delivery_refused: dsd/2024-06-01",
        "000002": "Kobling warn: data_stale: cpr",
        "000003": "Kobling over: data_stale: cpr",
    }


def test_no_notice_and_no_memory_holds_a_personal_number(home):
    concern = a_refusal(text=f"found {ANNA} and {ANNA[:6]}-{ANNA[6:]}")
    post(home, concern, Concern("run_failed", f"kobling receive {ANNA}", "x"))
    outbox.note_failure(home, "receive", ValueError(ANNA))
    held = [path for path in home.notices.iterdir() if path.is_file()]
    assert len(held) > 4
    assert not [path for path in held if ANNA[6:] in path.read_text()]


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_kill_before_it_is_remembered_tells_twice_and_never_loses(home, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_remember", killed)
        with pytest.raises(KeyboardInterrupt):
            post(home, a_refusal())
    taking = Taking()
    assert post(home, a_refusal(), notifier=taking) == [1, 2] == taking.taken
    assert len(set(numbered(home).values())) == 1


def test_a_kill_after_it_was_sent_sends_twice_and_never_loses(home, monkeypatch):
    taking = Taking()
    with monkeypatch.context() as patch:
        patch.setattr(taking, "send", killed)
        with pytest.raises(KeyboardInterrupt):
            post(home, a_refusal(), notifier=taking)
    assert post(home, a_refusal(), notifier=taking) == [1] == taking.taken


def test_what_nobody_takes_is_kept_and_sent_the_next_time_in_order(home):
    with pytest.raises(NoticeError):
        post(home, a_refusal(), Concern("data_stale", "cpr", "old"), notifier=Taking(2))
    taking = Taking()
    assert post(home, Concern("data_stale", "cpr", "old"), notifier=taking) == [2, 3]
    assert post(home, Concern("data_stale", "cpr", "old"), notifier=taking) == []
    assert numbered(home)["000003"].startswith("Kobling over: delivery_refused")


def test_numbers_go_on_where_old_notices_were_cleared_away(home):
    post(home, a_refusal())
    (home.notices / "000001.txt").unlink()
    assert post(home) == [2]


def test_where_no_file_can_be_written_the_notice_is_sent_all_the_same(home, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    taking = Taking()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "replace_text", full)
        patch.setattr(outbox, "replace_json", full)
        with pytest.raises(NoticeError, match="No space left on device"):
            post(home, a_refusal(), notifier=taking)
    assert taking.taken == [1]
    assert post(home, a_refusal()) == [1]


def test_a_memory_that_nobody_can_read_tells_all_again(home):
    post(home, a_refusal())
    (home.notices / "told.json").write_text("{")
    assert post(home, a_refusal()) == [2]


# ------------------------------------------------------------------ mail


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> Path:
    return certificate(tmp_path_factory.mktemp("mail"))


@pytest.fixture
def wanted(pem, tmp_path, monkeypatch) -> Notices:
    """Settings for a server whose authority this machine knows."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    password = tmp_path / "mail.password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    return Notices(
        send="smtp",
        smtp_host="127.0.0.1",
        smtp_user=USER,
        smtp_password_file=password,
        sender="kobling@example.dk",
        recipients=("data@example.dk", "manager@example.dk"),
    )


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_notice_arrives_by_mail_over_the_way_that_was_set(wanted, pem, home, security):
    with serving(pem, security) as (port, mailbox):
        wanted = replace(wanted, smtp_port=port, smtp_security=security)
        if security == "none":
            wanted = replace(wanted, smtp_user="")
        assert post(home, a_refusal(text="før 1994"), notifier=notices.ByMail(wanted)) == [1]
        assert post(home, a_refusal(text="før 1994"), notifier=notices.ByMail(wanted)) == []
    (mail,) = mailbox.mails
    assert mailbox.to == [["data@example.dk", "manager@example.dk"]]
    assert mail["Subject"] == "Kobling fail: delivery_refused: dsd/2024-06-01"
    assert mail["From"] == "kobling@example.dk"
    text = mail.get_content()
    assert "før 1994" in text
    assert "runbook: docs/runbooks/delivery_refused.md" in text


def refused(home: Home, wanted: Notices) -> str:
    """The line that says why a notice was not mailed; the notice is kept."""
    with pytest.raises(NoticeError) as error:
        post(home, a_refusal(), notifier=notices.ByMail(wanted, timeout_seconds=0.5))
    assert list(numbered(home)) == ["000001"]
    assert not (home.notices / "sent.json").exists()
    line = str(error.value)
    assert "Expected" in line
    assert "kept" in line
    assert PASSWORD not in line
    return line


def test_a_mail_server_that_is_down_or_silent_is_told_and_the_notice_waits(
    wanted, pem, home, monkeypatch
):
    patience, connect = [], socket.create_connection

    def connected(address, timeout, *more):
        patience.append(timeout)
        return connect(address, timeout, *more)

    monkeypatch.setattr(socket, "create_connection", connected)
    port = free_port()
    wanted = replace(wanted, smtp_port=port)
    assert "cannot be reached (Connection refused)" in refused(home, wanted)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", port))
        silent.listen()
        assert "does not answer within 0.5 seconds" in refused(home, wanted)
        assert "does not answer" in refused(home, replace(wanted, smtp_security="tls"))
    assert patience == [0.5, 0.5, 0.5]
    with serving(pem, port=port) as (_, mailbox):
        assert post(home, a_refusal(), notifier=notices.ByMail(wanted)) == [1]
    assert len(mailbox.mails) == 1


def test_a_mail_server_that_refuses_is_told_with_what_to_correct(wanted, pem, home, monkeypatch):
    with serving(pem) as (port, mailbox):
        wanted = replace(wanted, smtp_port=port)
        assert "(535)" in refused(home, replace(wanted, smtp_password_file=None))
        assert "refuses the mail (530)" in refused(home, replace(wanted, smtp_user=""))
        nobody = replace(wanted, recipients=(UNKNOWN,))
        assert f"takes no mail for {UNKNOWN}" in refused(home, nobody)
        monkeypatch.delenv("SSL_CERT_FILE")
        assert "cannot be trusted (CERTIFICATE_VERIFY_FAILED)" in refused(home, wanted)
        assert mailbox.mails == []
    with serving(pem, "none") as (port, mailbox):
        assert "offers no STARTTLS" in refused(home, replace(wanted, smtp_port=port))
        assert mailbox.mails == []


def test_a_password_that_others_may_read_is_not_used(wanted, home):
    path = wanted.smtp_password_file
    path.chmod(0o640)
    assert f"chmod 600 {path}" in refused(home, wanted)
    path.unlink()
    assert "cannot be read (No such file" in refused(home, wanted)


def test_one_address_that_is_not_taken_is_told_and_the_others_have_it_once(wanted, pem, home):
    with serving(pem) as (port, mailbox):
        wanted = replace(wanted, smtp_port=port, recipients=("data@example.dk", UNKNOWN))
        with pytest.raises(NoticeError, match=f"takes no mail for {UNKNOWN}"):
            post(home, a_refusal(), notifier=notices.ByMail(wanted))
        assert post(home, a_refusal(), notifier=notices.ByMail(wanted)) == []
    assert mailbox.to == [["data@example.dk"]]


def test_the_files_are_whole_and_plain(home):
    post(home, a_refusal())
    assert not list(home.notices.glob(".0*"))
    assert stat.S_IMODE((home.notices / "000001.txt").stat().st_mode) & 0o400
    assert read_json(home.notices / "told.json") == {"delivery_refused": {"dsd/2024-06-01": "cut"}}
    shutil.rmtree(home.notices)
    assert post(home, a_refusal()) == [1]


def test_a_run_that_finds_nothing_new_is_a_refresh_too(settings, monkeypatch):
    home = open_home(settings)
    home.state.mkdir()
    late = replace(settings, notices=Notices(refresh_late_after_days=7))

    def causes(day: dt.date) -> list[str]:
        monkeypatch.setattr(checking, "today", lambda: day)
        return [concern.cause for concern in notifying.standing(late, home, {})]

    ledger.record(home, "delivery received", delivery="cpr/2024-01-01")
    first = dt.datetime.now(dt.UTC).date()
    assert causes(first + dt.timedelta(days=8)) == ["refresh_late"]
    steps.note_success(late, "run")
    assert causes(first + dt.timedelta(days=15)) == []
    steps.note_success(late, "land cpr")
    assert causes(first + dt.timedelta(days=16)) == ["refresh_late"]


def test_who_forgets_to_name_the_home_is_not_told_that_all_is_well(settings):
    with pytest.raises(SettingsError, match="no home is there"):
        steps.notify(settings, print)
    assert not settings.home.exists()


def test_who_was_killed_is_told_of_until_it_succeeds_and_its_own_words_stay(settings):
    home = open_home(settings)
    steps.note_killed(settings, "promote dlms")
    steps.note_killed(settings, "promote dlms")
    (told,) = [c for c in notifying.standing(settings, home, {}) if c.cause == "run_failed"]
    assert (told.subject, "could not say why" in told.text) == ("kobling promote dlms", True)
    steps.note_failure(settings, "release dlms", KoblingError("the gate is red"))
    steps.note_killed(settings, "release dlms")
    texts = {c.subject: c.text for c in notifying.standing(settings, home, {})}
    assert texts["kobling release dlms"] == "the gate is red"
    steps.note_success(settings, "promote dlms")
    steps.note_success(settings, "release dlms")
    assert notifying.standing(settings, home, {}) == []


def test_a_command_that_is_stopped_is_kept_in_mind(settings, monkeypatch):
    home = open_home(settings)
    monkeypatch.setattr(Settings, "from_environment", lambda: settings)

    def stopped(**_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cli.keeping_in_mind("link", stopped)()
    assert [c.subject for c in notifying.standing(settings, home, {})] == ["kobling link"]
    with pytest.raises(KeyboardInterrupt):
        cli.keeping_in_mind("backfill", stopped)(by=None)  # only asked what it would do
    assert [c.subject for c in notifying.standing(settings, home, {})] == ["kobling link"]


def test_a_run_does_the_work_of_the_road_and_signs_nothing():
    failures = dict.fromkeys(("run", "release dlms", "promote dlms", "backfill", "export dlms"), 0)
    failures = {job: Failure("run_failed", "KoblingError", job) for job in failures}
    assert set(after_success(failures, "run")) == {"promote dlms", "backfill", "export dlms"}
    assert "promote dlms" not in after_success(failures, "promote dlms")


def test_a_backfill_that_succeeds_ends_what_was_told_of_another(settings, monkeypatch):
    home = open_home(settings)
    monkeypatch.setattr(Settings, "from_environment", lambda: settings)
    steps.note_killed(settings, "backfill")
    cli.keeping_in_mind("backfill", lambda **_: None)(by="K. Hansen", register="patobank")
    assert notifying.standing(settings, home, {}) == []
