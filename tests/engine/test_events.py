# SPDX-License-Identifier: GPL-2.0-only
"""The table of what commutes is symmetric, and says what the docs say."""

from __future__ import annotations

from itertools import product

import pytest

from pykmm.engine.events import CONFLICTS, Access

COMMUTE = [
    (Access.READ, Access.READ),
    (Access.ADD, Access.ADD),
    (Access.INC, Access.INC),
    (Access.DEC, Access.DEC),
    (Access.SHARE, Access.SHARE),
    (Access.SHARE, Access.UNSHARE),
]
CLASH = [
    (Access.READ, Access.WRITE),
    (Access.WRITE, Access.WRITE),
    (Access.READ, Access.ADD),
    # One of several drops is the last one in some order, unless no reference is
    # taken meanwhile: so taking and dropping conflict.
    (Access.INC, Access.DEC),
    (Access.ACQUIRE, Access.ACQUIRE),
    (Access.ACQUIRE, Access.SHARE),
    (Access.RELEASE, Access.READ),
]


def test_conflicts_are_symmetric() -> None:
    for a, b in product(Access, Access):
        assert CONFLICTS[a][b] == CONFLICTS[b][a]


@pytest.mark.parametrize(("a", "b"), COMMUTE)
def test_commutes(a: Access, b: Access) -> None:
    assert not CONFLICTS[a][b]


@pytest.mark.parametrize(("a", "b"), CLASH)
def test_conflicts(a: Access, b: Access) -> None:
    assert CONFLICTS[a][b]


def test_a_jump_of_the_clock_is_ordered_with_everything() -> None:
    assert all(CONFLICTS[Access.BARRIER][other] for other in Access)
