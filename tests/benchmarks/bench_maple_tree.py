# SPDX-License-Identifier: GPL-2.0-only
"""The maple tree beside the bare ``SortedDict`` operation, at many VMAs.

Run it as a script: ``python tests/benchmarks/bench_maple_tree.py [VMAS]``. Both
sides of a line do their work in turns, and each keeps its best turn, so that a
busy machine slows both; what counts is CPU time. The goal is a ratio of at most 3.
Nothing asserts it.
"""

from __future__ import annotations

import sys
from time import process_time
from typing import TYPE_CHECKING

# It ships no types.
from sortedcontainers import SortedDict  # type: ignore[import-untyped,unused-ignore]

from pykmm.lib.maple_tree import (
    mas_empty_area_rev,
    mas_find,
    mas_find_rev,
    mas_store_gfp,
    mtree_erase,
    mtree_load,
    mtree_store_range,
)
from pykmm.linux.maple_tree import (
    MA_STATE,
    MT_FLAGS_ALLOC_RANGE,
    ULONG_MAX,
    maple_tree,
    mas_for_each,
    mas_for_each_rev,
    mas_reset,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_TURNS = 7
_PAGE = 4096
_TASK_SIZE = 1 << 47


def _shuffled(count: int) -> list[int]:
    """Visit 0 to *count* - 1 in an order that jumps about, the same every time."""
    step = next(s for s in range(int(count * 0.618), count) if _coprime(s, count))
    return [i * step % count for i in range(count)]


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


class Sides:
    """Both maps with the same ranges: two pages mapped, two pages free.

    Each measured method returns how many operations it did.
    """

    def __init__(self, vmas: int) -> None:
        order = _shuffled(vmas)
        self.bare = SortedDict()
        self.tree: maple_tree[str] = maple_tree(MT_FLAGS_ALLOC_RANGE)
        self.inside = [4 * i * _PAGE + 17 for i in order]
        self.free = [(4 * i + 2) * _PAGE for i in order[:5000]]
        for address in self.inside:
            first, last = address - 17, address - 17 + 2 * _PAGE - 1
            self.bare[first] = (last, "vma")
            mtree_store_range(self.tree, first, last, "vma", 0)

    def bare_bisect(self) -> int:
        bisect = self.bare.bisect_right
        for address in self.inside:
            bisect(address)
        return len(self.inside)

    def bare_bisect_and_get(self) -> int:
        bare = self.bare
        for address in self.inside:
            bare.peekitem(bare.bisect_right(address) - 1)
        return len(self.inside)

    def tree_load(self) -> int:
        tree = self.tree
        for address in self.inside:
            mtree_load(tree, address)
        return len(self.inside)

    def bare_items(self) -> int:
        for _ in self.bare.items():
            pass
        return len(self.inside)

    def tree_find(self) -> int:
        mas = MA_STATE(self.tree, 0, 0)
        while mas_find(mas, ULONG_MAX) is not None:
            pass
        return len(self.inside)

    def tree_for_each(self) -> int:
        for _ in mas_for_each(MA_STATE(self.tree, 0, 0), ULONG_MAX):
            pass
        return len(self.inside)

    def bare_down(self) -> int:
        bare = self.bare
        for first in reversed(bare):
            bare[first]
        return len(self.inside)

    def tree_find_rev(self) -> int:
        mas = MA_STATE(self.tree, ULONG_MAX, ULONG_MAX)
        while mas_find_rev(mas, 0) is not None:
            pass
        return len(self.inside)

    def tree_for_each_rev(self) -> int:
        mas = MA_STATE(self.tree, ULONG_MAX, ULONG_MAX)
        for _ in mas_for_each_rev(mas, 0):
            pass
        return len(self.inside)

    def bare_insert(self) -> int:
        bare = self.bare
        for first in self.free:
            bare[first] = (first + _PAGE - 1, "vma")
        return len(self.free)

    def tree_insert(self) -> int:
        tree = self.tree
        for first in self.free:
            mtree_store_range(tree, first, first + _PAGE - 1, "vma", 0)
        return len(self.free)

    def bare_delete(self) -> int:
        bare = self.bare
        for first in self.free:
            del bare[first]
        return len(self.free)

    def tree_erase(self) -> int:
        tree = self.tree
        for first in self.free:
            mtree_erase(tree, first)
        return len(self.free)


def _rows(sides: Sides) -> list[tuple[str, Callable[[], int], Callable[[], int]]]:
    # Inserts come right before what takes them out again, in every turn.
    return [
        ("lookup: mtree_load / bisect", sides.bare_bisect, sides.tree_load),
        (
            "lookup: mtree_load / bisect + get",
            sides.bare_bisect_and_get,
            sides.tree_load,
        ),
        ("walk: mas_find / items()", sides.bare_items, sides.tree_find),
        ("walk: mas_for_each / items()", sides.bare_items, sides.tree_for_each),
        ("down: mas_find_rev / reversed() [k]", sides.bare_down, sides.tree_find_rev),
        (
            "down: mas_for_each_rev / reversed() [k]",
            sides.bare_down,
            sides.tree_for_each_rev,
        ),
        ("insert: mtree_store_range / [k] =", sides.bare_insert, sides.tree_insert),
        ("erase: mtree_erase / del", sides.bare_delete, sides.tree_erase),
    ]


def _ns_each(work: Callable[[], int]) -> float:
    begin = process_time()
    count = work()
    return (process_time() - begin) / count * 1e9


def _fill_down(vmas: int) -> float:
    """Stack *vmas* pages below each other, searching each gap, as mmap() does."""
    tree: maple_tree[str] = maple_tree(MT_FLAGS_ALLOC_RANGE)
    mas = MA_STATE(tree, 0, 0)

    def work() -> int:
        for _ in range(vmas):
            mas_reset(mas)
            mas_empty_area_rev(mas, _PAGE, _TASK_SIZE - 1, _PAGE)
            mas_store_gfp(mas, "vma", 0)
        return vmas

    return _ns_each(work)


def main(vmas: int) -> None:
    """Measure and print one line an operation."""
    rows = _rows(Sides(vmas))
    best = [[float("inf"), float("inf")] for _ in rows]
    for _ in range(_TURNS):
        for times, (_, bare, tree) in zip(best, rows, strict=True):
            times[0] = min(times[0], _ns_each(bare))
            times[1] = min(times[1], _ns_each(tree))
    print(f"{vmas} VMAs, ns an operation{'bare':>20}{'tree':>8}{'ratio':>8}")
    for (label, _, _), (bare_ns, tree_ns) in zip(rows, best, strict=True):
        print(f"{label:36}{bare_ns:>12.0f}{tree_ns:>8.0f}{tree_ns / bare_ns:>8.2f}")
    print(f"{'mmap: empty_area_rev and store':36}{'':12}{_fill_down(vmas):>8.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60_000)
