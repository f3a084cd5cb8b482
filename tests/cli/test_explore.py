# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm explore``, ``replay`` and ``list`` on real scenarios and on toy ones."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from pykmm.cli.words import command
from pykmm.engine import Counter, Machine, Mutex
from pykmm.runner import SCHEDULERS, Scenario
from pykmm.scenarios import SCENARIOS
from pykmm.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def lost_update(m: Machine) -> int:
    """Let two threads add one without a lock."""
    x = Counter(0)

    def add() -> None:
        x.set(x.get() + 1)

    m.thread("a", add)
    m.thread("b", add)
    m.run()
    return x.peek()


def two_locks(m: Machine) -> str:
    """Let two threads take two locks in opposite orders."""
    first, second = Mutex(), Mutex()

    def take(one: Mutex, other: Mutex) -> None:
        with one, other:
            pass

    m.thread("one", lambda: take(first, second))
    m.thread("two", lambda: take(second, first))
    m.run()
    return "fine"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the lost update among the scenarios."""
    scenario = Scenario(name="toy", function=lost_update, summary="two add one")
    monkeypatch.setitem(SCENARIOS, "toy", scenario)
    return "toy"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the deadlock among the scenarios."""
    scenario = Scenario(name="broken", function=two_locks, summary="two locks")
    monkeypatch.setitem(SCENARIOS, "broken", scenario)
    return "broken"


def replays(text: str) -> list[list[str]]:
    """Return the arguments of the replay lines in *text*."""
    lines = re.findall(r"^replay: python -m pykmm (replay .*)$", text, re.MULTILINE)
    return [shlex.split(line) for line in lines]


# -- explore ------------------------------------------------------------------------


def test_all_outcomes_each_with_a_picture_and_a_line_that_replays_it(
    cli: Callable[..., Any], toy: str
) -> None:
    answer = cli("explore", toy)
    assert (answer.status, answer.err) == (0, "")
    head, table, *_, last = answer.out.split("\n\n")
    assert head == "toy: two add one"
    assert [line.split() for line in table.splitlines()] == [
        ["outcome", "traces", "preemptions"],
        ["2", "2", "0"],
        ["1", "2", "1"],
    ]
    assert answer.out.count("step   Counter#1  a") == 2
    assert last.startswith("complete: 2 outcomes, 4 executions")


def test_the_replay_lines_lead_to_their_outcomes(
    cli: Callable[..., Any], toy: str
) -> None:
    lines = replays(cli("explore", toy).out)
    answers = [cli(*line) for line in lines]
    assert [answer.status for answer in answers] == [0, 0]
    ends = [answer.out.splitlines()[-1] for answer in answers]
    assert ends == ["outcome: 2", "outcome: 1"]


def test_a_bug_is_status_1_and_its_last_line_replays_it(
    cli: Callable[..., Any], broken: str
) -> None:
    answer = cli("explore", broken, "--no-detect")
    assert answer.status == 1
    assert "BUG: deadlock\n" in answer.out
    assert "complete: 1 outcome, 1 bug, " in answer.out
    again = cli(*replays(answer.out)[-1])
    assert again.status == 1
    assert "BUG: deadlock\n" in again.out
    assert again.out.splitlines()[-1].startswith(
        "replay: python -m pykmm replay broken"
    )


def test_json_has_all_of_it(cli: Callable[..., Any], broken: str) -> None:
    answer = cli("explore", broken, "--json", "--no-detect")
    assert answer.status == 1
    data = json.loads(answer.out)
    assert data["scenario"] == "broken"
    assert data["complete"] is True
    assert [outcome["value"] for outcome in data["outcomes"]] == ["'fine'"]
    (report,) = data["reports"]
    assert report["kind"] == "deadlock"
    assert report["text"].startswith("BUG: deadlock\n")
    assert report["text"].endswith(f"replay: {report['replay']}\n")
    assert len(data["replays"]) == 1


def test_detectors_say_more_and_what_they_say_replays(
    cli: Callable[..., Any], broken: str
) -> None:
    answer = cli("explore", broken)
    assert answer.status == 1
    assert "complete: 1 outcome, 2 bugs, " in answer.out
    assert "BUG: lock-inversion in take()\n" in answer.out
    again = cli(*replays(answer.out)[-1])
    assert again.status == 1
    assert "outcome: 'fine'" in again.out
    assert "possible circular locking dependency" in again.out
    assert cli(*replays(answer.out)[-1], "--no-detect").status == 0
    data = json.loads(cli(*replays(answer.out)[-1], "--json").out)
    assert [finding["kind"] for finding in data["findings"]] == ["lock-inversion"]


