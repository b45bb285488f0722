"""What somebody is told of: each cause with how bad it is, what it means, and what to do first.

The name of a cause is the name of its page, `docs/runbooks/<cause>.md`. Pure.
"""

from dataclasses import dataclass

FAIL, WARN = "fail", "warn"


@dataclass(frozen=True)
class Cause:
    """One kind of trouble.

    severity:
        fail  something did not happen that should have; nothing new is released until it is mended
        warn  the road goes on; somebody should look
    `is_event` is true of what has happened and does not stand: nobody is told that it is over.
    """

    name: str
    severity: str
    meaning: str
    to_do: str
    is_event: bool = False

    @property
    def runbook(self) -> str:
        return f"docs/runbooks/{self.name}.md"


# In the order in which they are told: what keeps a release from coming first.
CAUSES = {
    cause.name: cause
    for cause in (
        Cause(
            "disk_full",
            FAIL,
            "A command found no space left on a disk and stopped.",
            "Make room, then run `kobling run`: it goes on where it stopped.",
        ),
        Cause(
            "run_failed",
            FAIL,
            "A command ended before its work was done.",
            "Read its log, mend what the line says, and start the same command again.",
        ),
        Cause(
            "home_locked",
            WARN,
            "A command found another one writing in this home, and was refused.",
            "See what else is running. If it is the run before, give the schedule more time.",
        ),
        Cause(
            "delivery_refused",
            FAIL,
            "A delivery was refused whole. Nothing of it counts; the last good one stays in force.",
            "Send the line to the keeper and ask for the delivery again.",
        ),
        Cause(
            "check_failed",
            FAIL,
            "A fatal check is red. No estimate is made and the last release stays live.",
            "Look at the failing rows, then ask the keeper, correct the code, or waive the check.",
        ),
        Cause(
            "refresh_late",
            FAIL,
            "No refresh has passed its checks for longer than was set.",
            "See whether the schedule runs: `kobling status`, then the scheduler's own log.",
        ),
        Cause(
            "delivery_late",
            WARN,
            "A delivery was due and has not come.",
            "Ask the keeper when it comes, or set the calendar right.",
        ),
        Cause(
            "data_stale",
            WARN,
            "What is in force ends too long ago, whatever was delivered since.",
            "Ask the keeper why newer deliveries are complete to no later day.",
        ),
        Cause(
            "delivery_shrunken",
            WARN,
            "A delivery holds clearly less than the one that it replaces.",
            "Ask the keeper whether it is meant. If not, have it sent again with a later date.",
        ),
        Cause(
            "delivery_duplicate",
            WARN,
            "A delivery holds nothing but files that were delivered before.",
            "Ask the keeper whether the right files were sent.",
        ),
        Cause(
            "release_staged",
            WARN,
            "A release is whole and waits; the one before it stays live until somebody has looked.",
            "`kobling preview STUDY`, then `kobling promote STUDY`, or leave it.",
        ),
        Cause(
            "check_warns",
            WARN,
            "A check that is not fatal fails in more rows than it tolerates.",
            "Look at the failing rows; the release says which estimates rest on them.",
        ),
        Cause(
            "check_worsened",
            WARN,
            "More rows fail a check than in the refresh before, within what it tolerates.",
            "Look at how the check has gone; nothing need be done at once.",
            is_event=True,
        ),
        Cause(
            "waiver_ends",
            WARN,
            "A waiver or a confirmation ends soon, or has ended; then what it excused counts.",
            "See whether it is needed still, and grant it anew or take it away.",
        ),
        Cause(
            "erased_renumbered",
            WARN,
            "A delivery holds a number that may be another one of an erased person.",
            "Have the data protection officer look at it; the file says which number.",
            is_event=True,
        ),
    )
}
