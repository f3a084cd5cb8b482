# SPDX-License-Identifier: GPL-2.0-only
"""Dictionaries and structures that hold only what differs from their defaults."""

from __future__ import annotations

import pytest

from pykmm.engine import Machine
from pykmm.engine.defaults import dict_with_defaults
from pykmm.engine.fields import const, kernel_struct, shared
from pykmm.engine.objects import Struct


@kernel_struct
class thing(Struct):
    """A structure with a default of each kind."""

    needed: int = const()
    fixed: int = const(default=3)
    open: int = shared(default=4)
    own: list[int] = const(factory=list)


def test_a_missing_key_has_its_default_and_no_place() -> None:
    made = dict_with_defaults({"a": 1, "b": 2})({"b": 5})
    assert (made["a"], made["b"]) == (1, 5)
    assert dict(made) == {"b": 5}
    with pytest.raises(KeyError):
        made["c"]


def test_a_structure_holds_what_was_given_and_what_is_its_own() -> None:
    with Machine():
        one, other = thing(needed=1), thing(needed=2, open=7)
        fields = [{*x.__dict__} & {*thing._rules} for x in (one, other)]
        assert fields == [{"needed", "own"}, {"needed", "open", "own"}]
        assert (one.fixed, one.open, one.__dict__["fixed"]) == (3, 4, 3)
        assert (other.open, other.__dict__["open"]) == (7, 7)
        assert one.own is not other.own


def test_writing_a_default_away_is_seen_by_every_way_of_reading() -> None:
    with Machine() as m:
        one, other = thing(needed=1), thing(needed=1)
        seen: list[int] = []

        def body() -> None:
            one.open = 9
            seen.append(one.open)

        m.thread("writer", body)
        m.run()
        assert seen == [9]
        assert (one.__dict__["open"], other.__dict__["open"]) == (9, 4)


@pytest.mark.parametrize("given", [{}, {"needed": 1, "odd": 2}, {"needed": 1, "a": 1}])
def test_wrong_keywords_are_refused_every_time(given: dict[str, int]) -> None:
    with Machine():
        for _ in range(2):
            with pytest.raises(TypeError, match="wrong or missing"):
                thing(**given)
