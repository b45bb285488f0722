"""Landed rows → rows with person_id and without personal number, and the flow of the linkage.

A number is looked up in the civil register and followed to the number in force. Whoever cannot be
followed to one living register entry stays unlinked, with the reason: two people never merge, and
one person never becomes two.
"""

from etl.linkage.crosswalk import identify
from etl.linkage.refresh import attach_earlier, compare, take_over
from etl.linkage.resolution import (
    FINDINGS,
    Finding,
    NumberRow,
    Resolution,
    resolve,
    resolve_and_tell,
)
from etl.linkage.rows import (
    UNLINKED_REASONS,
    contact_key,
    forget_other_periods,
    leads_elsewhere,
    link_file,
    write_empty,
    write_frame,
)

__all__ = [
    "FINDINGS",
    "UNLINKED_REASONS",
    "Finding",
    "NumberRow",
    "Resolution",
    "attach_earlier",
    "compare",
    "contact_key",
    "forget_other_periods",
    "identify",
    "leads_elsewhere",
    "link_file",
    "resolve",
    "resolve_and_tell",
    "take_over",
    "write_empty",
    "write_frame",
]
