# SPDX-License-Identifier: GPL-2.0-only
"""Notifier chains: who is called, in which order, and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm.engine import Machine
from pykmm.errno import EEXIST, ENOENT
from pykmm.kernel.notifier import (
    blocking_notifier_call_chain,
    blocking_notifier_chain_register,
    blocking_notifier_chain_unregister,
)
from pykmm.linux.notifier import (
    NOTIFY_DONE,
    NOTIFY_OK,
    NOTIFY_STOP,
    blocking_notifier_head,
    notifier_block,
)
from pykmm.linux.oom import oom_control
from pykmm.mm.oom_kill import (
    OomFreed,
    oom,
    out_of_memory,
    register_oom_notifier,
    unregister_oom_notifier,
)
from pykmm.workbench import Machine as Booted

Chain = tuple[blocking_notifier_head, list[str]]


@pytest.fixture
def chain() -> Iterator[Chain]:
    with Machine():
        yield blocking_notifier_head(), []


def noting(calls: list[str], name: str, answer: int) -> Callable[..., int]:
    def call(block: notifier_block, action: int, data: object) -> int:
        calls.append(f"{name} {action} {data}")
        return answer

    return call


def test_an_empty_chain(chain: Chain) -> None:
    assert blocking_notifier_call_chain(chain[0], 1, None) == NOTIFY_DONE


def test_priorities_come_first_and_equals_in_turn(chain: Chain) -> None:
    head, calls = chain
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", -1), ("e", 5)):
        block = notifier_block(noting(calls, name, NOTIFY_OK), priority)
        assert blocking_notifier_chain_register(head, block) == 0
    assert blocking_notifier_call_chain(head, 7, "x") == NOTIFY_OK
    assert calls == ["b 7 x", "e 7 x", "a 7 x", "c 7 x", "d 7 x"]


def test_a_callback_can_stop_the_chain(chain: Chain) -> None:
    head, calls = chain
    for name, answer in (("a", NOTIFY_DONE), ("b", NOTIFY_STOP), ("c", NOTIFY_OK)):
        blocking_notifier_chain_register(
            head, notifier_block(noting(calls, name, answer))
        )
    assert blocking_notifier_call_chain(head, 0, 0) == NOTIFY_STOP
    assert calls == ["a 0 0", "b 0 0"]


def test_coming_twice_and_going_twice(chain: Chain) -> None:
    head, calls = chain
    block = notifier_block(noting(calls, "a", NOTIFY_OK))
    assert blocking_notifier_chain_register(head, block) == 0
    assert blocking_notifier_chain_register(head, block) == -EEXIST
    assert blocking_notifier_chain_unregister(head, block) == 0
    assert blocking_notifier_chain_unregister(head, block) == -ENOENT
    blocking_notifier_call_chain(head, 0, 0)
    assert calls == []


def frees(pages: int) -> notifier_block:
    def call(block: notifier_block, action: int, freed: object) -> int:
        assert isinstance(freed, OomFreed)
        freed.pages += pages
        return NOTIFY_OK

    return notifier_block(call)


@pytest.mark.parametrize(
    ("freed", "order", "killed"),
    [((3, 4), 0, False), ((0,), 0, True), ((3,), -1, True)],
)
def test_who_frees_memory_spares_a_victim(
    freed: tuple[int, ...], order: int, killed: bool
) -> None:
    with Booted(reaper=False) as machine:
        victim = machine.spawn("hog", anon="1M")
        blocks = [frees(pages) for pages in freed]
        assert all(register_oom_notifier(block) == 0 for block in blocks)
        with oom().oom_lock:
            assert out_of_memory(oom_control(order=order)) is True
        assert (victim.task.signal.oom_mm is not None) is killed
        assert all(unregister_oom_notifier(block) == 0 for block in blocks)
