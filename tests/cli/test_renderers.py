# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm replay --trace FORMAT``: each format is what it says."""

from __future__ import annotations

import json

import pytest

from pykmm.__main__ import main

_REPLAY = ("replay", "mrelease-alive", "lmkd", "--trace")


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("svg", "<svg "),
        ("ftrace", "# tracer: nop"),
        ("dot", "digraph"),
        ("mermaid", "graph TD"),
        ("full", "mrelease-alive: "),
    ],
)
def test_format(name: str, begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*_REPLAY, name]) == 0
    assert capsys.readouterr().out.startswith(begins)


def test_trace_events(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*_REPLAY, "perfetto"]) == 0
    assert json.loads(capsys.readouterr().out)["traceEvents"]


def test_the_kernel_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "oom-kill", "hog", "--trace", "dmesg"]) == 0
    assert "Out of memory: Killed process" in capsys.readouterr().out
