# SPDX-License-Identifier: GPL-2.0-only
"""Structures that are made together are as if made one after the other."""

from __future__ import annotations

from typing import Any

import pytest

from pykmm.engine import Machine
from pykmm.engine.fields import const, kernel_struct, make_many, shared
from pykmm.engine.objects import Struct


@kernel_struct
class twin(Struct):
    """A structure with a default of each kind, and something to do at the end."""

    needed: int = const()
    open: int = shared(default=4)
    own: list[int] = const(factory=list)

    def __attrs_post_init__(self) -> None:
        self.own.append(self.needed)


def _many(count: int) -> list[twin]:
    return make_many(twin, ({"needed": n} for n in range(count)))


def _one_by_one(count: int) -> list[twin]:
    return [twin(needed=n) for n in range(count)]


def _identity(struct: Struct) -> tuple[object, ...]:
    return struct.name, struct.uid, struct._birth, str(struct.__dict__)


def test_many_have_the_names_of_one_after_the_other() -> None:
    seen = []
    for make in (_many, _one_by_one):
        with Machine() as machine:
            found: list[tuple[object, ...]] = []

            def body(make: Any = make, found: list[tuple[object, ...]] = found) -> None:
                made = [twin(needed=7), *make(3), *make(1), twin(needed=8)]
                found += map(_identity, made)

            machine.thread("maker", body)
            machine.run()
            seen.append((found, [struct.name for struct in machine.alive]))
    assert seen[0] == seen[1]
    assert [identity[0] for identity in seen[0][0]] == [
        f"twin#{n}" for n in range(1, 7)
    ]


def test_many_are_whole_and_share_nothing() -> None:
    with Machine():
        one, other = make_many(twin, [{"needed": n, "open": n} for n in (1, 2)])
        assert (one.own, other.own) == ([1], [2])
        assert (one.open, other.open) == (1, 2)


def test_no_structures_are_easily_made() -> None:
    with Machine() as machine:
        assert make_many(twin, []) == []
        assert machine.counts == {}


@pytest.mark.parametrize("given", [{}, {"needed": 1, "odd": 2}])
def test_many_with_wrong_keywords_are_refused(given: dict[str, int]) -> None:
    with Machine() as machine:
        with pytest.raises(TypeError, match="wrong or missing"):
            make_many(twin, [given])
        assert not machine.alive


def test_many_with_different_keywords_are_refused() -> None:
    with Machine() as machine:
        with pytest.raises(AssertionError):
            make_many(twin, [{"needed": 1}, {"needed": 1, "open": 2}])
        assert not machine.alive
