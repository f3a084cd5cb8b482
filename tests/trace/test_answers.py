# SPDX-License-Identifier: GPL-2.0-only
"""What system calls came to, in traces and drawings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pykmm import Machine, replay
from pykmm.patches.bugs import BUGS
from pykmm.scenarios import SCENARIOS
from pykmm.syscalls import getpid, kill, mmap, open, read
from pykmm.trace import Trace, draw
from pykmm.trace.timeline import timeline_svg

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS = ("mm_users", "mm_count")


@pytest.fixture(scope="module")
def late() -> Trace:
    """Let the victim be gone before the kernel looks for its memory."""
    schedule = "lmkd*33 app*88 init*57 lmkd*4"
    return replay(SCENARIOS["mrelease-vs-exit"], schedule).trace


def answers(program: Callable[[], object], *, stacks: bool = True) -> list[str]:
    """Run *program* in a process; return what its calls came to."""
    with Machine(stacks=stacks) as m:
        m.spawn("app").runs(program)
        m.run()
        return [step.answer for step in Trace.of(m).steps if step.answer]


def test_the_step_behind_a_call_tells_what_it_came_to(late: Trace) -> None:
    told = [step for step in late.steps if step.answer]
    assert [(step.index, step.answer) for step in told] == [
        (15, "pidfd_open = 3"),
        (29, "kill = 0"),
        (181, "process_mrelease = -ESRCH"),
    ]
    assert {step.thread for step in told} == {"lmkd"}
    assert {step.kind for step in told} == {"test_bit"}


def test_answers_survive_json(late: Trace) -> None:
    assert Trace.from_json(late.to_json()) == late


def test_nothing_is_kept_where_stacks_are_not() -> None:
    assert answers(getpid) == ["getpid = 3"]
    assert answers(getpid, stacks=False) == []


def test_an_address_is_written_as_one_and_text_not_at_all() -> None:
    def program() -> None:
        mmap(4096)
        read(open("/proc/self/oom_score"))
        kill(999, 9)

    mapped, *others = answers(program)
    assert mapped.startswith("mmap = 0x7f")
    assert others == ["open = 3", "kill = -ESRCH"]


def test_a_row_tells_the_answer_of_a_call_that_ends_in_it(late: Trace) -> None:
    drawing = draw(late, watch=COUNTS)
    assert re.search(r" process_mrelease\n178-181 .* = -ESRCH …\n", drawing)


def test_the_way_back_from_a_call_is_in_a_row_of_that_call() -> None:
    drawing = draw(replay(SCENARIOS["mrelease-vs-exit"], "").trace, watch=COUNTS)
    assert re.search(r" do_send_sig_info,\n  19-29 .* kill = 0 …\n", drawing)


def test_what_comes_back_before_anything_else_matters_has_a_row_of_its_own() -> None:
    broken = SCENARIOS["mrelease-vs-exit"].but(patches=(BUGS["mrelease-no-mmgrab"],))
    text = str(replay(broken, "lmkd*46 app*88 lmkd*2 mmdrop lmkd"))
    assert re.search(r"^ +0-15 .* user_mode: pidfd_open = 3 …$", text, re.MULTILINE)


def test_each_answer_stands_at_its_step_in_a_full_drawing(late: Trace) -> None:
    drawing = draw(late, watch=COUNTS, full=True, width=240)
    assert re.search(r"^ 181 .* process_mrelease = -ESRCH", drawing, re.MULTILINE)


def test_the_text_of_a_trace_tells_answers(late: Trace) -> None:
    assert " lmkd: process_mrelease = -ESRCH; test_bit " in str(late)


def test_a_quiz_does_not_give_the_answer_away(late: Trace) -> None:
    drawing = draw(late, watch=COUNTS, hidden=True)
    assert re.search(r" process_mrelease = \?\n178-181 ", drawing)
    assert "-ESRCH" not in drawing


def test_a_timeline_shows_answers_also_at_its_right_end(late: Trace) -> None:
    assert ">process_mrelease = -ESRCH</text>" in timeline_svg(late)
