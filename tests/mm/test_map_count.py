# SPDX-License-Identifier: GPL-2.0-only
"""An address space with as many mappings as Linux allows unless told otherwise."""

from __future__ import annotations

import pytest

from pykmm import Machine
from pykmm.engine import Config
from pykmm.errno import ENOMEM
from pykmm.linux.uapi_mman import MAP_NORESERVE, PROT_READ
from pykmm.mm._conservation import _books
from pykmm.syscalls import mmap, mprotect, munmap
from tests.lifecycle._memory import ANON, PAGE, RW, own, runs

#: What ``vm.max_map_count`` is.
MAX = 65_530


def _count() -> int:
    count: int = own().__dict__["map_count"]
    return count


def _map_many(mappings: int) -> int:
    """Map a range, and cut it: every second page is read only; return where it is."""
    addr = mmap(0, mappings * PAGE, RW, ANON | MAP_NORESERVE)
    for page in range(1, mappings, 2):
        assert mprotect(addr + page * PAGE, PAGE, PROT_READ) == 0
    return addr


@pytest.mark.slow
def test_65530_mappings_are_enough_for_one_more() -> None:
    def program() -> object:
        many = _map_many(MAX - 1)
        last = mmap(0, 4 * PAGE)
        full = _count()
        # Both would cut a mapping in three; taking its end off makes none more.
        hole = munmap(last + PAGE, PAGE)
        other = mprotect(last + PAGE, PAGE, PROT_READ)
        end = munmap(last + 3 * PAGE, PAGE)
        # The limit is looked at before the mapping is made, not after.
        above = mmap(0, PAGE, PROT_READ, ANON) > 0, _count()
        refused = mmap(0, PAGE, PROT_READ, ANON)
        freed = munmap(many, 2 * PAGE), _count()
        again = mmap(0, PAGE) > 0
        return full, (hole, other, end), above, refused, freed, again

    with Machine(Config(node_pages=(1 << 17,))) as m:
        assert runs(m, program) == (
            MAX,
            (-ENOMEM, -ENOMEM, 0),
            (True, MAX + 1),
            -ENOMEM,
            (0, MAX - 1),
            True,
        )
        assert _books() == []
