# SPDX-License-Identifier: GPL-2.0-only
"""What a maple tree holds after stores, erases and copies, case by case."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest

from pykmm.errno import EBUSY, EEXIST, EINVAL
from pykmm.errors import UsageError
from pykmm.lib.maple_tree import (
    __mt_destroy,
    __mt_dup,
    mas_destroy,
    mas_empty_area,
    mas_erase,
    mas_find,
    mas_next,
    mas_preallocate,
    mas_prev,
    mas_store,
    mas_store_gfp,
    mas_store_prealloc,
    mas_walk,
    mt_find,
    mt_find_after,
    mt_next,
    mt_prev,
    mtree_destroy,
    mtree_dup,
    mtree_erase,
    mtree_insert,
    mtree_insert_range,
    mtree_load,
    mtree_store,
    mtree_store_range,
)
from pykmm.linux.maple_tree import (
    MA_STATE,
    MA_STATE_PREALLOC,
    MT_FLAGS_ALLOC_RANGE,
    MT_FLAGS_USE_RCU,
    XA_ZERO_ENTRY,
    __mas_set_range,
    ma_active,
    ma_none,
    ma_root,
    ma_start,
    mas_for_each,
    mas_for_each_rev,
    mas_is_err,
    mas_set,
    mas_set_range,
    mtree_empty,
    xa_is_zero,
)
from tests.lib.trees import MAX, Tree, abc, after, tree

if TYPE_CHECKING:
    pass


def test_equal_neighbours_stay_apart() -> None:
    mt = tree((0, 9, "x"), (10, 19, "x"))
    mas = MA_STATE(mt, 0, 0)
    assert [(mas.index, mas.last) for _ in mas_for_each(mas, MAX)] == [(0, 9), (10, 19)]


def test_a_store_cuts_what_sticks_out() -> None:
    mt = tree((0, 99, "x"))
    mas = MA_STATE(mt, 40, 59)
    assert mas_store(mas, "y") == "x"
    assert (mas.index, mas.last, mas.status) == (40, 59, ma_active)
    assert mas_prev(mas, 0) == "x"
    assert (mas.index, mas.last) == (0, 39)
    mas_set(mas, 60)
    assert mas_walk(mas) == "x"
    assert (mas.index, mas.last) == (60, 99)


def test_a_store_answers_what_was_at_its_first_address_alone() -> None:
    mas = MA_STATE(abc(), 0x3000, 0x5FFF)
    assert mas_store(mas, "D") is None
    assert mtree_load(mas.tree, 0x5000) == "D"


def test_a_gap_takes_in_the_gaps_beside_it() -> None:
    mas = MA_STATE(abc(), 0x2800, 0x2FFF)
    assert mas_store_gfp(mas, None, 0) == 0
    assert (mas.index, mas.last) == (0x2800, 0x4FFF)
    mas = MA_STATE(mas.tree, 0x5000, 0x57FF)
    assert mas_store_gfp(mas, None, 0) == 0
    assert (mas.index, mas.last) == (0x2800, 0x57FF)


def test_erase_takes_the_whole_entry() -> None:
    mt = abc()
    assert mtree_erase(mt, 0x2345) == "B"
    mas = MA_STATE(mt, 0x1800, 0x1800)
    assert mas_erase(mas) == "A"
    assert (mas.index, mas.last) == (0, 0x4FFF)
    assert mas_erase(mas) is None
    mas_set(mas, 0x5000)
    assert mas_erase(mas) == "C"
    assert (mas.index, mas.last, mas.status) == (0, MAX, ma_start)
    assert mtree_empty(mt)


def test_an_entry_everywhere_leaves_its_node_behind() -> None:
    mt = tree((0, MAX, "all"))
    assert mtree_erase(mt, 5) == "all"
    assert not mtree_empty(mt)
    mas = MA_STATE(mt, 7, 7)
    assert mas_walk(mas) is None
    assert (mas.index, mas.last, mas.status) == (0, MAX, ma_active)
    mt._check()


def test_an_entry_for_address_0_needs_no_node_until_there_is_one() -> None:
    mt = tree((0, 0, "only"))
    mas = MA_STATE(mt, 0, 0)
    assert (mas_walk(mas), mas.status) == ("only", ma_root)
    mtree_store(mt, 9, "more", 0)
    mtree_erase(mt, 9)
    mas = MA_STATE(mt, 0, 0)
    assert (mas_walk(mas), mas.status) == ("only", ma_active)


def test_a_store_from_the_root_entry_does_not_look_again() -> None:
    for last, entry, content in (
        (0, "new", None),
        (5, None, None),
        (MAX, None, "only"),
    ):
        mas = MA_STATE(tree((0, 0, "only")), 0, 0)
        assert mas_walk(mas) == "only"
        __mas_set_range(mas, 0, last)
        assert mas_store(mas, entry) == content
        assert mtree_load(mas.tree, 0) == entry
    mas = MA_STATE(tree((0, 0, "only")), 0, 0)
    assert mas_store(mas, "new") == "only"
    assert mas.status is ma_start


def test_a_range_the_wrong_way_round_is_refused() -> None:
    mt = abc()
    assert mtree_store_range(mt, 2, 1, "x", 0) == -EINVAL
    assert mtree_insert_range(mt, 2, 1, "x", 0) == -EINVAL
    mas = MA_STATE(mt, 2, 1)
    assert mas_store(mas, "x") is None
    assert mas_is_err(mas)
    for call in (mas_store_gfp, mas_preallocate):
        mas = MA_STATE(mt, 2, 1)
        assert call(mas, "x", 0) == -EINVAL
        assert mas_is_err(mas)
    assert mtree_load(mt, 1) is None


def test_a_reserved_store_cannot_be_refused_so_it_must_be_right() -> None:
    mas = MA_STATE(abc(), 1, 2)
    mas_preallocate(mas, "D", 0)
    mas_set_range(mas, 2, 1)
    with pytest.raises(UsageError, match="right way round"):
        mas_store_prealloc(mas, "D")
    mas.tree._check()


def test_an_address_off_the_line_is_the_callers_mistake() -> None:
    for first, last in ((-1, 5), (0, 2**64)):
        with pytest.raises(UsageError, match="ULONG_MAX"):
            mtree_store_range(abc(), first, last, "x", 0)


def test_insert_refuses_what_is_taken() -> None:
    mt = abc()
    for first, last in ((0, 0x1000), (0x2FFF, 0x3000), (0x1800, 0x1800), (0, MAX)):
        assert mtree_insert_range(mt, first, last, "D", 0) == -EEXIST
    assert mtree_insert_range(mt, 0x3000, 0x4FFF, "D", 0) == 0
    assert mtree_insert(mt, 0x3000, "E", 0) == -EEXIST
    assert mtree_insert(mt, 0x6000, "E", 0) == 0
    assert mtree_load(mt, 0x4FFF) == "D"


def test_preallocate_reserves_until_the_store() -> None:
    mas = MA_STATE(abc(), 0x3000, 0x3FFF)
    assert mas_preallocate(mas, "D", 0) == 0
    assert mas.mas_flags & MA_STATE_PREALLOC
    assert mtree_load(mas.tree, 0x3000) is None
    mas_store_prealloc(mas, "D")
    assert not mas.mas_flags & MA_STATE_PREALLOC
    assert mtree_load(mas.tree, 0x3000) == "D"
    mas_preallocate(mas, "E", 0)
    mas_destroy(mas)
    assert not mas.mas_flags & MA_STATE_PREALLOC


def test_preallocating_a_gap_already_says_how_wide_it_will_be() -> None:
    for first, last in ((0x2000, 0x2FFF), (0x2800, 0x5FFF), (0x4000, 0x5800)):
        mas = MA_STATE(abc(), first, last)
        mas_preallocate(mas, None, 0)
        foreseen = (mas.index, mas.last)
        mas_store_prealloc(mas, None)
        assert (mas.index, mas.last) == foreseen


def test_a_store_may_grow_a_range_that_the_state_stands_at() -> None:
    mas = MA_STATE(abc(), 0x2000, 0x2000)
    assert mas_walk(mas) == "B"
    __mas_set_range(mas, 0x2000, 0x3FFF)
    assert mas_preallocate(mas, "B", 0) == 0
    mas_store_prealloc(mas, "B")
    assert after(mas, mas_prev, 0) == ("A", 0x1000, 0x1FFF, ma_active)
    assert after(mas, mas_next, MAX) == ("B", 0x2000, 0x3FFF, ma_active)


def test_thousands_of_ranges() -> None:
    mt = Tree()
    order = [i * 1009 % 5000 for i in range(5000)]
    for i in order:
        assert mtree_insert_range(mt, 10 * i + 5, 10 * i + 9, str(i), 0) == 0
    mt._check()
    assert all(mtree_load(mt, 10 * i + 7) == str(i) for i in order)
    assert all(mtree_load(mt, 10 * i + 4) is None for i in order)
    assert all(mt_prev(mt, 10 * i + 4, 0) == str(i - 1) for i in order if i)
    for i in order[:4000]:
        assert mtree_erase(mt, 10 * i + 5) == str(i)
    mt._check()
    left = [str(i) for i in sorted(order[4000:])]
    assert list(mas_for_each(MA_STATE(mt, 0, 0), MAX)) == left
    assert list(mas_for_each_rev(MA_STATE(mt, MAX, MAX), 0)) == left[::-1]


def test_zero_entries_are_walked_but_not_loaded() -> None:
    mt = tree((0x1000, 0x1FFF, "A"), (0x3000, 0x3FFF, "B"))
    mtree_store_range(mt, 0x2000, 0x2FFF, XA_ZERO_ENTRY, 0)
    mas = MA_STATE(mt, 0, 0)
    assert [xa_is_zero(entry) for entry in mas_for_each(mas, MAX)] == [
        False,
        True,
        False,
    ]
    assert mtree_load(mt, 0x2800) is None
    assert mt_find(mt, 0x2000, MAX) == ("B", 0x4000)
    assert mas_empty_area(MA_STATE(mt, 0, 0), 0x1000, 0x3FFF, 0x1000) == -EBUSY
    above, erased = mt_next(mt, 0x1000, MAX), mtree_erase(mt, 0x2000)
    assert xa_is_zero(above)
    assert xa_is_zero(erased)


def test_a_zero_entry_never_lives_in_the_root_pointer() -> None:
    mas = MA_STATE(tree((0, 0, XA_ZERO_ENTRY)), 0, 0)
    entry = mas_walk(mas)
    assert xa_is_zero(entry)
    assert mas.status is ma_active


def test_there_is_one_zero_entry() -> None:
    assert repr(XA_ZERO_ENTRY) == "XA_ZERO_ENTRY"
    assert copy.deepcopy(XA_ZERO_ENTRY) is XA_ZERO_ENTRY
    assert pickle.loads(pickle.dumps(XA_ZERO_ENTRY)) is XA_ZERO_ENTRY


def test_mt_find_says_where_to_go_on() -> None:
    mt = tree((10, 19, "a"), (MAX - 5, MAX, "z"))
    assert mt_find(mt, 12, MAX) == ("a", 20)
    assert mt_find_after(mt, 20, MAX) == ("z", 0)
    assert mt_find_after(mt, 0, MAX) == (None, 0)
    assert mt_find(mt, 20, 100) == (None, 20)
    assert mt_find(mt, 12, 11) == (None, 12)
    assert (mt_prev(mt, MAX, 0), mt_prev(mt, 15, 0)) == ("a", None)


def test_a_copy_shares_entries_and_wants_an_equal_empty_tree() -> None:
    mt, new = abc(), Tree(MT_FLAGS_ALLOC_RANGE)
    assert __mt_dup(mt, new, 0) == 0
    mtree_erase(mt, 0x1000)
    assert mtree_load(new, 0x1000) == "A"
    assert mtree_dup(mt, new, 0) == -EINVAL
    assert mtree_dup(mt, Tree(MT_FLAGS_USE_RCU), 0) == -EINVAL
    root, new = tree((0, 0, "only")), Tree(MT_FLAGS_ALLOC_RANGE)
    assert mtree_dup(root, new, 0) == 0
    assert after(MA_STATE(new, 0, 0), mas_find, MAX)[3] is ma_root


def test_destroy_empties_and_keeps_the_flags() -> None:
    mt = abc()
    mas = MA_STATE(mt, 0, 0)
    assert mas_find(mas, MAX) == "A"
    __mt_destroy(mt)
    assert mtree_empty(mt)
    assert mt.ma_flags == MT_FLAGS_ALLOC_RANGE
    assert mas_find(mas, MAX) is None
    mtree_store(mt, 5, "x", 0)
    mt._check()
    mtree_destroy(mt)
    assert mtree_load(mt, 5) is None


def test_the_check_shows_the_tree_that_breaks_a_law() -> None:
    mt = abc()
    mt._slots.head.next.last = 0x2100
    with pytest.raises(AssertionError, match=r"(?s)overlap.*root ma_active.*0x5000"):
        mt._check()
    mt = abc()
    mt._root = ma_none
    with pytest.raises(AssertionError, match="without root has entries"):
        mt._check()
    mt = abc()
    mt._slots._firsts.remove(0x2000)
    with pytest.raises(AssertionError, match="the index"):
        mt._check()
