# SPDX-License-Identifier: GPL-2.0-only
"""How much memory is used for what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.boot import Region
from pykmm.engine import Config, Timers
from pykmm.linux.mm import VM_LOCKED, for_each_vma
from pykmm.linux.mm_types import VMA_ITERATOR
from pykmm.mm.slab_common import kmem_cache, slab
from pykmm.mm.vmstat import global_node_page_state, memory_by_use
from pykmm.workbench import Machine

PAGE = 4096


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with two nodes of 64 pages and one of 256 MiB."""
    config = Config(node_pages=(64, 64, 1 << 16), timers=Timers.IDLE)
    with Machine(config) as booted:
        booted.boot_kernel()
        yield booted


def everything() -> dict[str, int]:
    return memory_by_use(lambda origin: True)


def test_an_empty_machine(machine: Machine) -> None:
    assert not any(everything().values())
    assert global_node_page_state("NR_SLAB_UNRECLAIMABLE_B") == 0


def test_uses_add_up_over_the_nodes(machine: Machine) -> None:
    regions = [Region("anon", 700 * PAGE), Region("file", 30 * PAGE)]
    machine.spawn("app", regions=[*regions, Region("hugetlb", 2 << 20)])
    total = everything()
    nodes = [memory_by_use(lambda o, nid=nid: o[0] == nid) for nid in range(3)]
    for item, pages in total.items():
        assert pages == sum(node[item] for node in nodes)
    assert (total["NR_ANON_MAPPED"], total["NR_FILE_PAGES"]) == (700, 30)
    assert total["NR_HUGETLB"] == 512


def test_a_shared_page_counts_once(machine: Machine) -> None:
    app = machine.spawn("app", regions=[Region("shmem", 700 * PAGE, shared=True)])
    machine.spawn("friend", shares_mm=app)
    nr = everything()
    assert (nr["NR_SHMEM"], nr["NR_FILE_MAPPED"], nr["NR_FILE_PAGES"]) == (700,) * 3
    assert (nr["NR_INACTIVE_ANON"], nr["NR_INACTIVE_FILE"]) == (700, 0)


def test_locked_memory_is_unevictable(machine: Machine) -> None:
    app = machine.spawn("app", regions=[Region("anon", 600 * PAGE)] * 2)
    mm = app.mm
    assert mm is not None
    next(for_each_vma(VMA_ITERATOR(mm, 0))).vm_flags |= VM_LOCKED
    nr = everything()
    assert (nr["NR_UNEVICTABLE"], nr["NR_INACTIVE_ANON"]) == (600, 600)


def test_slab_is_counted_in_whole_pages(machine: Machine) -> None:
    slab().slab_caches += [kmem_cache("a", 100, 1, 41), kmem_cache("b", 4096, 2, 3)]
    slab().slab_caches.append(kmem_cache("c", 64, 0, 1, reclaimable=True))
    assert global_node_page_state("NR_SLAB_UNRECLAIMABLE_B") == 2 + 3
    assert global_node_page_state("NR_SLAB_RECLAIMABLE_B") == 1
