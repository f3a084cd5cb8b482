# SPDX-License-Identifier: GPL-2.0-only
"""Trees of processes in one expression."""

from __future__ import annotations

import inspect

import pytest

from pykmm.errors import UsageError
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.workbench import Facts, Machine, Tree

FAMILY = Tree(
    "shell",
    Tree("app", Tree("helper", shares_mm=True), anon="64K", threads=2),
    Tree("lmkd", uid=1000, oom_score_adj=-1000),
)


def test_they_come_in_the_order_written_and_know_their_parents() -> None:
    with Machine() as m:
        shell, app, helper, lmkd = m.spawn_tree(FAMILY)
        assert [p.name for p in (shell, app, helper, lmkd)] == [
            "shell",
            "app",
            "helper",
            "lmkd",
        ]
        parents = [p.task.__dict__["real_parent"] for p in (shell, app, helper, lmkd)]
        assert parents == [m.init.task, shell.task, app.task, shell.task]
        assert m.processes == [m.init, shell, app, helper, lmkd]


def test_each_is_spawned_with_its_facts() -> None:
    with Machine() as m:
        _, app, helper, lmkd = m.spawn_tree(FAMILY)
        assert app.space.rss_stat[MM_ANONPAGES].counter == 16
        assert helper.mm is app.mm
        assert len(app.threads) == 2
        assert lmkd.task.cred.uid == 1000
        assert lmkd.task.signal.__dict__["oom_score_adj"] == -1000


def test_a_tree_may_hang_below_somebody() -> None:
    with Machine() as m:
        shell = m.spawn("shell")
        (app,) = m.spawn_tree(Tree("app"), parent=shell)
        assert app.task.__dict__["real_parent"] is shell.task


def test_a_tree_prints_as_it_is_written() -> None:
    text = "Tree('a', Tree('b', anon='4K'), Tree('c'), threads=2)"
    assert repr(eval(text, {"Tree": Tree})) == text


def test_the_facts_are_the_arguments_of_spawn() -> None:
    spawn = dict(inspect.signature(Machine.spawn).parameters)
    for own in ("self", "name", "parent"):
        del spawn[own]
    facts = {name: t.__forward_arg__ for name, t in Facts.__annotations__.items()}
    assert facts == {name: parameter.annotation for name, parameter in spawn.items()}


def test_what_spawn_does_not_know_is_refused() -> None:
    with Machine() as m:
        with pytest.raises(UsageError, match="threads=0 must be a whole"):
            m.spawn_tree(Tree("app", threads=0))
        with pytest.raises(TypeError, match="colour"):
            m.spawn_tree(Tree("app", colour="red"))  # type: ignore[call-arg]  # so
