# SPDX-License-Identifier: GPL-2.0-only
"""Subscribers to parts of an address space: who is told of what."""

from __future__ import annotations

from typing import Any

import pytest

from pykmm.errno import EAGAIN, EBUSY, EOVERFLOW
from pykmm.errors import KernelWarning
from pykmm.kernel.fork import mmput
from pykmm.linux.maple_tree import ULONG_MAX
from pykmm.linux.mm_types import mm_struct
from pykmm.linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_interval_notifier,
    mmu_interval_notifier_ops,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_invalidate_range_start_nonblock,
    mmu_notifier_range,
    mmu_notifier_range_blockable,
)
from pykmm.linux.printk import console
from pykmm.linux.sched.mm import mmdrop, mmgrab
from pykmm.mm.memory import zap_vma_for_reaping
from pykmm.mm.mmap import _map_region
from pykmm.mm.mmu_notifier import (
    mmu_interval_notifier_insert,
    mmu_interval_notifier_remove,
)

MIB = 1 << 20


class Device:
    """A subscriber to a part that writes down what it is told."""

    def __init__(
        self, mm: mm_struct, start: int, length: int, *, blocks: bool = False
    ) -> None:
        self.calls: list[Any] = []
        self.blocks = blocks
        self.sub = mmu_interval_notifier()
        ops = mmu_interval_notifier_ops(self.invalidate)
        assert mmu_interval_notifier_insert(self.sub, mm, start, length, ops) == 0

    def invalidate(
        self, sub: mmu_interval_notifier, range: mmu_notifier_range, seq: int
    ) -> bool:
        assert sub is self.sub
        assert seq % 2 == 1
        self.calls.append((range.start, range.end))
        return not self.blocks or mmu_notifier_range_blockable(range)


def change(mm: mm_struct, start: int, end: int) -> mmu_notifier_range:
    return mmu_notifier_range(MMU_NOTIFY_CLEAR, mm, start, end)


def subscriptions(mm: mm_struct) -> Any:
    return mm.__dict__["notifier_subscriptions"]


def test_only_who_is_concerned_is_told(mm: mm_struct) -> None:
    low, high = Device(mm, 0, MIB), Device(mm, 4 * MIB, MIB)
    for start, end in ((0, 1), (MIB - 1, MIB), (MIB, 4 * MIB), (0, 5 * MIB)):
        mmu_notifier_invalidate_range_start(told := change(mm, start, end))
        mmu_notifier_invalidate_range_end(told)
    assert low.calls == [(0, 1), (MIB - 1, MIB), (0, 5 * MIB)]
    assert high.calls == [(0, 5 * MIB)]


def test_a_refusal_ends_the_round(mm: mm_struct) -> None:
    first = Device(mm, 0, MIB)
    second = Device(mm, 2 * MIB, MIB, blocks=True)
    third = Device(mm, 4 * MIB, MIB)
    told = change(mm, 0, 8 * MIB)
    assert mmu_notifier_invalidate_range_start_nonblock(told) == -EAGAIN
    assert [len(device.calls) for device in (first, second, third)] == [1, 1, 0]
    assert subscriptions(mm).active_invalidate_ranges == 0
    assert subscriptions(mm).invalidate_seq % 2 == 0
    assert console().lines == []


def test_the_reaper_leaves_what_is_refused(mm: mm_struct) -> None:
    vmas = [
        _map_region(mm, n * 4 * MIB, MIB, kind="anon", populate_pages=3)
        for n in range(2)
    ]
    Device(mm, 4 * MIB, MIB, blocks=True)
    assert [zap_vma_for_reaping(vma) for vma in vmas] == [0, -EBUSY]


def test_a_refusal_where_waiting_is_allowed_is_a_warning(mm: mm_struct) -> None:
    def refuse(*_: object) -> bool:
        return False

    sub = mmu_interval_notifier()
    ops = mmu_interval_notifier_ops(refuse)
    assert mmu_interval_notifier_insert(sub, mm, 0, MIB, ops) == 0
    with pytest.raises(KernelWarning, match="refused a change that may wait"):
        mmu_notifier_invalidate_range_start(change(mm, 0, 1))


def test_who_comes_during_a_change_is_put_off(mm: mm_struct) -> None:
    first = Device(mm, 0, MIB)
    mmu_notifier_invalidate_range_start(told := change(mm, 0, MIB))
    late = Device(mm, 0, MIB)
    assert subscriptions(mm).itree == (first.sub,)
    mmu_notifier_invalidate_range_end(told)
    assert subscriptions(mm).itree == (first.sub, late.sub)


def test_who_comes_during_a_change_elsewhere_counts_as_told(mm: mm_struct) -> None:
    Device(mm, 0, MIB)
    mmu_notifier_invalidate_range_start(told := change(mm, 4 * MIB, 5 * MIB))
    late = Device(mm, 2 * MIB, MIB)
    assert late.sub in subscriptions(mm).itree
    assert subscriptions(mm).invalidate_seq % 2 == 1
    mmu_notifier_invalidate_range_end(told)
    assert subscriptions(mm).invalidate_seq % 2 == 0


def test_who_was_put_off_can_still_go(mm: mm_struct) -> None:
    Device(mm, 0, MIB)
    mmu_notifier_invalidate_range_start(told := change(mm, 0, MIB))
    late = Device(mm, 0, MIB)
    mmu_interval_notifier_remove(late.sub)
    mmu_notifier_invalidate_range_end(told)
    assert late.sub not in subscriptions(mm).itree


def test_subscriptions_keep_the_structure(mm: mm_struct) -> None:
    mmgrab(mm)
    device = Device(mm, 0, MIB)
    mmput(mm)
    assert device.calls == [(0, ULONG_MAX)]
    assert mm.mm_count.counter == 2
    mmu_interval_notifier_remove(device.sub)
    assert mm.mm_count.counter == 1
    mmdrop(mm)


@pytest.mark.parametrize("length", [0, ULONG_MAX])
def test_an_impossible_part(mm: mm_struct, length: int) -> None:
    sub = mmu_interval_notifier()
    ops = mmu_interval_notifier_ops(lambda *_: True)
    assert mmu_interval_notifier_insert(sub, mm, 8, length, ops) == -EOVERFLOW
