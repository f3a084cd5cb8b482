# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm quiz``: everything is there but the values."""

from __future__ import annotations

import json
import re

import pytest

from pykmm.__main__ import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = main(["quiz", *args])
    out, err = capsys.readouterr()
    return status, out, err


def test_values_are_hidden_and_the_answers_are_one_line_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = run(capsys, "S1", "--number", "2")
    assert status == 0
    assert "mm_users ? -> ?" in out
    assert not re.search(r"\d -> \d|= -?\d", out.partition("Fill in")[0])
    assert re.search(r'The answers: python -m pykmm replay S1 ".+"\n$', out)


def test_question_and_answer_differ_in_nothing_but_the_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = run(capsys, "S1", "--json")
    told = json.loads(out)
    question, answer = told["question"].splitlines(), told["answer"].splitlines()
    assert question[0] == answer[0]
    assert "STRAND" not in told["question"]
    assert any("mm_count 1 -> 2" in line for line in answer)


def test_one_may_ask_about_a_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "mrelease-alive", "lmkd")
    assert status == 0
    assert 'The answers: python -m pykmm replay mrelease-alive "lmkd"' in out


def test_there_are_only_so_many_endings(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "S1", "--number", "9")
    assert (status, out) == (2, "")
    assert "has 2 endings to ask about" in err
