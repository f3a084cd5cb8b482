# SPDX-License-Identifier: GPL-2.0-only
"""Subscribers of changes: who is called when, and who may refuse."""

from __future__ import annotations

import pytest

from pykmm.errno import EAGAIN, EBUSY, EINVAL
from pykmm.errors import ContextError, KernelBug, KernelWarning, RefcountError
from pykmm.kernel.fork import mm_alloc, mmput
from pykmm.linux.mm import get_mm_counter
from pykmm.linux.mm_types import MM_ANONPAGES, mm_struct
from pykmm.linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    MMU_NOTIFY_UNMAP,
    mmu_notifier,
    mmu_notifier_ops,
    mmu_notifier_range_blockable,
)
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.printk import console
from pykmm.linux.sched.mm import mmdrop, mmgrab
from pykmm.mm.memory import zap_vma_for_reaping, zap_vma_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.mmu_notifier import mmu_notifier_register, mmu_notifier_unregister

MIB = 1 << 20


class Device:
    """A subscriber that writes down what it is told."""

    def __init__(self, mm, *, start=True, end=True, release=True, answers=()):
        self.calls = []
        self.answers = list(answers)
        self.subscription = mmu_notifier(
            ops=mmu_notifier_ops(
                release=self.release if release else None,
                invalidate_range_start=self.start if start else None,
                invalidate_range_end=self.end if end else None,
            )
        )
        self.mm: mm_struct = mm
        assert mmu_notifier_register(self.subscription, mm) == 0

    def release(self, subscription, mm):
        assert mm is self.mm
        self.calls.append("release")

    def start(self, subscription, range):
        assert subscription is self.subscription
        blocks = (
            "may sleep" if mmu_notifier_range_blockable(range) else "must not sleep"
        )
        self.calls.append((range.event, range.start, range.end, blocks))
        return self.answers.pop(0) if self.answers else 0

    def end(self, subscription, range):
        self.calls.append("end")

    def leave(self):
        mmu_notifier_unregister(self.subscription, self.mm)


@pytest.fixture
def vmas(mm):
    return [
        _map_region(mm, n * 4 * MIB, MIB, kind="anon", populate_pages=3)
        for n in range(3)
    ]


def _present(mm):
    return [mm.pgd[2 * n].present[1].bit_count() for n in range(3)]


def test_what_each_change_announces(machine, mm, vmas):
    device = Device(mm)
    assert zap_vma_for_reaping(vmas[1]) == 0
    zap_vma_range(vmas[0], 4096, 8192)
    assert device.calls == [
        (MMU_NOTIFY_CLEAR, 4 * MIB, 5 * MIB, "must not sleep"),
        "end",
        (MMU_NOTIFY_CLEAR, 4096, 12288, "may sleep"),
        "end",
    ]


def test_exit_releases_first_and_announces_to_nobody(machine, mm, vmas):
    device = Device(mm)
    mmput(mm)
    # Unhooked before pages go, so that the unmapping itself is not announced.
    assert device.calls == ["release"]
    assert mm.mm_count.counter == 1
    device.leave()
    assert device.calls == ["release"]
    assert mm not in machine.alive


def test_an_unmapping_with_subscribers(machine, mm, vmas):
    from pykmm.linux.mm import vma_next
    from pykmm.linux.mm_types import VMA_ITERATOR
    from pykmm.mm.memory import unmap_vmas
    from pykmm.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu
    from pykmm.mm.vma_unmap import unmap_all_init

    device = Device(mm)
    vmi = VMA_ITERATOR(mm, 0)
    tlb = tlb_gather_mmu(mm)
    unmap_vmas(tlb, unmap_all_init(vmi, vma_next(vmi)))
    tlb_finish_mmu(tlb)
    assert device.calls == [(MMU_NOTIFY_UNMAP, 0, 2**64 - 1, "may sleep"), "end"]
    assert _present(mm) == [0, 0, 0]


def test_a_refusal_leaves_one_mapping_and_spares_the_others(machine, mm, vmas):
    device = Device(mm, end=False, answers=[0, -EAGAIN, 0])
    answers = [zap_vma_for_reaping(vma) for vma in reversed(vmas)]
    assert answers == [0, -EBUSY, 0]
    assert _present(mm) == [0, 3, 0]
    assert console().lines[-1][1] == (
        "start callback failed with -11 in non-blockable context."
    )
    assert zap_vma_for_reaping(vmas[1]) == 0
    assert _present(mm) == [0, 0, 0]
    assert len(device.calls) == 4


def test_those_that_did_not_refuse_get_their_end_at_once(machine, mm, vmas):
    last = Device(mm)
    refuses = Device(mm, end=False, answers=[-EAGAIN])
    first = Device(mm)
    start = (MMU_NOTIFY_CLEAR, 0, MIB, "must not sleep")
    assert zap_vma_for_reaping(vmas[0]) == -EBUSY
    assert first.calls == last.calls == [start, "end"]
    assert refuses.calls == [start]
    assert _present(mm) == [3, 3, 3]


