# SPDX-License-Identifier: GPL-2.0-only
"""Where code runs, when it is no task's — ``include/linux/preempt.h``.

Nothing interrupts anybody here: timers' functions and RCU callbacks run on threads
of their own, as on another processor. Who is one is noted all the same, and so is
where others keep them away. From that lockdep knows which locks such a function could
have found taken by the very code that it interrupts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.interrupts import Interrupt
from ..engine.thread import current_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HARDIRQ", "SOFTIRQ"]

#: Softirqs are kept away by a count, as in ``preempt_count()``, and interrupts by a
#: bit above it; who keeps these away keeps away both.
SOFTIRQ: Final = Interrupt("SOFTIRQ", 1)
HARDIRQ: Final = Interrupt("HARDIRQ", 1 << 16)


def _run_as(interrupt: Interrupt, handler: Callable[[], object]) -> None:
    """Run *handler* as *interrupt* does: it must not sleep, and its like stays away.

    Context: A thread that does nothing else.
    """
    t = current_thread()
    t.interrupt = interrupt
    t.atomic += 1
    t.masked += interrupt.level
    handler()
    t.masked -= interrupt.level
    t.atomic -= 1
    t.interrupt = None
