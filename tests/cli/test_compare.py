# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm compare`` as a user meets it."""

from __future__ import annotations

import json

import pytest

from pykmm.__main__ import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = main(list(args))
    out, err = capsys.readouterr()
    return status, out, err


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "compare", "S1", "--designs", "A,B")
    assert status == 0
    assert err == ""
    assert "  A       0 -ESRCH  .     some    some        all 4\n" in out
    assert out.endswith("2 cells, 2 explored to completion, 10 executions\n")


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


def test_why_as_a_bar_and_as_svg(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "compare", "S0", "--why", "C,MEET", "--draw", "bar")
    assert "who took it" in out
    _, out, _ = run(capsys, "compare", "S0", "--why", "C,MEET", "--draw", "svg")
    assert out.startswith("<svg ")


def test_the_race_of_the_walks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "compare", "--walks")
    assert status == 0
    assert "a reap pass that goes down" in out
    assert "time spent in them" in out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "compare takes a SCENARIO, or --all"),
        (("S1", "--all"), "compare takes a SCENARIO, or --all"),
        (("S99",), "there is no scenario to compare 'S99': did you mean S9"),
        (("S1", "--designs", "Z"), "design='Z' is unknown"),
        (("S1", "--why", "A"), "must be a design and a word"),
        (("S1", "--why", "B,STRAND"), "no execution of S1 under B"),
        (("--why", "B,STRAND"), "--why needs the SCENARIO"),
    ],
)
def test_mistakes_are_one_sentence(
    args: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "compare", *args)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
