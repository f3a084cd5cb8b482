# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm compare`` as a user meets it."""

from __future__ import annotations

import json

import pytest

from pykmm.__main__ import main
from pykmm.cli.parser import parse
from pykmm.comparison.table import EXECUTIONS


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = main(list(args))
    out, err = capsys.readouterr()
    return status, out, err


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "compare", "S1", "--designs", "A,B")
    assert status == 0
    assert err == ""
    assert "  A       0 -ESRCH  .     some    some        all 4\n" in out
    assert out.endswith("2 cells, 2 explored to completion, 9 executions\n")


def test_the_bound_is_the_library_s() -> None:
    assert parse(["compare", "--all"]).executions == EXECUTIONS


def test_markdown_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "compare", "S1", "--designs", "A", "--markdown")
    assert out.startswith("### S1: ")
    _, out, _ = run(capsys, "compare", "S1", "--designs", "A", "--json")
    assert json.loads(out)["cells"][0]["words"]["STRAND"]["count"] == 2


def test_why_draws_a_witness_and_says_how_to_replay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = run(capsys, "compare", "S1", "--why", "A,STRAND")
    assert status == 0
    assert out.startswith("S1 under A: -ESRCH STRAND KILLED+ERR\n")
    line = out.splitlines()[-1]
    assert line.startswith("replay: python -m pykmm replay --design A S1 ")
    schedule = line.split('"')[1]
    status, out, _ = run(capsys, "replay", "--design", "A", "S1", schedule)
    assert status == 0
    assert "STRAND" in out


@pytest.mark.parametrize(
    ("scene", "why", "says"),
    [
        ("S4", "D,LIVEZAP", "S4 under D: 0 LIVEZAP\n"),  # all
        ("S0", "C,MEET", "S0 under C: 0 T-BY=V MEET REWALK"),  # some
        ("S1", "A,-ESRCH", "S1 under A: -ESRCH STRAND KILLED+ERR\n"),
        ("S0", "B,T-BY=K", "S0 under B: 0 T-BY=K KPIN"),
    ],
)
def test_why_for_each_kind_of_cell(
    scene: str, why: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "compare", scene, "--why", why)
    assert status == 0
    assert out.startswith(says)
    _, out, _ = run(capsys, "compare", scene, "--why", why, "--json")
    told = json.loads(out)
    assert told["schedule"] in told["replay"]
    assert says.startswith(f"{scene} under {why[0]}: {told['outcome']}"[: len(says)])


@pytest.mark.parametrize(
    ("why", "says"),
    [
        (("S1", "B,STRAND"), "none of the 5 executions there are comes to STRAND"),
        (("S7", "A,STRAND"), "no execution seen comes (stopped after 20 executions; "),
        (("S1", "A,STARND"), "no outcome 'STARND' of S1 under A: did you mean STRAND?"),
        (("S1", "Z,STRAND"), "there is no design 'Z': known are A, A', B, "),
    ],
)
def test_why_not(
    why: tuple[str, str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene, asked = why
    args = ("compare", scene, "--why", asked, "--executions", "20")
    status, out, err = run(capsys, *args)
    assert (status, out) == (2, "")
    assert says in err


def test_check_replays_every_witness(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "compare", "S1", "--designs", "A,B", "--check")
    assert (status, err) == (0, "")
    assert out.endswith("\n3 witnesses replayed, 0 fail\n")


def test_why_as_a_bar_and_as_svg(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "compare", "S0", "--why", "C,MEET", "--draw", "bar")
    assert "who took it" in out
    _, out, _ = run(capsys, "compare", "S0", "--why", "C,MEET", "--draw", "svg")
    assert out.startswith("<svg ")


def test_there_is_no_bar_where_nobody_walks(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("compare", "S1", "--why", "A,STRAND", "--draw", "svg")
    status, out, err = run(capsys, *args)
    assert (status, out) == (2, "")
    assert "nobody comes to a page table in the execution behind A,STRAND" in err


def test_the_race_of_the_walks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "compare", "--walks")
    assert status == 0
    assert "a reap pass that goes down" in out
    assert "time spent in them" in out
    assert "every order that matters" in out
    assert "races of real threads" in out


def test_the_race_as_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "compare", "--walks", "--json")
    orders = json.loads(out)["orders"]
    assert set(orders["down"]["explored"]) == {"0", "1"}
    assert set(orders["up"]["explored"]) == set("0123456")
    assert len(orders["up"]["threads"]) == len(orders["down"]["threads"]) > 0
    assert orders["up"]["waited"]["total"] > 10 * orders["down"]["waited"]["total"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "compare takes a SCENARIO, or --all"),
        (("S1", "--all"), "compare takes a SCENARIO, or --all"),
        (("S99",), "there is no scenario 'S99' to compare: did you mean S9"),
        (("S1", "--designs", "A,b"), "there is no design 'b': did you mean B? "),
        (("S1", "--why", "A"), "must be a design and a word"),
        (("--why", "B,STRAND"), "--why needs the SCENARIO"),
        (("S1", "--designs", "A,A"), "'A' is given twice"),
        (("S1", "--draw", "bar"), "--draw says nothing to a table"),
        (("S1", "--walks"), "SCENARIO says nothing to --walks"),
        (("--walks", "--all"), "--all says nothing to --walks"),
        (("--walks", "--why", "A,MEET"), "--why says nothing to --walks"),
        (("--walks", "--check"), "--check says nothing to --walks"),
        (("--all", "--why", "A,MEET"), "--all says nothing to --why"),
        (("S1", "--why", "A,0", "--designs", "A"), "--designs says nothing to --why"),
        (("S1", "--why", "A,0", "--markdown"), "--markdown says nothing to --why"),
        (("S1", "--markdown", "--json"), "--markdown and --json exclude each other"),
        (("--walks", "--draw", "svg", "--json"), "--draw and --json exclude each"),
    ],
)
def test_mistakes_are_one_sentence(
    args: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "compare", *args)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
