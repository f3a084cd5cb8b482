# SPDX-License-Identifier: GPL-2.0-only
"""Tables of designs against outcomes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pykmm.comparison import Cell, as_markdown, as_text, compare
from pykmm.comparison.cells import fill, scene_names, staged
from pykmm.errno import EAGAIN
from pykmm.errors import UsageError
from pykmm.mm import oom_kill
from pykmm.patches.designs import DESIGNS
from pykmm.patches.patch import Patch
from pykmm.runner import replay
from pykmm.scenarios.release import OUTCOMES, Judged


@pytest.fixture(scope="module")
def alone() -> dict[str, Cell]:
    return {design: fill("S0", design, 1000) for design in DESIGNS}


@pytest.fixture(scope="module")
def read() -> dict[str, Cell]:
    return {design: fill("S1", design, 1000) for design in DESIGNS}


def test_small_scenes_are_explored_to_completion(alone: dict[str, Cell]) -> None:
    assert all(cell.complete for cell in alone.values())
    assert not any(cell.bugs for cell in alone.values())


def test_the_reviewer_was_right_about_mm_count(alone: dict[str, Cell]) -> None:
    """With mm_count the walks meet; with mm_users they never do, and K tears down."""
    assert alone["C"].word("MEET") == "some"
    assert alone["B"].word("MEET") == ""
    assert list(alone["C"].by) == ["V"]
    assert sorted(alone["B"].by) == ["K", "V"]
    assert alone["B"].word("KPIN") == "some"
    assert alone["C"].word("KPIN") == ""


def test_the_author_was_right_about_esrch(read: dict[str, Cell]) -> None:
    """Two calls can strand the memory; one call cannot, whatever it holds."""
    assert read["A"].word("STRAND") == "some"
    assert "-ESRCH" in read["A"].results
    for design in ("B", "C", "D", "E", "F"):
        assert read[design].word("STRAND") == "", design


def test_nobody_meets_where_the_teardown_writes(alone: dict[str, Cell]) -> None:
    assert alone["G"].word("MEET") == ""


def test_fewer_contend_where_the_walks_go_opposite_ways(alone: dict[str, Cell]) -> None:
    down, up = alone["A"], alone["I-up"]
    share = [cell.words["CONTEND"].count / cell.executions for cell in (down, up)]
    assert share[0] < share[1]


@pytest.mark.parametrize("design", DESIGNS)
def test_each_witness_replays(design: str, alone: dict[str, Cell]) -> None:
    cell = alone[design]
    for word, finding in cell.words.items():
        judged = replay(staged("S0", design), finding.witness, stacks=False).outcome
        assert isinstance(judged, Judged)
        assert word in judged.words


def test_what_is_too_long_is_sampled_and_says_so() -> None:
    cell = fill("S7", "A", 40)
    assert not cell.complete
    assert cell.reason.startswith("40 executions; with one preemption: ")
    assert cell.reason.endswith("; pos and pct: 10 each")


def test_orders_with_one_preemption_are_few_enough_to_see_them_all() -> None:
    cell = fill("S8", "B", 120)
    bound = "with one preemption: complete within bound 1"
    assert cell.reason.startswith(f"120 executions; {bound}; ")


def test_a_vfork_child_is_no_way_round_the_second_posting() -> None:
    """The hole that nobody saw: MMF_MULTIPROCESS does not tell of vfork()."""
    assert fill("S4", "D", 100).word("LIVEZAP") == "all"
    assert fill("S4", "B", 100).word("LIVEZAP") == ""


def test_checking_before_killing_lets_a_sharer_in() -> None:
    """The victim clones between the look at its sharers and the signal."""
    cell = fill("S5", "B", 200)
    assert cell.word("LIVEZAP") == "some"
    assert cell.words["LIVEZAP"].preemptions == 1


def test_the_caller_waits_for_the_victims_io() -> None:
    """Holding mm_users, the caller may be the one who has to wait for the disk."""
    assert "None" in fill("S9", "B", 100).results
    assert "None" not in fill("S9", "C", 100).results


def test_a_caller_who_never_came_back_has_no_success() -> None:
    cell = fill("S8", "A", 60)
    assert "None" in cell.results
    assert cell.word("NOKILL") == ""


def test_workers_make_no_difference() -> None:
    with ThreadPoolExecutor(2) as executor:
        spread = compare("S1", designs=("A", "B", "C"), executor=executor)
    assert spread == compare("S1", designs=("A", "B", "C"))


def test_tables_name_every_design_and_explain_every_word() -> None:
    comparison = compare("S1", designs=("A", "C"))
    text = as_text(comparison)
    assert text == (
        "S1: a reader holds the victim's memory\n"
        "\n"
        "  design  returns   T-BY  STRAND  KILLED+ERR  explored\n"
        "  A       0 -ESRCH  .     some    some        all 4\n"
        "  C       0         .     .       .           all 2\n"
        "\n" + text[text.index("all, some") :]
    )
    assert "STRAND: all have let go" in text
    assert "| A | 0 -ESRCH | . | some | some | all 4 |" in as_markdown(comparison)


def test_plain_values_hold_what_the_table_holds() -> None:
    comparison = compare("S1", designs=("A",))
    (cell,) = comparison.as_dict()["cells"]  # type: ignore[misc]  # plain data
    assert cell["words"]["STRAND"]["count"] == 2  # type: ignore[index]


def test_words_have_names_of_their_own() -> None:
    assert len({word.name for word in OUTCOMES}) == len(OUTCOMES)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: compare("S99"), "scenario='S99' cannot be compared"),
        (lambda: compare("S1", designs=("Z",)), "design='Z' is unknown"),
        (lambda: compare("S1", executions=0), "executions=0 must be a whole number"),
    ],
)
def test_mistakes_are_told(call: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        call()  # type: ignore[operator]  # one of the lambdas above


def test_scenes_have_a_name_each() -> None:
    assert len(scene_names()) == len(set(scene_names()))


def test_a_patch_of_ones_own_is_compared_with_the_designs() -> None:
    own = Patch("mine", "design", "it refuses", "made up here")

    @own.replaces(oom_kill.process_mrelease)
    def refuses(pidfd: int, flags: int) -> int:
        del pidfd, flags
        return -EAGAIN

    table = compare("S1", designs=["A", own])
    assert table.designs == ("A", "mine")
    assert list(table.cells["S1", "mine"].results) == ["-EAGAIN"]
    assert "mine: it refuses" in as_text(table)


def test_what_is_neither_a_letter_nor_a_patch_is_refused() -> None:
    with pytest.raises(UsageError, match=r"design=3 is unknown: .*Patch"):
        compare("S1", designs=[3])  # type: ignore[list-item]  # the point
