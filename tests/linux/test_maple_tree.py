# SPDX-License-Identifier: GPL-2.0-only
"""What the header of the maple tree does by itself: flags, states, loops."""

from __future__ import annotations

from pykmm.lib.maple_tree import mas_find, mtree_erase, mtree_store_range
from pykmm.linux.maple_tree import (
    MA_STATE,
    MA_STATE_PREALLOC,
    MT_FLAGS_ALLOC_RANGE,
    MT_FLAGS_LOCK_EXTERN,
    MT_FLAGS_USE_RCU,
    ULONG_MAX,
    __mas_set_range,
    ma_active,
    ma_start,
    maple_tree,
    mas_for_each,
    mas_for_each_rev,
    mas_init,
    mas_is_active,
    mas_reset,
    mas_set,
    mas_set_range,
    mt_clear_in_rcu,
    mt_external_lock,
    mt_for_each,
    mt_in_rcu,
    mt_init,
    mt_init_flags,
    mt_set_in_rcu,
    mtree_empty,
)


def tens() -> maple_tree[str]:
    mt: maple_tree[str] = maple_tree()
    for i, name in enumerate("abc"):
        mtree_store_range(mt, 10 * i, 10 * i + 4, name, 0)
    return mt


def test_a_tree_is_initialised_with_its_flags() -> None:
    mt = tens()
    mt_init_flags(mt, MT_FLAGS_ALLOC_RANGE | MT_FLAGS_LOCK_EXTERN)
    assert mtree_empty(mt)
    assert mt_external_lock(mt)
    mt_init(mt)
    assert not mt_external_lock(mt)
    assert mt.ma_flags == 0


def test_rcu_mode_is_a_flag_among_others() -> None:
    mt: maple_tree[str] = maple_tree(MT_FLAGS_ALLOC_RANGE)
    assert not mt_in_rcu(mt)
    mt_set_in_rcu(mt)
    assert mt_in_rcu(mt)
    assert mt.ma_flags == MT_FLAGS_ALLOC_RANGE | MT_FLAGS_USE_RCU
    mt_clear_in_rcu(mt)
    assert mt.ma_flags == MT_FLAGS_ALLOC_RANGE


def test_a_state_is_set_anew() -> None:
    mas = MA_STATE(tens(), 3, 4)
    assert (mas.index, mas.last, mas.status) == (3, 4, ma_start)
    assert mas_find(mas, ULONG_MAX) == "a"
    assert mas_is_active(mas)
    __mas_set_range(mas, 1, 2)
    assert (mas.index, mas.last, mas.status) == (1, 2, ma_active)
    mas_reset(mas)
    assert (mas.index, mas.last, mas.status) == (1, 2, ma_start)
    mas_set_range(mas, 10, 12)
    assert (mas.index, mas.last) == (10, 12)
    mas_set(mas, 11)
    assert (mas.index, mas.last) == (11, 11)
    assert mas_find(mas, ULONG_MAX) == "b"


def test_init_points_a_state_at_another_tree() -> None:
    mas = MA_STATE(tens(), 0, 0)
    mas.mas_flags = MA_STATE_PREALLOC
    other: maple_tree[str] = maple_tree()
    mas_init(mas, other, 7)
    assert mas.tree is other
    assert (mas.index, mas.last, mas.status, mas.mas_flags) == (7, 7, ma_start, 0)
    assert mas_find(mas, ULONG_MAX) is None


def test_loops_move_the_state_along() -> None:
    mas = MA_STATE(tens(), 0, 0)
    up = [(entry, mas.index, mas.last) for entry in mas_for_each(mas, 10)]
    assert up == [("a", 0, 4), ("b", 10, 14)]
    mas = MA_STATE(mas.tree, ULONG_MAX, ULONG_MAX)
    down = [(entry, mas.index, mas.last) for entry in mas_for_each_rev(mas, 14)]
    assert down == [("c", 20, 24), ("b", 10, 14)]


def test_a_loop_without_state_takes_the_tree_as_it_is() -> None:
    mt = tens()
    seen = []
    for entry in mt_for_each(mt, 3, ULONG_MAX):
        seen.append(entry)
        mtree_erase(mt, 10)
    assert seen == ["a", "c"]


def test_a_loop_ends_where_addresses_wrap() -> None:
    mt = tens()
    mtree_store_range(mt, ULONG_MAX, ULONG_MAX, "end", 0)
    assert list(mt_for_each(mt, 20, ULONG_MAX)) == ["c", "end"]
