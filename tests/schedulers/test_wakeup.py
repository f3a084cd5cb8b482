# SPDX-License-Identifier: GPL-2.0-only
"""Wakeup trees hold each sequence once, in whichever order it comes."""

from __future__ import annotations

from pykmm.engine import Access
from pykmm.schedulers.steps import Step, depends
from pykmm.schedulers.wakeup import Branch, initial, insert


def step(tid: int, oid: int, *classes: Access, left: int = 0) -> Step:
    return Step(tid, "step", oid, sum(1 << access for access in classes), left=left)


def write(tid: int, oid: int) -> Step:
    return step(tid, oid, Access.WRITE)


def read(tid: int, oid: int) -> Step:
    return step(tid, oid, Access.READ)


def paths(branches: list[Branch], prefix: str = "") -> list[str]:
    found = []
    for branch in branches:
        path = prefix + str(branch.step.tid)
        found += paths(branch.branches, path) if branch.branches else [path]
    return found


def tree(*sequences: list[Step]) -> list[str]:
    root: list[Branch] = []
    for sequence in sequences:
        insert(root, sequence)
    return paths(root)


def test_a_step_is_initial_if_nothing_it_depends_on_is_before_it() -> None:
    sequence = [write(1, 1), read(2, 1), read(3, 2)]
    assert initial(write(1, 1), sequence) == 0
    assert initial(read(2, 1), sequence) == -1
    assert initial(read(3, 2), sequence) == 2
    assert initial(read(4, 2), sequence) == 3
    assert initial(write(4, 2), sequence) == -1


def test_an_equivalent_sequence_is_not_added() -> None:
    assert tree([read(1, 1), read(2, 1)], [read(2, 1), read(1, 1)]) == ["12"]
    assert tree([write(1, 1), read(2, 2)], [read(2, 2)]) == ["12"]


def test_a_longer_sequence_is_covered_by_the_leaf_on_its_way() -> None:
    assert tree([write(1, 1)], [write(1, 1), write(2, 1)]) == ["1"]


def test_another_order_is_added_behind() -> None:
    assert tree([write(1, 1), write(2, 1)], [write(2, 1), write(1, 1)]) == ["12", "21"]


def test_a_common_beginning_is_shared() -> None:
    begin = write(1, 1)
    one = [begin, write(2, 2), write(3, 2)]
    two = [begin, write(3, 2), write(2, 2)]
    assert tree(one, two) == ["123", "132"]


def test_a_guessed_step_depends_on_all_that_it_might() -> None:
    maybe = step(1, 1, Access.READ, Access.WRITE)
    assert depends(maybe, read(2, 1))
    assert not depends(read(1, 1), read(2, 1))
    assert not depends(maybe, read(2, 2))


def test_drops_commute_as_long_as_enough_is_left() -> None:
    drop = step(1, 1, Access.DEC)
    assert not depends(drop, step(2, 1, Access.DEC, left=2))
    assert depends(drop, step(2, 1, Access.DEC, left=1))


def test_what_else_is_touched_counts_as_well() -> None:
    free = Step(1, "put", 1, 1 << Access.WRITE, more=((9, 1 << Access.WRITE),))
    use = Step(2, "read", 2, 1 << Access.READ, more=((9, 1 << Access.READ),))
    assert depends(free, use)
    assert depends(use, free)
    assert not depends(use, use)
