# SPDX-License-Identifier: GPL-2.0-only
"""References of which it makes no difference whose is the last one.

Where several threads drop references, each of them may be the last, and then frees
the object: as many executions, again and again, that nobody could tell apart. So the
work that is left is nobody's own: it runs on a thread that belongs to the counter.
It may run later than in Linux, and in between others may do something; but at once is
one of the orders that an explorer tries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.machine import current_machine
from ..engine.thread import current_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.objects import Named

__all__ = ["ANYBODY", "after_last_drop"]

ANYBODY = (
    "the last reference's work is done on a thread of its own, not by who dropped it: "
    "maybe later, and what the dropper holds or is does not come into it"
)


def after_last_drop(counter: Named, work: Callable[[], object], name: str) -> None:
    """Have *work* done, now that *counter* is zero.

    Context: Behind the step that dropped the last reference; that was a ``DROP``.
    """
    if current_thread().is_boot:
        work()
    else:
        current_machine().thread(name, work, kind="free", made_by=counter)
