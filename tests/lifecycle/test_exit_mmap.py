# SPDX-License-Identifier: GPL-2.0-only
"""What exit_mmap() does in which order, and what those find who come meanwhile."""

from __future__ import annotations

import pytest

from pykmm import Machine, Scenario, explore
from pykmm.engine.events import Event
from pykmm.linux.maple_tree import mtree_empty
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MMF_OOM_SKIP,
    _tree_of,
    mm_struct,
    vm_area_struct,
)
from pykmm.linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
)
from pykmm.linux.mmu_notifier import mmu_notifier, mmu_notifier_ops
from pykmm.mm.mmap import find_vma
from pykmm.mm.mmu_notifier import mmu_notifier_register
from pykmm.patches.kernels import v6_12
from pykmm.syscalls import (
    exit_group,
)
from tests.lifecycle._people import wait_for
from tests.lifecycle.pages_setup import TWO, boot, maps, memory


class _End:
    """Writes down what happens to an address space of two mappings, in order."""

    def __init__(self, mm: mm_struct, areas: list[vm_area_struct]) -> None:
        self.mm = mm
        self.names = {
            (mm.mmap_lock, "down_read"): "read lock",
            (mm.mmap_lock, "up_read"): "read unlock",
            (mm.mmap_lock, "down_write"): "write lock",
            (mm.mmap_lock, "up_write"): "write unlock",
            (mm.flags.bit(MMF_OOM_SKIP), "set_bit"): "SKIP",
            (mm.rss_stat[MM_ANONPAGES], "add_mm_counter"): "unmap",
            (mm.pgtables_bytes, "atomic_long_add"): "free tables",
            (areas[0].vm_refcnt, "vma_mark_detached"): "free V1",
            (areas[1].vm_refcnt, "vma_mark_detached"): "free V2",
        }
        self.told: list[str] = []

    def event(self, event: Event) -> None:
        name = self.names.get((event.obj, event.kind))
        if name == "unmap":
            name = f"unmap, {event.value} left"
        if name == "write unlock" and mtree_empty(_tree_of(self.mm)):
            self.told.append("tree destroyed")
        if name:
            self.told.append(name)

    def at_rest(self, machine: object) -> None:
        """Nothing to look at."""


def test_l71_the_order_of_the_end() -> None:
    with boot() as m:
        app = m.spawn("app", parent=m.spawn("shell"))
        end = _End(memory(app), maps(app, *TWO))
        ops = mmu_notifier_ops(release=lambda *_: end.told.append("notifier release"))
        assert mmu_notifier_register(mmu_notifier(ops=ops), memory(app)) == 0
        end.told.clear()
        m.observers.append(end)
        app.runs(lambda: exit_group(0))
        m.run()
        assert end.told == [
            *("read lock", "read unlock"),  # exit_mm()
            "notifier release",
            *("read lock", "unmap, 3 left", "unmap, 0 left", "read unlock"),
            *("SKIP", "write lock", "free tables", "free V1", "free V2"),
            *("tree destroyed", "write unlock"),
        ]


def test_l72_nothing_to_take_down() -> None:
    with boot() as m:
        app = m.spawn("app", parent=m.spawn("shell"))
        mm = memory(app)
        app.runs(lambda: exit_group(0))
        m.run()
        kinds = [e.kind for e in m.events if e.obj is mm.mmap_lock]
        assert kinds[2:] == ["down_read", "up_read", "down_write", "up_write"]
        assert not mm.flags._has(MMF_OOM_SKIP)


def _reads_late(m: Machine) -> object:
    """Ask for the lock once SKIP is set: who had it, and what is found with it."""
    app = m.spawn("app", anon="16K", parent=m.spawn("shell"))
    mm = memory(app)
    kept = m.hold(mm.mm_count, by="the test")
    seen: list[object] = []

    def late() -> None:
        skip = mm.flags.bit(MMF_OOM_SKIP)
        wait_for(skip, lambda: skip.value)
        seen.append(bool(mm.mmap_lock.writer))
        mmap_read_lock(mm)
        seen.append("nothing" if find_vma(mm, 0) is None else "mappings")
        mmap_read_unlock(mm)

    m.spawn("late").runs(late)
    app.runs(lambda: exit_group(0))
    m.run()
    kept.let_go()
    return tuple(seen)


@pytest.mark.parametrize("old", [False, True])
def test_l73_a_reader_behind_the_end_finds_nothing(old: bool) -> None:
    """Who waits for the writer finds nothing; W7 comes before it, and SKIP tells."""
    patches = (v6_12.patch,) if old else ()
    scenario = Scenario(name="late", function=_reads_late, patches=patches)
    found = explore(scenario, scheduler="pct", executions=150)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {
        (True, "nothing"),
        (False, "nothing"),
        (False, "mappings"),
    }