def test_detectors_can_be_chosen(
    cli: Callable[..., Any], mistake: Callable[..., str], broken: str
) -> None:
    data = json.loads(cli("explore", broken, "--json", "--detect", "lockdep, rcu").out)
    assert [report["kind"] for report in data["reports"]] == [
        "deadlock",
        "lock-inversion",
    ]
    data = json.loads(cli("explore", broken, "--json", "--detect", "kcsan").out)
    assert [report["kind"] for report in data["reports"]] == ["deadlock"]
    assert "did you mean kcsan" in mistake(cli("explore", broken, "--detect", "kscan"))
    assert "empty name" in mistake(cli("explore", broken, "--detect", "kcsan,,"))
    both = cli("explore", broken, "--detect", "kcsan", "--no-detect")
    assert "not allowed with" in mistake(both)


def test_a_limit_is_never_called_complete(cli: Callable[..., Any], toy: str) -> None:
    answer = cli("explore", toy, "--executions", "1")
    assert answer.status == 0
    assert answer.out.splitlines()[-1].startswith("budget spent after 1 execution: ")
    data = json.loads(cli("explore", toy, "--executions", "1", "--json").out)
    assert data["complete"] is False


def test_a_bound_is_told(cli: Callable[..., Any], toy: str) -> None:
    answer = cli("explore", toy, "--bound", "0")
    assert answer.out.splitlines()[-1].startswith(
        "complete within bound 0: 1 outcome, "
    )


def test_a_seed_decides_the_random_walk(cli: Callable[..., Any], toy: str) -> None:
    def walk(seed: str) -> Any:
        options = ["--scheduler", "random", "--executions", "5", "--seed", seed]
        data = json.loads(cli("explore", toy, *options, "--json").out)
        return data["outcomes"], data["events"]

    assert walk("1") == walk("1")


def test_a_depth_is_for_pct(
    cli: Callable[..., Any], toy: str, mistake: Callable[..., str]
) -> None:
    def values(depth: str) -> set[str]:
        options = ["--scheduler", "pct", "--depth", depth, "--executions", "300"]
        data = json.loads(cli("explore", toy, *options, "--json").out)
        return {outcome["value"] for outcome in data["outcomes"]}

    assert values("1") == {"2"}
    assert values("2") == {"1", "2"}
    assert "depth=2 does not go with" in mistake(cli("explore", toy, "--depth", "2"))


@pytest.mark.slow
def test_jobs_make_no_difference(process: Callable[..., Any]) -> None:
    options = ["--scheduler", "dfs", "--bound", "0", "--no-detect", "--json"]

    def found(jobs: str) -> Any:
        answer = process("explore", "mrelease-alive", *options, "--jobs", jobs)
        assert answer.err == ""
        return json.loads(answer.out) | {"seconds": 0}

    assert found("2") == found("1")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_can_be_named(
    cli: Callable[..., Any], toy: str, scheduler: str
) -> None:
    answer = cli("explore", toy, "--scheduler", scheduler)
    assert (answer.status, answer.err) == (0, "")


def test_progress_says_how_far_it_is(
    cli: Callable[..., Any], toy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "pykmm.cli.output.Progress.say", lambda self, text: said.append(text)
    )
    cli("explore", toy)
    assert said[0] == "0 executions, 0 outcomes, 0 s"


# -- replay -------------------------------------------------------------------------


def test_full_has_a_row_for_each_step(cli: Callable[..., Any], toy: str) -> None:
    answer = cli("replay", toy, "a*2 b*3", "--trace", "full")
    rows = re.findall(r"^ +(\d+)", answer.out, re.MULTILINE)
    assert rows == ["0", "1", "2", "3", "4", "5"]
    assert answer.out.splitlines()[-1] == "outcome: 1"


def test_json_holds_the_trace(cli: Callable[..., Any], toy: str) -> None:
    for option in (["--json"], ["--trace", "json"]):
        data = json.loads(cli("replay", toy, "a*2 b*3 a", *option).out)
        assert data["outcome"] == "1"
        assert data["report"] is None
        assert data["preemptions"] == 1
        trace = Trace.from_json(json.dumps(data["trace"]))
        assert len(trace.steps) == 6


