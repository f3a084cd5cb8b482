# SPDX-License-Identifier: GPL-2.0-only
"""A wrong call gets one line on standard error, status 2, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pykmm.cli import list as list_module
from pykmm.cli.names import unknown

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "no command was given"),
        (["explode"], "there is no command 'explode': did you mean explore?"),
        (["--now"], "unrecognized arguments: --now (pykmm -h explains)"),
        (
            ["list", "now"],
            "list: unrecognized arguments: now (pykmm list -h explains)",
        ),
        (["explore"], "required: SCENARIO"),
        (["explore", "x", "--bound", "few"], "--bound: 'few' is not a whole number"),
        (["explore", "x", "--bound", "-1"], "--bound: '-1' is below 0"),
        (["explore", "x", "--executions", "0"], "--executions: '0' is below 1"),
        (["explore", "x", "--seconds", "0"], "--seconds: '0' is no number of seconds"),
        (["explore", "x", "--seconds", "nan"], "'nan' is no number of seconds"),
        (["explore", "x", "--seconds", "soon"], "'soon' is no number of seconds"),
        (["explore", "x", "--seed", "1.5"], "--seed: '1.5' is not a whole number"),
        (
            ["explore", "x", "--sched", "dfs"],
            "unrecognized arguments: --sched dfs: did you mean --scheduler? (pykmm ",
        ),
        (["list", "--jsn"], "unrecognized arguments: --jsn: did you mean --json? (py"),
        (["--versoin"], "unrecognized arguments: --versoin: did you mean --version?"),
        (["quiz", "x", "--desing=B"], "--desing=B: did you mean --design? (pykmm "),
        (["replay", "x", "y", "--svg"], "unrecognized arguments: --svg (pykmm replay"),
        (["replay", "x"], "required: SCHEDULE"),
        (
            ["replay", "x", "v", "--trace", "gif"],
            "--trace: 'gif' must be columns, full, json, svg, perfetto, ftrace, dmesg, "
            "dot or mermaid",
        ),
        (["report"], "required: FILE"),
        (["explore", "S0", "--save", ""], "--save '' names no file: name one"),
        (["explore", "S0", "--save", "/"], "--save '/' names no file: name one"),
        (
            ["explore", "S0", "--seed", "3"],
            "seed=3 does not go with scheduler='dpor': drop it",
        ),
        (
            ["explore", "S0", "--scheduler", "dfs", "--depth", "3"],
            "depth=3 does not go with scheduler='dfs': drop it",
        ),
        (
            ["explore", "S0", "--scheduler", "round_robin", "--jobs", "2"],
            "--jobs 2 does not go with --scheduler round_robin, which runs one "
            "execution: drop it",
        ),
        (
            ["replay", "S0", "", "--json", "--trace", "svg"],
            "--json does not go with --trace svg: drop one of them",
        ),
        (
            ["replay", "S0", "", "--watch", "mm_users", "--trace", "dot"],
            "--watch mm_users goes with --trace columns or full only: drop it",
        ),
        (
            ["replay", "S0", "", "--watch", "mm_users", "--json"],
            "--watch mm_users goes with --trace columns or full only: drop it",
        ),
        (
            ["quiz", "S0", "v", "--number", "2"],
            "--number 2 does not go with a SCHEDULE: drop one of them",
        ),
        (["report", "x", "--all", "--json"], "--all does not go with --json"),
        (["predict", "--all", "--json"], "--all does not go with --json"),
        (["predict", "--top", "3", "--json"], "--top 3 does not go with --json"),
        (["predict", "--top", "3", "--all"], "--top 3 does not go with --all"),
    ],
)
def test_a_wrong_call_is_told_in_one_line(
    cli: Callable[..., Any],
    mistake: Callable[[Any], str],
    argv: list[str],
    says: str,
) -> None:
    assert says in mistake(cli(*argv))


def test_an_unknown_name_gets_the_closest_and_all_known_ones() -> None:
    error = unknown("scenario", "kill_mrelease", ["oom_loop", "kill_then_mrelease"])
    assert str(error) == (
        "there is no scenario 'kill_mrelease': did you mean kill_then_mrelease? "
        "known are kill_then_mrelease or oom_loop"
    )


def test_a_name_in_other_letters_is_close() -> None:
    error = unknown("scenario", "s3'", ["S3'", "S4"])
    assert str(error) == (
        "there is no scenario \"s3'\": did you mean S3'? known are S3' or S4"
    )


def test_a_name_like_no_other_gets_the_known_ones_only() -> None:
    error = unknown("scenario", "zzz", ["oom_loop"])
    assert str(error) == "there is no scenario 'zzz': known are oom_loop"


@pytest.mark.parametrize("command", ["", "list", "explore", "replay", "report"])
def test_help_explains_and_is_no_mistake(cli: Callable[..., Any], command: str) -> None:
    answer = cli(*command.split(), "--help")
    assert answer.status == 0
    assert answer.err == ""
    assert answer.out.startswith(f"usage: pykmm {command}".rstrip())
    assert (
        "exit status: 0 fine, 1 found something, 2 a mistake in the call" in answer.out
    )


def test_an_interrupt_is_no_traceback(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(list_module, "run", interrupted)
    answer = cli("list")
    assert (answer.status, answer.out, answer.err) == (130, "", "pykmm: interrupted\n")
