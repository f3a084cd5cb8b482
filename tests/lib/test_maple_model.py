# SPDX-License-Identifier: GPL-2.0-only
"""The maple tree against a model too simple to be wrong: a list of all slots."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.errno import EBUSY, EEXIST, EINVAL
from pykmm.lib.maple_tree import (
    __mt_dup,
    mas_empty_area,
    mas_empty_area_rev,
    mas_erase,
    mas_find,
    mas_find_range,
    mas_find_range_rev,
    mas_find_rev,
    mas_next,
    mas_next_range,
    mas_preallocate,
    mas_prev,
    mas_prev_range,
    mas_store,
    mas_store_prealloc,
    mas_walk,
    mt_find,
    mt_next,
    mt_prev,
    mtree_erase,
    mtree_insert_range,
    mtree_load,
    mtree_store_range,
)
from pykmm.linux.maple_tree import (
    MA_STATE,
    MT_FLAGS_ALLOC_RANGE,
    ULONG_MAX,
    XA_ZERO_ENTRY,
    ma_active,
    ma_state,
    maple_tree,
    mas_for_each,
    mas_for_each_rev,
    mt_for_each,
    xa_is_zero,
)

#: A range and what it holds; None is a gap.
Range = tuple[int, int, object]


class Line:
    """The address line as a list of adjoining ranges, gaps included."""

    def __init__(self) -> None:
        self.ranges: list[Range] = [(0, ULONG_MAX, None)]

    def store(self, first: int, last: int, entry: object) -> None:
        pieces: list[Range] = [(first, last, entry)]
        for a, b, old in self.ranges:
            if a < first:
                pieces.append((a, min(b, first - 1), old))
            if b > last:
                pieces.append((max(a, last + 1), b, old))
        self.ranges = []
        for a, b, old in sorted(pieces, key=lambda piece: piece[0]):
            if self.ranges and old is None and self.ranges[-1][2] is None:
                a = self.ranges.pop()[0]
            self.ranges.append((a, b, old))

    def at(self, index: int) -> Range:
        return next(r for r in self.ranges if r[0] <= index <= r[1])

    def entries(self) -> list[Range]:
        return [r for r in self.ranges if r[2] is not None]

    def is_free(self, first: int, last: int) -> bool:
        return not any(a <= last and first <= b for a, b, _ in self.entries())

    def room(self, low: int, high: int, size: int) -> list[int]:
        """List where *size* addresses fit at the ends of a gap within a window."""
        found = []
        for a, b, entry in self.ranges:
            first, last = max(a, low), min(b, high)
            if entry is None and last - first + 1 >= size:
                found += [first, last - size + 1]
        return found


class Pair:
    """A tree and its model, changed together."""

    def __init__(self) -> None:
        self.line = Line()
        self.tree: maple_tree[object] = maple_tree(MT_FLAGS_ALLOC_RANGE)

    def state(self, first: int, last: int) -> ma_state[object]:
        return MA_STATE(self.tree, first, last)

    def store(self, first: int, last: int, entry: object) -> None:
        assert mtree_store_range(self.tree, first, last, entry, 0) == 0
        self.line.store(first, last, entry)

    def insert(self, first: int, last: int, entry: object) -> None:
        free = self.line.is_free(first, last)
        error = mtree_insert_range(self.tree, first, last, entry, 0)
        assert error == (0 if free else -EEXIST)
        if free:
            self.line.store(first, last, entry)

    def erase(self, first: int, last: int, entry: object) -> None:
        a, b, old = self.line.at(first)
        assert mtree_erase(self.tree, first) == old
        self.line.store(a, b, None)

    def store_at(self, first: int, last: int, entry: object) -> None:
        mas = self.state(first, last)
        assert mas_store(mas, entry) == self.line.at(first)[2]
        self.line.store(first, last, entry)
        self.bounds_are_those_at(first, mas)

    def walk_and_store(self, first: int, last: int, entry: object) -> None:
        mas = self.state(first, first)
        mas_walk(mas)
        mas.index, mas.last = first, last
        assert mas_preallocate(mas, entry, 0) == 0
        mas_store_prealloc(mas, entry)
        self.line.store(first, last, entry)
        self.bounds_are_those_at(first, mas)

    def erase_at(self, first: int, last: int, entry: object) -> None:
        mas = self.state(first, first)
        a, b, old = self.line.at(first)
        assert mas_erase(mas) == old
        self.line.store(a, b, None)
        self.bounds_are_those_at(first, mas)

    def bounds_are_those_at(self, index: int, mas: ma_state[object]) -> None:
        # Without a node the bounds are left alone; the recordings cover that.
        if mas.status is ma_active:
            assert (mas.index, mas.last) == self.line.at(index)[:2]

    def gaps(self, first: int, last: int, size: int) -> None:
        places = self.line.room(first, last, size)
        for search, best in ((mas_empty_area, min), (mas_empty_area_rev, max)):
            mas = self.state(0, 0)
            error = search(mas, first, last, size)
            if size == 0 or size > last - first + 1:
                assert error == -EINVAL
            elif places:
                assert error == 0
                assert (mas.index, mas.last) == (best(places), best(places) + size - 1)
            else:
                assert error == -EBUSY


addresses = st.one_of(
    st.integers(0, 40), st.integers(ULONG_MAX - 3, ULONG_MAX), st.just(1 << 40)
)
ranges = st.tuples(addresses, addresses).map(lambda r: (min(r), max(r)))
short_ranges = st.tuples(st.integers(0, 40), st.integers(0, 6)).map(
    lambda r: (r[0], r[0] + r[1])
)
entries = st.one_of(st.none(), st.just(XA_ZERO_ENTRY), st.integers(1, 9))
changes = st.tuples(
    st.sampled_from(
        [
            Pair.store,
            Pair.insert,
            Pair.erase,
            Pair.store_at,
            Pair.walk_and_store,
            Pair.erase_at,
        ]
    ),
    st.one_of(short_ranges, short_ranges, ranges),
    entries,
)
searches = st.tuples(
    st.just(Pair.gaps), st.one_of(st.just((2, 39)), ranges), st.integers(0, 9)
)
calls = st.lists(st.one_of(changes, changes, searches), max_size=40)

few = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def played(script: list[tuple[object, tuple[int, int], object]]) -> Pair:
    pair = Pair()
    for call, (first, last), what in script:
        call(pair, first, last, what)  # type: ignore[operator]  # a method of Pair
    return pair


def seen(mas: ma_state[object], entry: object) -> Range:
    return mas.index, mas.last, entry


@few
@given(calls)
def test_it_holds_what_the_model_holds(
    script: list[tuple[object, tuple[int, int], object]],
) -> None:
    pair = Pair()
    for call, (first, last), what in script:
        call(pair, first, last, what)  # type: ignore[operator]  # a method of Pair
        pair.tree._check()
        mas = pair.state(0, 0)
        held = [seen(mas, entry) for entry in mas_for_each(mas, ULONG_MAX)]
        assert held == pair.line.entries()


@few
@given(calls, addresses)
def test_looking_at_one_address(
    script: list[tuple[object, tuple[int, int], object]], index: int
) -> None:
    pair = played(script)
    slot = pair.line.at(index)
    mas = pair.state(index, index)
    entry = mas_walk(mas)
    if mas.status is ma_active:
        assert seen(mas, entry) == slot
    assert entry == slot[2]
    assert mtree_load(pair.tree, index) == (None if xa_is_zero(entry) else entry)


@few
@given(calls, addresses, addresses)
def test_searching_up_and_down_within_a_limit(
    script: list[tuple[object, tuple[int, int], object]], index: int, limit: int
) -> None:
    pair = played(script)
    slots = pair.line.entries()
    mas = pair.state(index, index)
    up = [seen(mas, entry) for entry in mas_for_each(mas, limit)]
    assert up == [
        r for r in slots if r[1] >= index and r[0] <= limit and index <= limit
    ]
    mas = pair.state(index, index)
    down = [seen(mas, entry) for entry in mas_for_each_rev(mas, limit)]
    assert down == [
        r for r in reversed(slots) if r[0] <= index and r[1] >= limit and index >= limit
    ]


@few
@given(calls, addresses, addresses)
def test_one_step_from_an_address(
    script: list[tuple[object, tuple[int, int], object]], index: int, limit: int
) -> None:
    pair = played(script)
    here = pair.line.at(index)
    slots = pair.line.entries()
    above = next((r[2] for r in slots if r[0] > here[1] and r[0] <= limit), None)
    below = next((r[2] for r in slots[::-1] if r[1] < here[0] and r[1] >= limit), None)
    if index == limit:
        above = below = None
    assert mt_next(pair.tree, index, limit) == above
    assert mas_next(pair.state(index, index), limit) == above
    assert mt_prev(pair.tree, index, limit) == below
    assert mas_prev(pair.state(index, index), limit) == below


@few
@given(calls, addresses)
def test_range_steps_meet_every_slot(
    script: list[tuple[object, tuple[int, int], object]], index: int
) -> None:
    pair = played(script)
    mas = pair.state(index, index)
    mas_walk(mas)
    if mas.status is not ma_active:
        return  # no node: the recordings cover it
    at = pair.line.ranges.index(pair.line.at(index))
    for step, slots in (
        (mas_next_range, pair.line.ranges[at + 1 :]),
        (mas_prev_range, pair.line.ranges[at - 1 :: -1] if at else []),
    ):
        mas = pair.state(index, index)
        limit = ULONG_MAX if step is mas_next_range else 0
        assert [seen(mas, step(mas, limit)) for _ in slots] == slots
    # A find first looks at the address itself, and so takes no step off an entry.
    up = at + (pair.line.at(index)[2] is None)
    mas = pair.state(index, index)
    for slot in pair.line.ranges[up:]:
        assert seen(mas, mas_find_range(mas, ULONG_MAX)) == slot
    down = at - (pair.line.at(index)[2] is None)
    mas = pair.state(index, index)
    for slot in pair.line.ranges[: down + 1][::-1]:
        assert seen(mas, mas_find_range_rev(mas, 0)) == slot


@few
@given(calls, addresses, addresses)
def test_mt_find_passes_over_zero_entries(
    script: list[tuple[object, tuple[int, int], object]], index: int, limit: int
) -> None:
    pair = played(script)
    plain = [r for r in pair.line.entries() if not xa_is_zero(r[2])]
    wanted = [r for r in plain if r[1] >= index and r[0] <= limit and index <= limit]
    assert list(mt_for_each(pair.tree, index, limit)) == [r[2] for r in wanted]
    found = mt_find(pair.tree, index, limit)
    if wanted:
        assert found == (wanted[0][2], (wanted[0][1] + 1) % 2**64)
    else:
        assert found == (None, index)


@few
@given(calls, calls)
def test_a_copy_leads_a_life_of_its_own(
    script: list[tuple[object, tuple[int, int], object]],
    more: list[tuple[object, tuple[int, int], object]],
) -> None:
    pair, copy = played(script), played([])
    assert __mt_dup(pair.tree, copy.tree, 0) == 0
    copy.line.ranges = list(pair.line.ranges)
    for call, (first, last), what in more:
        call(copy, first, last, what)  # type: ignore[operator]  # a method of Pair
    for one in (pair, copy):
        one.tree._check()
        mas = one.state(0, 0)
        assert [
            seen(mas, e) for e in mas_for_each(mas, ULONG_MAX)
        ] == one.line.entries()


@few
@given(calls, st.lists(changes, max_size=6), addresses)
def test_a_state_survives_changes_by_others(
    script: list[tuple[object, tuple[int, int], object]],
    others: list[tuple[object, tuple[int, int], object]],
    index: int,
) -> None:
    pair = played(script)
    up, down = pair.state(index, index), pair.state(index, index)
    if mas_find(up, ULONG_MAX) is None or mas_find_rev(down, 0) is None:
        return
    for call, (first, last), what in others:
        call(pair, first, last, what)  # type: ignore[operator]  # a method of Pair
    if up.status is not ma_active or down.status is not ma_active:
        return
    above = next((r for r in pair.line.entries() if r[0] > up.last), None)
    if pair.line.at(up.index)[1] <= up.last and above is not None:
        assert seen(up, mas_find(up, ULONG_MAX)) == above
    below = next((r for r in pair.line.entries()[::-1] if r[1] < down.index), None)
    if pair.line.at(down.index)[0] >= down.index and below is not None:
        assert seen(down, mas_find_rev(down, 0)) == below
