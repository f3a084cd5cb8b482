# SPDX-License-Identifier: GPL-2.0-only
"""Parts of structures are made when they are asked for, and then are there."""

from __future__ import annotations

import pytest

from pykmm.engine import Machine
from pykmm.engine.fields import const, embedded, guarded, is_made, kernel_struct
from pykmm.engine.objects import Struct
from pykmm.linux.atomic import atomic_inc, atomic_t
from pykmm.linux.compiler import READ_ONCE
from pykmm.linux.spinlock import spinlock_t


@kernel_struct
class thing(Struct):
    number: int = const()
    word: str = const(default="w")
    count: atomic_t = embedded(lambda owner: atomic_t(3, owner))
    lock: spinlock_t = embedded(spinlock_t)
    eager: list[int] = guarded(by="lock", factory=list)
    late: list[int] = guarded(by="lock", factory=list, lazy=True)
    table: dict[int, int] = const(factory=dict, lazy=True)


def test_a_part_is_made_once_and_has_its_name() -> None:
    with Machine():
        made = thing(number=1)
        assert not is_made(made, "count")
        assert made.count is made.count
        assert is_made(made, "count")
        assert made.count.owner is made
        assert made.count.name == "thing#1.count"
        assert made.late is made.late
        assert made.table is made.table
        assert made.eager is made.eager


def test_parts_and_values_belong_to_one_structure() -> None:
    with Machine():
        one, other = thing(number=1), thing(number=2, table={5: 6})
        atomic_inc(one.count)
        one.eager.append(1)
        one.late.append(1)
        one.table[1] = 1
        assert (one.count.counter, other.count.counter) == (4, 3)
        assert other.eager == other.late == []
        assert other.table == {5: 6}
        assert (one.name, other.name) == ("thing#1", "thing#2")


def test_a_uid_does_not_tell_when_a_part_was_made() -> None:
    def uids(*, first: str) -> list[object]:
        with Machine():
            made = thing(number=1)
            getattr(made, first)
            return [made.count.uid, made.lock.uid]

    assert uids(first="count") == uids(first="lock")


@pytest.mark.parametrize(
    ("values", "told"),
    [({}, "number"), ({"number": 1, "numbr": 2}, "numbr"), ({"count": 1}, "count")],
)
def test_a_constructor_knows_its_fields(values: dict[str, object], told: str) -> None:
    with Machine(), pytest.raises(TypeError, match=f"thing.*{told}"):
        thing(**values)


def test_a_thread_finds_what_the_host_has_made() -> None:
    with Machine() as machine:
        made = thing(number=1)
        seen: list[object] = []
        machine.thread("t", lambda: seen.append(made.count))
        machine.run()
        assert seen == [made.count]


def test_a_view_is_for_threads() -> None:
    with Machine() as machine:
        made = thing(number=1)
        assert READ_ONCE(made) is made
        views: list[object] = []
        machine.thread("t", lambda: views.append(READ_ONCE(made)))
        machine.run()
        assert views != [made]
