# SPDX-License-Identifier: GPL-2.0-only
"""Who may free memory before somebody has to die — part of ``mm/oom_kill.c``."""

from __future__ import annotations

import attrs

from ..engine.annotate import mirrors
from ..kernel.notifier import (
    blocking_notifier_call_chain,
    blocking_notifier_chain_register,
    blocking_notifier_chain_unregister,
)
from ..linux.notifier import notifier_block
from .oom_kill_victim import oom

__all__ = ["OomFreed", "register_oom_notifier", "unregister_oom_notifier"]


@attrs.define(eq=False)
class OomFreed:
    """What callbacks get: each adds the pages that it has freed."""

    pages: int = 0


@mirrors("mm/oom_kill.c", checked="v7.2")
def register_oom_notifier(nb: notifier_block) -> int:
    """Have *nb* asked for pages before anybody is killed for the whole machine.

    It is called with 0 and an :class:`OomFreed`, and may sleep.

    Context: May sleep.
    Return: 0, or -EEXIST.
    """
    return blocking_notifier_chain_register(oom().oom_notify_list, nb)


@mirrors("mm/oom_kill.c", checked="v7.2")
def unregister_oom_notifier(nb: notifier_block) -> int:
    """Undo :func:`register_oom_notifier`.

    Context: May sleep.
    Return: 0, or -ENOENT.
    """
    return blocking_notifier_chain_unregister(oom().oom_notify_list, nb)


def notifiers_freed() -> int:
    """Ask all notifiers, and return how many pages they say they have freed."""
    freed = OomFreed()
    blocking_notifier_call_chain(oom().oom_notify_list, 0, freed)
    return freed.pages
