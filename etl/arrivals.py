"""A delivery has arrived: the trigger by which Airflow starts a refresh when somebody says so.

Whoever brings a delivery puts an empty file `delivered` beside its files, last. The trigger looks
at the inbox every few seconds and fires for flags that it has not fired for; which those are lies
in Airflow's metadata, so that a triggerer that starts again repeats nothing. Killed between firing
and noting it fires twice, and the second refresh finds nothing new.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from etl import deliveries, registers

POLL_SECONDS = 10
TOLD = "flags"


def flags(inbox: Path) -> dict[str, int]:
    """register/folder of every flagged delivery of a known register → when it was flagged, in
    nanoseconds: a delivery that is corrected and flagged again has arrived again."""
    return {
        f"{folder.parent.name}/{folder.name}": (folder / deliveries.FLAG).stat().st_mtime_ns
        for register in registers.catalogue()
        for folder in sorted((inbox / register).glob("*"))
        if deliveries.FOLDER_NAME.fullmatch(folder.name) and deliveries.is_flagged(folder)
    }


class DeliveryTrigger(BaseEventTrigger):
    """Fires with the names of the deliveries that have been flagged since it fired last."""

    def __init__(self, inbox: str, poll_seconds: float = POLL_SECONDS) -> None:
        super().__init__()
        self.inbox, self.poll_seconds = inbox, poll_seconds

    def serialize(self) -> tuple[str, dict]:
        return (
            "etl.arrivals.DeliveryTrigger",
            {"inbox": self.inbox, "poll_seconds": self.poll_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        told = await self.asset_state_store.aget(TOLD, {})
        while True:
            try:
                now = await asyncio.to_thread(flags, Path(self.inbox))
            except OSError as error:  # a network disk that is away comes back
                self.log.warning("%s: %s", self.inbox, error.strerror)
                now = told
            if new := sorted(name for name, at in now.items() if told.get(name) != at):
                yield TriggerEvent({"deliveries": new})
            if now != told:
                told = now
                await self.asset_state_store.aset(TOLD, told)
            await asyncio.sleep(self.poll_seconds)
