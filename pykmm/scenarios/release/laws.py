# SPDX-License-Identifier: GPL-2.0-only
"""What has to hold in every scene, whatever the design.

That references add up, that nobody frees a structure in use, and that no reap pass
begins on what was taken down, every execution is watched for (:mod:`pykmm.invariants`).
These laws are about what a release is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvariantViolation
from ...linux.mm_types import MMF_OOM_SKIP
from ...mm._conservation import _books

if TYPE_CHECKING:
    from .outcomes import Facts

__all__ = ["check"]


def check(facts: Facts) -> None:
    """Raise a report if a law is broken.

    *success-empties*: who returned 0 for memory that it took hold of has left nothing
    in it that is private, unless there was nothing to gain.
    *pages-add-up*: no page is lost, and none is freed twice.

    Context: At rest, as the host.
    """
    given_up = facts.mm.flags._has(MMF_OOM_SKIP)
    if facts.left and facts.succeeded and facts.took_hold and not given_up:
        raise InvariantViolation(
            f"a release came to 0, and {facts.left} private pages are left",
            facts=[("law", "success-empties: 0 says that all is gone")],
        )
    wrong = _books()
    if wrong:
        raise InvariantViolation(
            wrong[0],
            facts=[
                ("law", "pages-add-up: none is lost, and none is freed twice"),
                *(("also", sentence) for sentence in wrong[1:]),
            ],
        )
