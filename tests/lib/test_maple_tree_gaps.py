# SPDX-License-Identifier: GPL-2.0-only
"""Room between the ranges of a maple tree, before and after it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pykmm.errno import EBUSY, EINVAL
from pykmm.lib.maple_tree import (
    __mt_destroy,
    mas_empty_area,
    mas_empty_area_rev,
    mas_next,
    mas_store_gfp,
    mtree_erase,
    mtree_store_range,
)
from pykmm.linux.maple_tree import (
    MA_STATE,
    ma_active,
    ma_error,
    ma_none,
    ma_root,
    ma_start,
    ma_state,
)
from tests.lib.trees import MAX, abc, after, tree

if TYPE_CHECKING:
    from collections.abc import Callable


def test_gaps_at_both_ends_of_a_window() -> None:
    mas = MA_STATE(abc(), 0, 0)
    assert mas_empty_area(mas, 0x1000, 0x7FFF, 0x800) == 0
    assert (mas.index, mas.last, mas.status) == (0x3000, 0x37FF, ma_active)
    assert mas_empty_area_rev(mas, 0x1000, 0x5FFF, 0x800) == 0
    assert (mas.index, mas.last) == (0x4800, 0x4FFF)
    assert mas_store_gfp(mas, "D", 0) == 0
    assert after(mas, mas_next, MAX) == ("C", 0x5000, 0x5FFF, ma_active)
    assert mas_empty_area(mas, 0x1000, 0x4FFF, 0x1801) == -EBUSY
    assert (mas.index, mas.last, mas.status) == (0x1000, 0x4FFF, ma_error)
    assert mas._error == -EBUSY


@pytest.mark.parametrize("search", [mas_empty_area, mas_empty_area_rev])
def test_windows_that_cannot_hold_the_size(
    search: Callable[[ma_state[str], int, int, int], int],
) -> None:
    mas = MA_STATE(abc(), 3, 4)
    for low, high, size in ((9, 8, 1), (0, 9, 0), (0, 9, 11)):
        assert search(mas, low, high, size) == -EINVAL
    assert (mas.index, mas.last, mas.status) == (3, 4, ma_start)


@pytest.mark.parametrize("search", [mas_empty_area, mas_empty_area_rev])
def test_gaps_without_a_node(
    search: Callable[[ma_state[str], int, int, int], int],
) -> None:
    low = search is mas_empty_area
    mas = MA_STATE(tree(), 0, 0)
    assert search(mas, 0, 9, 4) == 0
    assert (mas.index, mas.status) == (0 if low else 6, ma_none)
    mas = MA_STATE(tree((0, 0, "only")), 0, 0)
    assert search(mas, 0, 9, 4) == 0
    assert (mas.index, mas.status) == (1 if low else 6, ma_root)
    assert search(mas, 0, 9, 10) == -EBUSY
    assert mas.status is ma_root


def test_a_gap_that_opens_is_found_again() -> None:
    mas = MA_STATE(tree((10, 19, "a"), (20, 29, "b"), (30, 39, "c")), 0, 0)
    for _ in range(2):
        assert mas_empty_area_rev(mas, 0, 39, 5) == 0
        assert mas.index == 5
    mtree_erase(mas.tree, 20)
    assert mas_empty_area_rev(mas, 0, 39, 5) == 0
    assert mas.index == 25
    assert mas_empty_area_rev(mas, 0, 39, 11) == -EBUSY
    mtree_erase(mas.tree, 30)
    assert mas_empty_area_rev(mas, 0, 39, 11) == 0
    assert mas.index == 29


def test_an_emptied_tree_has_room_everywhere_again() -> None:
    mas = MA_STATE(tree((10, 19, "a"), (30, 39, "b")), 0, 0)
    for search in (mas_empty_area, mas_empty_area_rev):
        assert search(mas, 10, 39, 5) == 0
        assert search(mas, 10, 19, 5) == -EBUSY
    __mt_destroy(mas.tree)
    for search in (mas_empty_area, mas_empty_area_rev):
        assert search(mas, 10, 39, 30) == 0
        assert search(mas, 10, 19, 10) == 0
    mtree_store_range(mas.tree, 36, 39, "b", 0)
    assert mas_empty_area_rev(mas, 10, 39, 5) == 0
    assert mas.last == 35


def test_many_windows_and_sizes_at_once() -> None:
    mas = MA_STATE(tree((10, 19, "a"), (40, 49, "b")), 0, 0)
    for high in range(20, 60):
        for size in (3, 15):
            assert mas_empty_area_rev(mas, 0, high, size) == 0 or size == 15
    assert mas_empty_area_rev(mas, 0, 45, 15) == 0
    assert mas.index == 25
