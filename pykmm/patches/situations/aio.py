# SPDX-License-Identifier: GPL-2.0-only
"""An address space with asynchronous I/O under way.

``__mmput()`` waits in ``exit_aio()`` until all requests are done, before it unmaps
anything: until then the memory has no users, and is all there.
"""

from __future__ import annotations

from ...engine.fields import const, kernel_struct, shared
from ...engine.objects import Struct
from ...engine.statics import MachineLocal
from ...kernel import fork
from ...linux.bug import BUG_ON
from ...linux.compiler import READ_ONCE
from ...linux.mm_types import mm_struct
from ...linux.sched.mm import mmdrop
from ...linux.wait import wait_event_idle, wait_queue_head_t, wake_up_all
from ...mm.mmap import exit_mmap
from ...mm.swapfile import _forget_swapped
from ..patch import Patch

__all__ = ["complete_all", "patch", "submit"]

patch = Patch(
    "aio",
    kind="situation",
    summary="asynchronous I/O is under way: the last user waits for it",
    origin="fs/aio.c, exit_aio()",
)


@kernel_struct
class _Request(Struct):
    """A request that an address space has under way."""

    mm: mm_struct = const()
    done: bool = shared(default=False)


class _Requests:
    def __init__(self) -> None:
        self.under_way: dict[mm_struct, _Request] = {}
        self.wait = wait_queue_head_t()


_requests = MachineLocal(_Requests)


def submit(mm: mm_struct) -> None:
    """Begin a request on behalf of *mm*, which ends with :func:`complete_all`."""
    _requests().under_way[mm] = _Request(mm=mm)


def complete_all() -> None:
    """End all requests; the host does, at rest."""
    for request in _requests().under_way.values():
        request.done = True
    wake_up_all(_requests().wait)


@patch.replaces(fork.__mmput)
def __mmput(mm: mm_struct) -> None:
    """Wait for I/O, then take down what the last user left.

    Context: May sleep.
    """
    BUG_ON(mm.mm_users.counter, f"{mm.name} is torn down with users")
    request = _requests().under_way.get(mm)
    if request is not None:
        # exit_aio(). Idle, because the disk will answer in the end.
        wait_event_idle(_requests().wait, lambda: READ_ONCE(request).done)
        request._free()
    exit_mmap(mm)
    _forget_swapped(mm)
    mmdrop(mm)