def test_everybody_is_called_after_a_refusal_also_the_second_refuser(machine, mm, vmas):
    both = [Device(mm, end=False, answers=[-EAGAIN]) for _ in range(2)]
    assert zap_vma_for_reaping(vmas[0]) == -EBUSY
    assert [len(device.calls) for device in both] == [1, 1]


@pytest.mark.parametrize(
    ("answer", "end", "reaping", "says"),
    [
        (-EAGAIN, True, True, "has an end, which cannot match"),
        (-EINVAL, False, True, "refused a change with -EINVAL"),
        (-EAGAIN, False, False, "only where it must not sleep"),
    ],
)
def test_wrong_refusals(machine, mm, vmas, answer, end, reaping, says):
    Device(mm, end=end, answers=[answer])
    with pytest.raises(KernelWarning, match=says):
        if reaping:
            zap_vma_for_reaping(vmas[0])
        else:
            zap_vma_range(vmas[0], 0, 4096)


def test_callbacks_may_be_missing(machine, mm, vmas):
    device = Device(mm, start=False, end=False, release=False)
    assert zap_vma_for_reaping(vmas[0]) == 0
    zap_vma_range(vmas[1], 4 * MIB, MIB)
    mmput(mm)
    device.leave()
    assert device.calls == []


@pytest.mark.parametrize("reaping", [True, False])
def test_sleeping_where_one_must_not(machine, mm, vmas, reaping):
    lock = mutex()

    def start(subscription, range):
        mutex_lock(lock)
        mutex_unlock(lock)
        return 0

    mmu_notifier_register(mmu_notifier(ops=mmu_notifier_ops(None, start)), mm)
    if not reaping:
        zap_vma_range(vmas[0], 0, 4096)
        return
    with pytest.raises(ContextError, match="might sleep in atomic context"):
        zap_vma_for_reaping(vmas[0])


def test_a_subscription_keeps_the_structure_only(machine, mm, vmas):
    device = Device(mm)
    assert (mm.mm_users.counter, mm.mm_count.counter) == (1, 2)
    device.leave()
    assert (mm.mm_users.counter, mm.mm_count.counter) == (1, 1)
    assert device.calls == ["release"]
    assert zap_vma_for_reaping(vmas[0]) == 0
    assert device.calls == ["release"]


def test_unsubscribing_twice_is_caught(machine, mm):
    mmgrab(mm)
    mmgrab(mm)
    device = Device(mm)
    device.leave()
    mmput(mm)
    device.leave()
    mmdrop(mm)
    with pytest.raises(
        (RefcountError, KernelBug, Exception), match=r"touched|below zero|gone"
    ):
        device.leave()


def test_nobody_subscribes_without_users(machine, mm):
    mmgrab(mm)
    mmput(mm)
    with pytest.raises(KernelBug, match="has no users"):
        Device(mm)


def test_freeing_with_subscribers_is_a_bug(machine, mm):
    Device(mm)
    with pytest.raises(KernelBug, match="is freed with subscribers"):
        from pykmm.kernel.fork import __mmdrop

        __mmdrop(mm)


class _DriverThenExit:
    """Let the driver take some steps, then the exit as many as it can."""

    def __init__(self, steps):
        self.steps = steps

    def choose(self, enabled, running):
        self.steps -= 1
        wanted = "driver" if self.steps >= 0 else "exit"
        return next((t for t in enabled if t.name == wanted), enabled[0])


def _unsubscribe_beside_exit(machine):
    """Return what was called, and the pages at each release's begin and end."""
    mm = mm_alloc()
    _map_region(mm, 0, MIB, kind="anon", populate_pages=3)
    device = Device(mm)
    pages = []

    def release(subscription, mm):
        before = get_mm_counter(mm, MM_ANONPAGES)
        device.release(subscription, mm)
        pages.append((before, get_mm_counter(mm, MM_ANONPAGES)))

    object.__setattr__(device.subscription.ops, "release", release)
    machine.thread("exit", lambda: mmput(mm))
    machine.thread("driver", device.leave)
    machine.run()
    assert mm not in machine.alive
    return device.calls, pages


def test_unsubscribing_while_the_address_space_ends(boot):
    seen = set()
    for seed in range(150):
        with boot(seed=seed) as machine:
            calls, pages = _unsubscribe_beside_exit(machine)
            # Once from each side at most, the first before any page goes. The driver
            # may call once more afterwards, if it looked before and was late.
            assert calls in (["release"], ["release", "release"])
            assert pages[0] == (3, 3)
            assert set(pages) <= {(3, 3), (0, 0)}
            seen.add(len(calls))
    assert seen == {1, 2}


@pytest.mark.parametrize("steps", range(12))
def test_pages_wait_for_a_release_under_way(boot, steps):
    with boot() as machine:
        machine.carrier.scheduler = _DriverThenExit(steps)
        calls, pages = _unsubscribe_beside_exit(machine)
        late = steps == 3
        assert pages == [(3, 3)] * (len(calls) - late) + [(0, 0)] * late
