# SPDX-License-Identifier: GPL-2.0-only
"""Rules on functions are checked where the function is called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.engine import Machine, RWLock
from pykmm.errors import ContextError, UsageError
from pykmm.linux.compiler_context_analysis import (
    CONTRACTS,
    must_hold,
    must_hold_shared,
    must_not_hold,
)


class Box:
    """Something with a lock inside."""

    def __init__(self) -> None:
        self.lock = RWLock()


@must_hold("box.lock")
def write(box: Box) -> str:
    return "written"


@must_hold_shared("box.lock")
def read(box: Box) -> str:
    return "read"


@must_not_hold("lock")
def wait(_: int, lock: RWLock) -> str:
    return "waited"


NOBODY, SHARED, EXCLUSIVE = "nobody", "shared", "exclusive"


def call(body: Callable[[Box], str], how: str) -> str:
    """Have a thread call *body* while it holds the lock in some way, or not at all."""
    with Machine() as m:
        box = Box()

        def program() -> str:
            if how == SHARED:
                box.lock.read_lock()
            elif how == EXCLUSIVE:
                box.lock.write_lock()
            found = body(box)
            if how == SHARED:
                box.lock.read_unlock()
            elif how == EXCLUSIVE:
                box.lock.write_unlock()
            return found

        t = m.thread("t", program)
        m.run()
        return str(t.result)


@pytest.mark.parametrize(
    ("body", "how", "result"),
    [
        (write, EXCLUSIVE, "written"),
        (lambda box: write(box=box), EXCLUSIVE, "written"),
        (read, EXCLUSIVE, "read"),
        (read, SHARED, "read"),
        (lambda box: wait(0, box.lock), NOBODY, "waited"),
    ],
)
def test_who_keeps_to_the_rule_may_call(
    body: Callable[[Box], str], how: str, result: str
) -> None:
    assert call(body, how) == result


@pytest.mark.parametrize(
    ("body", "how", "says"),
    [
        (write, NOBODY, r"write\(\) called by t: must_hold "),
        (write, SHARED, r"write\(\) called by t: must_hold "),
        (lambda box: write(box=box), NOBODY, r"write\(\) called by t: must_hold "),
        (read, NOBODY, r"read\(\) called by t: must_hold_shared "),
        (lambda box: wait(0, box.lock), SHARED, r"wait\(\) called by t: must_not_hold"),
        (lambda box: wait(0, lock=box.lock), EXCLUSIVE, "must_not_hold RWLock#1"),
    ],
)
def test_who_does_not_is_reported(
    body: Callable[[Box], str], how: str, says: str
) -> None:
    with pytest.raises(ContextError, match=says):
        call(body, how)


def test_the_host_may_do_as_it_likes() -> None:
    with Machine():
        assert write(Box()) == "written"


def test_who_comes_down_is_not_held_to_it() -> None:
    found = []

    def program(box: Box) -> str:
        try:
            raise ContextError("first")
        finally:
            box.lock.write_lock()  # a step, by which the machine learns of the failure
            box.lock.write_unlock()
            found.append(write(box))

    with pytest.raises(ContextError, match="first"):
        call(program, NOBODY)
    assert found == ["written"]


def test_a_rule_names_a_parameter() -> None:
    with pytest.raises(
        UsageError, match=r"must_hold\('mm.lock'\): f\(\) does not take"
    ):

        @must_hold("mm.lock")
        def f(box: Box) -> None: ...


def test_rules_are_kept_for_the_tables() -> None:
    assert CONTRACTS[__name__, "write"] == [("must_hold", "box.lock")]
    assert CONTRACTS[__name__, "wait"] == [("must_not_hold", "lock")]
