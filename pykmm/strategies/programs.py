# SPDX-License-Identifier: GPL-2.0-only
"""Programs drawn at random.

Every program can be played to the end by any scheduler: the one thing in which a
task could be stuck for good is ``vfork()``, so what a child of that plays neither
waits nor sleeps, and execs or exits.
"""

from __future__ import annotations

from hypothesis import strategies as st

from .acts import ALONE, ENDS, MAKES, MEMORY, OTHERS, Act

__all__ = ["programs"]

_SMALL = st.integers(0, 3)


def _acts(names: tuple[str, ...]) -> st.SearchStrategy[Act]:
    return st.builds(Act, st.sampled_from(names), _SMALL, st.integers(1, 4))


@st.composite
def _brief(draw: st.DrawFn, acts: int, depth: int) -> tuple[Act, ...]:
    """Draw what a child of ``vfork()`` may do: it execs or ends, and waits for none."""
    body = draw(st.lists(_acts(ALONE), max_size=acts))
    if depth and draw(st.booleans()):
        body.append(Act("exec", program=draw(programs(acts=acts, depth=depth - 1))))
    return (*body, Act("exit_group"))


@st.composite
def programs(draw: st.DrawFn, *, acts: int = 6, depth: int = 2) -> tuple[Act, ...]:
    """Draw a program of up to *acts* acts; children are made *depth* deep."""
    makers = _acts(MEMORY) | _acts(MEMORY) | _acts(OTHERS)
    if depth:
        makers |= st.sampled_from(MAKES).map(Act)
    body = []
    for act in draw(st.lists(makers, min_size=1, max_size=acts)):
        if act.name == "vfork":
            act = Act("vfork", program=draw(_brief(acts, depth - 1)))
        elif act.name in MAKES:
            act = Act(act.name, program=draw(programs(acts=acts, depth=depth - 1)))
        body.append(act)
    return (*body, *draw(st.lists(_acts(ENDS), max_size=1)))
