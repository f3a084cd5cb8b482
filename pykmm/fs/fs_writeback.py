# SPDX-License-Identifier: GPL-2.0-only
"""Who writes dirty pages of files back — ``fs/fs-writeback.c``.

A file that gets its first dirty page goes on a list, and there it stays: nothing is
written because time goes by. Reclaim, which finds pages that it cannot drop, has a
worker write back all files that are on the list.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from ..engine.annotate import extern, mirrors
from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.objects import Root
from ..engine.statics import MachineLocal
from ..engine.thread import current_thread
from ..linux.bitops import Bits, clear_bit, set_bit, test_and_set_bit, test_bit
from ..linux.fs import mapping_tagged
from ..linux.mm_types import address_space
from ..linux.spinlock import spin_lock, spin_unlock, spinlock_t
from ..linux.workqueue import schedule_work, work_struct

__all__ = [
    "WB_start_all",
    "__mark_inode_dirty",
    "bdi_writeback",
    "the_wb",
    "wakeup_flusher_threads",
]

_do_writepages: Callable[[address_space], None] = extern(
    "pykmm.mm.page_writeback_io", "do_writepages"
)

_ONE_DISK: Final = "all files are on one disk, and of none is the inode dirty"


class wb_state(IntEnum):
    """Bits of a disk's state, by their numbers; the others are not modelled."""

    #: There are files on its list; and all of them are to be written.
    WB_has_dirty_io = 2
    WB_start_all = 3


WB_has_dirty_io: Final = wb_state.WB_has_dirty_io
WB_start_all: Final = wb_state.WB_start_all


def _run() -> None:
    wb_workfn()


@kernel_struct
class bdi_writeback(Root):
    """What is to be written to a disk."""

    state: Bits = embedded(Bits)
    list_lock: spinlock_t = embedded(spinlock_t)
    #: Files with dirty pages, the first that had any first.
    b_dirty: tuple[address_space, ...] = guarded(by="list_lock", default=())
    dwork: work_struct = const(factory=lambda: work_struct(_run))


the_wb = MachineLocal(bdi_writeback)


@mirrors("fs/fs-writeback.c", checked="v7.2", abridged=_ONE_DISK)
def __mark_inode_dirty(mapping: address_space) -> None:
    """Note that a file has dirty pages.

    Context: Any; takes ``list_lock``.
    """
    wb = the_wb()
    spin_lock(wb.list_lock)
    _list(mapping, wb)
    spin_unlock(wb.list_lock)


def _list(mapping: address_space, wb: bdi_writeback) -> None:
    if mapping not in wb.b_dirty:
        wb.b_dirty += (mapping,)
        set_bit(WB_has_dirty_io, wb.state)


@mirrors("fs/fs-writeback.c", checked="v7.2", abridged=_ONE_DISK)
def requeue_inode(mapping: address_space, wb: bdi_writeback) -> None:
    """Put a file that has been written on the list again, if it is dirty once more.

    Whoever made a page dirty while others of the file still were has not listed it.

    Context: Under ``list_lock``.
    """
    if mapping_tagged(mapping):
        _list(mapping, wb)


@mirrors("fs/fs-writeback.c", checked="v7.2", abridged="all files, and all their pages")
def wb_workfn() -> None:
    """Write back what is dirty, if somebody has asked for all of it.

    Context: A worker, or the host. May sleep.
    """
    wb = the_wb()
    if not test_bit(WB_start_all, wb.state):
        return
    spin_lock(wb.list_lock)
    queued, wb.b_dirty = wb.b_dirty, ()
    clear_bit(WB_has_dirty_io, wb.state)
    spin_unlock(wb.list_lock)
    for mapping in queued:
        _do_writepages(mapping)
        spin_lock(wb.list_lock)
        requeue_inode(mapping, wb)
        spin_unlock(wb.list_lock)
    clear_bit(WB_start_all, wb.state)


@mirrors("fs/fs-writeback.c", checked="v7.2", inline=True)
def wb_start_writeback(wb: bdi_writeback) -> None:
    """Have a worker write all that is dirty, unless one has been asked to already.

    The host, for which no worker runs, does it itself.

    Context: Any; never sleeps.
    """
    if not test_bit(WB_has_dirty_io, wb.state):
        return
    if test_bit(WB_start_all, wb.state) or test_and_set_bit(WB_start_all, wb.state):
        return
    if current_thread().is_boot:
        wb_workfn()
    else:
        schedule_work(wb.dwork)


@mirrors("fs/fs-writeback.c", checked="v7.2", abridged=_ONE_DISK)
def wakeup_flusher_threads() -> None:
    """Have everything written that is dirty.

    Context: Any; never sleeps.
    """
    wb_start_writeback(the_wb())