def test_json_of_a_bug(cli: Callable[..., Any], broken: str) -> None:
    answer = cli("replay", broken, "one*2 two*2", "--json")
    assert answer.status == 1
    data = json.loads(answer.out)
    assert data["outcome"] is None
    assert data["report"]["kind"] == "deadlock"
    assert data["trace"]["ending"]["kind"] == "deadlock"


def test_what_to_watch_can_be_said(
    cli: Callable[..., Any], mistake: Callable[[Any], str]
) -> None:
    answer = cli("replay", "mrelease-alive", "", "--watch", "mm_count")
    assert "mm_count" in answer.out.split("\n\n")[1].splitlines()[0]
    says = mistake(cli("replay", "mrelease-alive", "", "--watch", "pages"))
    assert "watch='pages' was not touched" in says


def test_a_schedule_that_does_not_fit_is_told_in_one_line(
    cli: Callable[..., Any], mistake: Callable[[Any], str], toy: str
) -> None:
    says = mistake(cli("replay", toy, "a c"))
    assert "the schedule runs 'c' at step 1, but there a, b can run" in says


def test_text_that_is_no_schedule_is_told_in_one_line(
    cli: Callable[..., Any], mistake: Callable[[Any], str], toy: str
) -> None:
    assert "schedule has the word 'a*x'" in mistake(cli("replay", toy, "a*x"))


@pytest.mark.parametrize("argv", [["explore", "toi"], ["replay", "toi", "a"]])
def test_an_unknown_scenario_is_told_with_the_closest(
    cli: Callable[..., Any], mistake: Callable[[Any], str], toy: str, argv: list[str]
) -> None:
    says = mistake(cli(*argv))
    assert "there is no scenario 'toi': did you mean toy? known are " in says


def test_an_unknown_scheduler_is_told_in_one_line(
    cli: Callable[..., Any], mistake: Callable[[Any], str], toy: str
) -> None:
    says = mistake(cli("explore", toy, "--scheduler", "clever"))
    assert "scheduler='clever' must be dpor, dfs, " in says


# -- the rest -----------------------------------------------------------------------


def test_every_scenario_can_be_replayed_by_its_empty_schedule(
    cli: Callable[..., Any],
) -> None:
    for name in list(SCENARIOS):
        answer = cli("replay", name, "")
        assert answer.err == ""
        assert answer.out.startswith(f"{name}: {SCENARIOS[name].summary}\n")


def test_list_names_all_there_is(cli: Callable[..., Any]) -> None:
    answer = cli("list")
    assert answer.status == 0
    for name in (*SCENARIOS, *SCHEDULERS):
        assert re.search(rf"^  {re.escape(name)} +\S", answer.out, re.MULTILINE)
    data = json.loads(cli("list", "--json").out)
    assert list(data["scenarios"]) == list(SCENARIOS)


def test_the_command_line_alone_imports_no_kernel(
    process: Callable[..., Any],
) -> None:
    answer = process("report", "-X", "--help", PYTHONPROFILEIMPORTTIME="1")
    assert answer.status == 0
    assert "pykmm.cli.parser" in answer.err
    assert "pykmm.mm" not in answer.err
    assert "pykmm.runner" not in answer.err


def test_a_schedule_with_odd_names_is_quoted_for_the_shell() -> None:
    scenario = Scenario(name="x", function=lost_update)
    assert command(scenario, "a*2 rcu:put_pid") == (
        'python -m pykmm replay x "a*2 rcu:put_pid"'
    )
    odd = 'a"b$HOME`ls`\\'
    assert shlex.split(command(scenario, odd))[-1] == odd


def test_what_is_left_is_saved_and_gone_on_with(
    cli: Callable[..., Any], toy: str, tmp_path: Path
) -> None:
    file = str(tmp_path / "left.json")
    answer = cli("explore", toy, "--executions", "1", "--save", file)
    assert "budget spent after 1 execution: " in answer.out
    again = cli("explore", toy, "--continue", file, "--json")
    whole = cli("explore", toy, "--json")
    assert json.loads(again.out) | {"seconds": 0} == (
        json.loads(whole.out) | {"seconds": 0}
    )


def test_files_that_are_no_exploration(
    cli: Callable[..., Any], toy: str, mistake: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "other"
    said = mistake(cli("explore", toy, "--continue", str(file)))
    assert "cannot be read (No such file or directory)" in said
    file.write_text("{}")
    said = mistake(cli("explore", toy, "--continue", str(file)))
    assert f"--continue {file} is no saved exploration" in said
    said = mistake(cli("explore", toy, "--save", str(file / "in" / "it")))
    assert "is in no directory" in said
