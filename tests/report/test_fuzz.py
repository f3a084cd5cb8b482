# SPDX-License-Identifier: GPL-2.0-only
"""Whatever happens to a log, it is judged or refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.errors import UsageError
from pykmm.report import judge_text, read_log, render, to_dict

DATA = Path(__file__).parent / "data"
STEMS = (
    "3.10.0-global-mysqld-2",
    "4.18.0-global-oom",
    "5.15.0-memcg-syz-executor",
    "6.12-vm-group_ancestor",
    "6.18-v1-moved_in_order",
    "7.3-vm-alloc_task_1",
    "noversion-memcg-pause",
)
LOGS = {stem: read_log(str(DATA / f"{stem}.log")).split("\n") for stem in STEMS}
QUIET = settings(derandomize=True, database=None, deadline=None, max_examples=120)

PIECES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "oom-kill:constraint=",
            ",cpuset=,mems_allowed=",
            " invoked oom-killer: gfp_mask=0x0, order=",
            "[ pid ]   uid  tgid total_vm      rss name",
            "Mem-Info:",
            "9" * 5000,
            "-1",
            "\x1b[1m",
            "[ 1.0] ",
        ]
    ),
)


@st.composite
def mutated_logs(draw: st.DrawFn) -> str:
    """Delete, double, move, cut and overwrite lines of a real log."""
    lines = list(LOGS[draw(st.sampled_from(STEMS))])
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["delete", "double", "move", "cut", "put", "end"])):
            case "delete" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "put":
                spot = draw(st.integers(0, len(lines[at])))
                old = lines[at]
                lines[at] = old[:spot] + draw(PIECES) + old[spot + 1 :]
            case _:
                lines = lines[: at + 1]
    return "\n".join(lines)


def judged_or_refused(text: str) -> None:
    try:
        verdicts = judge_text(text, "x.log")
    except UsageError as refusal:
        said = str(refusal)
        assert said.startswith("x.log ")
        assert len(said.splitlines()) == 1
        return
    assert any(verdict.decided for verdict in verdicts)
    assert render(verdicts).endswith("\n")
    assert json.dumps([to_dict(verdict) for verdict in verdicts])
    for verdict in verdicts:
        assert verdict.explanation
        assert len({row.pid for row in verdict.rows}) == len(verdict.rows)


@QUIET
@given(mutated_logs())
def test_mutated_logs(text: str) -> None:
    judged_or_refused(text)


@QUIET
@given(st.binary(max_size=400))
def test_bytes(raw: bytes) -> None:
    judged_or_refused(raw.decode("utf-8", errors="replace"))


@QUIET
@given(st.lists(PIECES, max_size=12).map("".join))
def test_pieces(text: str) -> None:
    judged_or_refused(text)
