# SPDX-License-Identifier: GPL-2.0-only
"""The race of the two walks, and its picture."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pykmm.comparison.picture import Picture
from pykmm.comparison.walks import (
    ORDERS,
    Spread,
    explored,
    free_running,
    meet,
    spread,
)


def picture(order: str, seed: int = 1, tables: int = 8) -> Picture:
    return Picture(meet(order, tables=tables, seed=seed).visits, {"lmkd": "reaps"}, "t")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(6))
def test_each_table_is_emptied_once_whoever_comes_first(order: str, seed: int) -> None:
    visits = meet(order, tables=8, seed=seed).visits
    found = [visit.table for visit in visits if visit.found]
    assert len(found) == len(set(found)) == 8
    assert len([v for v in visits if v.thread.name == "app"]) == 8
    # A caller who is very late finds no address space any more.
    assert len([v for v in visits if v.thread.name == "lmkd"]) in (0, 8)


@pytest.mark.parametrize("seed", range(20))
def test_opposite_walks_meet_once_at_most(seed: int) -> None:
    assert picture("down", seed).borders() <= 1
    assert meet("down", tables=16, seed=seed).contended <= 1


def test_downwards_waits_far_less_and_ends_earlier() -> None:
    figures = spread(runs=20, tables=16)
    up, down = figures["up"], figures["down"]
    assert down["waited"].total * 10 < up["waited"].total
    assert down["contended"].total * 5 < up["contended"].total
    assert down["ticks"].total < up["ticks"].total


def test_in_no_order_do_opposite_walks_want_two_locks_at_once() -> None:
    """Upwards there are executions in which every table is wanted by both."""
    assert explored("down", tables=4).keys() == {0, 1}
    assert explored("up", tables=4).keys() == {0, 1, 2, 3, 4}


def test_a_race_is_the_same_every_time() -> None:
    first, again = (meet("down", tables=8, seed=3) for _ in range(2))
    assert (first.contended, first.waited, first.ticks) == (
        again.contended,
        again.waited,
        again.ticks,
    )
    assert picture("down", 3).text() == picture("down", 3).text()


def test_real_threads_end_as_well() -> None:
    assert free_running("down", tables=4) >= 0
    assert free_running("up", tables=4) >= 0


def test_the_bar_says_who_took_what() -> None:
    assert picture("down", tables=6).text() == (
        "t\n"
        "\n"
        "  time  low high\n"
        "     1       A\n"
        "     2      A\n"
        "     3     A\n"
        "     4  B\n"
        "     5    A\n"
        "     6   B\n"
        "     7   .\n"
        "     8    .\n"
        "     9  .\n"
        "    10     .\n"
        "    11      .\n"
        "    12       .\n"
        "        BBAAAA  who took it\n"
        "\n"
        "  A: lmkd, reaps: took 4\n"
        "  B: app: took 2\n"
        "  .: came to what the other one had taken; -: nothing to take\n"
    )


def test_the_drawing_is_a_document_with_a_mark_for_each_visit() -> None:
    drawn = picture("down", tables=6)
    root = ElementTree.fromstring(drawn.svg())
    rects = root.findall("{http://www.w3.org/2000/svg}rect")
    background, bar, legend = 1, len(drawn.tables), len(drawn.walkers)
    assert len(rects) == background + bar + len(drawn.visits) + legend


def test_the_words_of_a_drawing_have_room_however_few_tables_there_are() -> None:
    narrow = Picture(picture("down", tables=2).visits, {}, "S0 under C: " + "word " * 9)
    root = ElementTree.fromstring(narrow.svg())
    texts = root.findall("{http://www.w3.org/2000/svg}text")
    ends = [
        float(t.get("x", 0)) + 6 * len(t.text or "")
        for t in texts
        if t.get("text-anchor") == "start"
    ]
    assert max(ends) <= float(root.get("width", 0))


def test_figures_are_summed_up() -> None:
    assert Spread.of([3, 1, 2]) == Spread(1, 2, 3, 6)
