# SPDX-License-Identifier: GPL-2.0-only
"""Time the life of a large address space: boot, fork, reap, exit.

Run it as ``python tests/benchmarks/bench_address_space.py [GiB]``. It prints
figures and judges nothing, because a busy machine must not fail a test.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable

from pykmm import Machine as Workbench
from pykmm import syscalls
from pykmm.engine import Config, Machine
from pykmm.kernel.fork import mm_alloc, mmput
from pykmm.lib.maple_tree import mas_find_rev, mas_store
from pykmm.linux.maple_tree import MA_STATE, ULONG_MAX
from pykmm.linux.mm import for_each_vma
from pykmm.linux.mm_types import VMA_ITERATOR, mm_struct
from pykmm.linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
)
from pykmm.linux.sched.mm import mmdrop, mmgrab
from pykmm.mm.memory import zap_vma_for_reaping
from pykmm.mm.memory_copy import copy_page_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.rmap import anon_vma_fork
from pykmm.mm.vma_init import vm_area_dup
from pykmm.schedulers import RoundRobin

GIB = 1 << 30
BASE = 0x7F00_0000_0000


def build(gib: int, regions: int) -> mm_struct:
    """Boot an address space of *gib* GiB, all of it touched."""
    mm = mm_alloc()
    size = gib * GIB // regions
    for number in range(regions):
        start = BASE - (number + 1) * 2 * size
        _map_region(mm, start, size, kind="anon", populate_pages=size >> 12)
    return mm


def reap(mm: mm_struct) -> None:
    """Zap all mappings from the top down, as the OOM reaper does."""
    mmap_read_lock(mm)
    mas = MA_STATE(mm.mm_mt, ULONG_MAX, ULONG_MAX)
    while (vma := mas_find_rev(mas, 0)) is not None:
        assert zap_vma_for_reaping(vma) == 0
    mmap_read_unlock(mm)


def timed(what: str, work: Callable[[], object]) -> float:
    """Run *work* and print how long it took."""
    gc.collect()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    print(f"  {what:<22} {seconds * 1000:8.1f} ms {cpu * 1000:8.1f} ms CPU")
    return seconds


def on_boot(gib: int, *, reaped: bool) -> None:
    """Do it all on the boot thread, where nothing is scheduled."""
    print(f"boot thread, {'reaped, then ' if reaped else ''}exit:")
    with Machine(Config(node_pages=((gib + 1) * GIB >> 12,))) as machine:
        found: list[mm_struct] = []
        total = timed("build", lambda: found.append(build(gib, 4)))
        if reaped:
            total += timed("reap", lambda: reap(found[0]))
        total += timed("exit_mmap and free", lambda: mmput(found[0]))
        assert nr_free_pages() == machine.config.totalram_pages
        print(f"  {'together':<22} {total * 1000:8.1f} ms")


def fork(mm: mm_struct) -> mm_struct:
    """Give a new address space all that *mm* has, as ``dup_mmap()`` does."""
    child = mm_alloc()
    mmap_write_lock(mm)
    mmap_write_lock(child)
    for pvma in for_each_vma(VMA_ITERATOR(mm, 0)):
        vma = vm_area_dup(pvma)
        vma.vm_mm = child
        mas_store(MA_STATE(child.mm_mt, vma.vm_start, vma.vm_end - 1), vma)
        child.map_count += 1
        assert anon_vma_fork(vma, pvma) == 0
        assert copy_page_range(vma, pvma) == 0
    mmap_write_unlock(child)
    mmap_write_unlock(mm)
    return child


def forked(gib: int) -> None:
    """Fork, and let the parent go before the child."""
    print("boot thread, forked, then both exit:")
    with Machine(Config(node_pages=((gib + 1) * GIB >> 12,))) as machine:
        mm, found = build(gib, 4), []
        timed("fork", lambda: found.append(fork(mm)))
        assert [c.counter for c in found[0].rss_stat] == [
            c.counter for c in mm.rss_stat
        ]
        timed("exit of the parent", lambda: mmput(mm))
        timed("exit of the child", lambda: mmput(found[0]))
        assert nr_free_pages() == machine.config.totalram_pages


def forks_itself(gib: int) -> None:
    """Let a program fork, where each lock and counter is a step, and both exit."""
    print("a program forks, then both exit, scheduled:")
    config = Config(node_pages=((gib + 1) * GIB >> 12,))
    with Workbench(config, max_steps=10_000_000) as machine:
        free = nr_free_pages()
        app = machine.spawn("app", anon=gib * GIB)

        @app.runs
        def _() -> None:
            timed("fork", lambda: syscalls.fork(lambda: syscalls.exit(0)))
            syscalls.exit(0)

        timed("all of it", machine.run)
        print(f"  {len(machine.steps)} steps")
        assert nr_free_pages() == free


def on_threads(gib: int) -> None:
    """Let a reaper and an exiting task meet, on scheduled threads."""
    print("a reaper against exit_mmap(), scheduled:")
    config = Config(node_pages=((gib + 1) * GIB >> 12,))
    with Machine(config, scheduler=RoundRobin(), max_steps=10_000_000) as machine:
        mm = build(gib, 16)
        mmgrab(mm)
        machine.thread("reaper", lambda: (reap(mm), mmdrop(mm)))
        machine.thread("victim", lambda: mmput(mm))
        seconds = timed("run", machine.run)
        steps = len(machine.steps)
        assert nr_free_pages() == machine.config.totalram_pages
        print(f"  {steps} steps, {steps / seconds:,.0f} a second")


def peak(gib: int) -> None:
    """Measure the memory that the whole life takes."""
    tracemalloc.start()
    with Machine(Config(node_pages=((gib + 1) * GIB >> 12,))):
        mm = build(gib, 4)
        after_build = tracemalloc.get_traced_memory()[1]
        reap(mm)
        mmput(mm)
        after_all = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"memory: {after_build / 1e6:.1f} MB built, {after_all / 1e6:.1f} MB at most")


def main() -> None:
    """Print all figures."""
    gib = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    print(f"{gib} GiB, {gib * GIB >> 21} page-table pages")
    on_boot(gib, reaped=False)
    on_boot(gib, reaped=True)
    forked(gib)
    forks_itself(gib)
    on_threads(max(gib // 16, 1))
    peak(gib)


if __name__ == "__main__":
    main()
