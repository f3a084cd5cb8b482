# SPDX-License-Identifier: GPL-2.0-only
"""The page of all tables: whole, no law broken, and still true where looked at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pykmm.comparison import as_markdown, compare
from pykmm.comparison.cells import scene_names
from pykmm.patches.designs import DESIGNS
from pykmm.scenarios.release import OUTCOMES

PAGE = Path(__file__).parents[2] / "docs" / "case-studies" / "all-designs.md"


@pytest.fixture(scope="module")
def tables() -> dict[str, list[list[str]]]:
    """Return the rows of each scene's table, its head first."""
    found = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n### ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("| ")]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        found[section.partition(":")[0]] = [rows[0], *rows[2:]]
    return found


def cells(tables: dict[str, list[list[str]]], word: str) -> dict[tuple[str, str], str]:
    """Return what stands under *word* in each scene that has it, by design."""
    return {
        (scene, row[0]): row[head.index(word)]
        for scene, (head, *rows) in tables.items()
        if word in head
        for row in rows
    }


def test_every_scene_is_there_under_every_design(
    tables: dict[str, list[list[str]]],
) -> None:
    assert list(tables) == scene_names()
    for head, *rows in tables.values():
        assert [row[0] for row in rows] == list(DESIGNS)
        words = [word.name for word in OUTCOMES if word.name in head]
        assert head == ["design", "returns", "T-BY", *words, "explored"]


def test_each_cell_says_how_far_it_was_explored(
    tables: dict[str, list[list[str]]],
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    bounded = 0
    for (_, design), says in cells(tables, "explored").items():
        assert re.fullmatch(r"all \d+|\d+\+", says)
        if says.endswith("+"):
            bounded += 1
            assert f"\n- {design}: stopped after " in text
    assert text.count(": stopped after ") == bounded


def test_no_law_was_broken_anywhere() -> None:
    assert "BUG" not in PAGE.read_text(encoding="utf-8")


#: Who asks for no sharers, by the scenes that have a living one.
_NEVER_ASK = {
    (scene, design)
    for scene in ("S3", "S3'", "S4", "S5", "S5m", "S10", "S11")
    for design in ("B0", "H2")
}


def test_the_memory_of_the_living_goes_only_here(
    tables: dict[str, list[list[str]]],
) -> None:
    """Where nobody asks, a sharer is made meanwhile, or vfork() is not seen."""
    livezap = cells(tables, "LIVEZAP").items()
    found = {where for where, says in livezap if says in ("all", "some")}
    races = {(scene, design) for scene in ("S5", "S5m") for design in ("B", "C", "D")}
    assert found == _NEVER_ASK | races | {("S4", "D")}


def test_walks_can_meet_wherever_the_design_lets_them(
    tables: dict[str, list[list[str]]],
) -> None:
    """But for S5, which is small so that it can be explored whole."""
    meet = cells(tables, "MEET")
    for scene in ("S0", "S3-exit", "S4", "S5m", "S6", "S7"):
        assert meet[scene, "E"] == "some"
        assert meet[scene, "B"] in (".", "?")  # one after the other
    assert not any(scene == "S5" for scene, _ in meet)


@pytest.mark.parametrize(
    "scene", ["S0", "S0-perm", "S1", "S3'", "S3-past", "S9", "S10", "S13"]
)
def test_a_fresh_run_says_the_same(scene: str) -> None:
    fresh = as_markdown(compare(scene)).partition("\n- all, some: ")[0].rstrip()
    assert f"\n{fresh}\n" in PAGE.read_text(encoding="utf-8")
