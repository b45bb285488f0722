"""A failing record confirmed as it stands, or the confirmation taken back."""

import datetime as dt
import secrets

from etl import ledger, overrides, restricted
from etl.errors import QualityError
from etl.home import connect, one_writer, open_home
from etl.settings import Settings
from etl.steps import checking
from etl.steps.checking import contents_of, is_stored
from etl.steps.selecting import require_warehouse
from etl.steps.wording import hold_words


def confirm(
    settings: Settings, check_name: str, row_key: dict, by: str, reason: str, until: dt.date | None
) -> str:
    """Confirm one failing record of the present refresh as it stands."""
    from etl import quality

    home = open_home(settings)
    hold_words("--by", by)
    hold_words("--reason", reason)
    with one_writer(home):
        refresh = require_warehouse(settings, home)
        keys = restricted.keys_of(settings)
        with connect(settings, home.warehouse) as con:
            results = quality.stored_results(con, refresh) if is_stored(con, refresh) else []
            named = [result for result in results if result.name == check_name]
            if not named:
                raise QualityError(
                    f"{check_name}: no check of the present refresh has that name. Expected "
                    "suite: id, as quality.result has them. Run `kobling check` first, or correct "
                    "the name."
                )
            row = {name: str(value) for name, value in row_key.items()}
            contents = {}
            for result in named:
                key = tuple(row.get(name, "") for name in result.key_columns)
                if set(row) == set(result.key_columns) and key in result.failing:
                    contents |= contents_of(home, con, keys, result, [key])
        if not contents:
            raise QualityError(
                f"{check_name}: no failing row of a table has this key. Expected the row_key of "
                "one, as quality.failure of the warehouse has it. A check that is about no row of "
                "its table can be waived, not confirmed."
            )
        (content,) = contents.values()
        override = overrides.Override(
            id=secrets.token_hex(overrides.ID_LENGTH // 2),
            check=check_name,
            row=overrides.row_hash(keys, check_name, content),
            reviewer=by.strip(),
            reviewed_on=checking.today(),
            expires_on=until or checking.today() + dt.timedelta(days=365),
            reason=reason.strip(),
        )
        overrides.hold_new(home, override)
        ledger.record(
            home,
            "record confirmed",
            check=check_name,
            override=override.id,
            by=override.reviewer,
            reason=override.reason,
            until=override.expires_on,
        )
        overrides.add(home, override)
    return (
        f"{override.id}: confirmed until {override.expires_on}, unless anything in the record "
        "changes. `kobling check` counts it from now on."
    )


def unconfirm(settings: Settings, override_id: str) -> str:
    """Take a confirmation back."""
    home = open_home(settings)
    with one_writer(home):
        gone = overrides.named(home, override_id)
        ledger.record(home, "confirmation taken back", check=gone.check, override=gone.id)
        overrides.take_away(home, gone)
    return f"{override_id}: taken back. `kobling check` counts the record as failing again."
