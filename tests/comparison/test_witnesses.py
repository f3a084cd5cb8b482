# SPDX-License-Identifier: GPL-2.0-only
"""Witnesses replay; ``python -m pykmm compare --all --check`` replays every one."""

from __future__ import annotations

import attrs
import pytest

from pykmm.comparison import Cell, compare
from pykmm.comparison.cells import fill, scene_names
from pykmm.comparison.witnesses import count, failing
from pykmm.patches.designs import DESIGNS

_EVERY = [(scene, design) for scene in scene_names() for design in DESIGNS]


@pytest.fixture(scope="module")
def cell() -> Cell:
    return fill("S1", "A", 100)


# Seven is prime to the number of designs: each is met, and each scene twice.
@pytest.mark.parametrize(("scene", "design"), _EVERY[::7])
def test_a_sample_of_all_cells(scene: str, design: str) -> None:
    filled = fill(scene, design, 12)
    assert count(filled) > 0
    assert list(failing([filled])) == []


def test_what_a_witness_does_not_show_is_told(cell: Cell) -> None:
    strand = cell.words["STRAND"]
    other = attrs.evolve(cell, words={"MEET": strand}, results={}, by={})
    (sentence,) = failing([other])
    assert sentence.startswith("S1 under A: ")
    assert sentence.endswith("comes to -ESRCH STRAND KILLED+ERR, not to MEET")


def test_a_schedule_that_fits_no_more_is_told(cell: Cell) -> None:
    gone = attrs.evolve(cell.words["STRAND"], witness="nobody")
    (sentence,) = failing([attrs.evolve(cell, words={"X": gone}, results={}, by={})])
    assert "'nobody'" in sentence


def test_each_schedule_is_replayed_once(cell: Cell) -> None:
    assert count(cell) == len({finding.witness for _, finding in cell.entries()})


def test_an_entry_is_named_as_in_the_table() -> None:
    table = compare("S0", designs=("B",))
    names = {name for name, _ in table.cells["S0", "B"].entries()}
    assert names == {"KPIN", "REWALK", "0", "T-BY=K", "T-BY=V"}
