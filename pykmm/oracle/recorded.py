# SPDX-License-Identifier: GPL-2.0-only
"""Where answers follow the recorded ones rather than all of Linux.

The recordings that ports are compared with ran ``mm/oom_kill.c`` unmodified, and
stand-ins for what it calls. ``PF_EXITING`` in a world says that a task has begun to
exit, not how far it has come; Linux's neighbours of the file know how far, and the
stand-ins did not ask:

- A signal reaches a group of which every thread has the flag. In Linux the last
  thread to begin marks the group itself, so that no signal is needed.
- A cpuset keeps an exiting task and a victim in, like everybody else. Linux lets
  both allocate everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..kernel.cgroup.cpuset import (
    cpuset_current_mems_allowed,
    cpuset_current_node_allowed,
)
from ..kernel.signal_send import wants_signal
from ..linux.uapi import SIGKILL
from ..patches.patch import Patch

if TYPE_CHECKING:
    from ..linux.sched import task_struct

__all__ = ["patch"]

patch = Patch(
    "as-recorded",
    kind="design",
    summary="exits that have begun change nothing but what mm/oom_kill.c looks at",
    origin="the stand-ins of the recorded answers",
)


@patch.replaces(wants_signal)
def _wants_signal(sig: int, p: task_struct) -> bool:
    if sig in p.__dict__["blocked"]:
        return False
    return sig == SIGKILL or not p._signal_pending()


@patch.replaces(cpuset_current_node_allowed)
def _cpuset_current_node_allowed(node: int, gfp_mask: int) -> bool:
    del gfp_mask
    return node in cpuset_current_mems_allowed()
