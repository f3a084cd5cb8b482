# SPDX-License-Identifier: GPL-2.0-only
"""Machines with memory whose books are audited when a test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pykmm.engine import Backend, Config, Machine, Pool
from pykmm.kernel.fork import mm_alloc
from pykmm.lib.maple_tree import mas_find_rev
from pykmm.linux.maple_tree import MA_STATE, ULONG_MAX
from pykmm.linux.mm_types import mm_struct
from pykmm.linux.mmap_lock import mmap_read_trylock, mmap_read_unlock
from pykmm.mm._conservation import _books
from pykmm.mm.memory import zap_vma_for_reaping
from pykmm.schedulers import RandomWalk


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Threads that all machines of a test share."""
    with Pool() as made:
        yield made


@pytest.fixture
def boot(pool: Pool) -> Callable[..., object]:
    """Boot a machine for a block; its books must balance at the end.

    It keeps no reserves, so that the last page can be had.
    """

    @contextmanager
    def booted(
        *nodes: int,
        swap: int = 1 << 16,
        seed: int | None = None,
        backend: Backend = Backend.BATON,
        audit: bool = True,
        min_free_kbytes: int | None = 0,
    ) -> Iterator[Machine]:
        config = Config(
            node_pages=nodes or (1 << 16,),
            total_swap_pages=swap,
            min_free_kbytes=min_free_kbytes,
        )
        scheduler = None if seed is None else RandomWalk(seed)
        shared = pool if backend is Backend.BATON else None
        with Machine(
            config, scheduler=scheduler, backend=backend, pool=shared, seed=seed or 0
        ) as machine:
            yield machine
            if audit:
                assert _books() == []

    return booted


@pytest.fixture
def machine(boot: Callable[..., object]) -> Iterator[Machine]:
    """A machine with one node of 256 MiB."""
    with boot() as booted:  # type: ignore[attr-defined]  # a context manager
        yield booted


@pytest.fixture
def mm(machine: Machine) -> mm_struct:
    """An empty address space."""
    return mm_alloc()


def reap(mm: mm_struct) -> None:
    """Zap everything from the top down, if the lock can be had."""
    if not mmap_read_trylock(mm):
        return
    mas = MA_STATE(mm.mm_mt, ULONG_MAX, ULONG_MAX)
    while (vma := mas_find_rev(mas, 0)) is not None:
        zap_vma_for_reaping(vma)
    mmap_read_unlock(mm)


@pytest.fixture(name="reap")
def _reap() -> Callable[[mm_struct], None]:
    """What the OOM reaper does to the mappings, without its bookkeeping."""
    return reap


@pytest.fixture
def rss() -> Callable[[mm_struct], tuple[int, int, int, int]]:
    """Look at the counters: file, anonymous, swapped, shmem."""
    return lambda mm: tuple(counter.counter for counter in mm.rss_stat)  # type: ignore[return-value]
