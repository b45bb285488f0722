"""The only conductor: one function per step of the road. Opens, calls, saves, tells.

No rule about registers, persons or risks lives here. Each step knows by its key whether it has
anything to do: the same deliveries, definitions and code give the same key, and then it says so.
"""

from etl.steps.asking import (
    diff,
    settings_that_differ,
    settings_told,
    settings_written,
    state,
    status,
    study_check,
    study_compare,
    study_flow,
    study_names,
    study_new,
    study_show,
    study_why,
    verify,
)
from etl.steps.backfilling import backfill
from etl.steps.checking import check
from etl.steps.confirming import confirm, unconfirm
from etl.steps.estimating import estimate, evidence_keys, plan_of
from etl.steps.landing import check_landed, land, put_aside_list, quarantine_as_given
from etl.steps.linking import link
from etl.steps.notifying import note_failure, note_killed, note_success, notify
from etl.steps.promoting import preview, promote, rollback
from etl.steps.rebuilding import rebuild
from etl.steps.receiving import receive, receive_from_database
from etl.steps.releasing import release, summary
from etl.steps.requests import erase, person_behind, person_held, rotate_key
from etl.steps.road import nothing_new, run
from etl.steps.selecting import select, select_key

__all__ = [
    "backfill",
    "check",
    "check_landed",
    "confirm",
    "diff",
    "erase",
    "estimate",
    "evidence_keys",
    "land",
    "link",
    "note_failure",
    "note_killed",
    "note_success",
    "nothing_new",
    "notify",
    "person_behind",
    "person_held",
    "plan_of",
    "preview",
    "promote",
    "put_aside_list",
    "quarantine_as_given",
    "rebuild",
    "receive",
    "receive_from_database",
    "release",
    "rollback",
    "rotate_key",
    "run",
    "select",
    "select_key",
    "settings_that_differ",
    "settings_told",
    "settings_written",
    "state",
    "status",
    "study_check",
    "study_compare",
    "study_flow",
    "study_names",
    "study_new",
    "study_show",
    "study_why",
    "summary",
    "unconfirm",
    "verify",
]
