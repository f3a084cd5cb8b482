# SPDX-License-Identifier: GPL-2.0-only
"""Who took references and who gave them back, out of what happened."""

from __future__ import annotations

from collections.abc import Callable

from pykmm.engine import Machine
from pykmm.engine.ledger import Account
from pykmm.linux.atomic import atomic_dec_and_test, atomic_inc, atomic_t

Body = Callable[[atomic_t], object]


def account(*bodies: Body, start: int = 1) -> Account:
    """Run *bodies* one after the other and draw up the counter's account."""
    with Machine() as m:
        v = atomic_t(start)
        for number, body in enumerate(bodies):
            m.thread(f"t{number}", lambda body=body: body(v))
        m.run()
        return Account(v, m.events)


def both(v: atomic_t) -> None:
    atomic_inc(v)
    atomic_dec_and_test(v)


def names(found: Account) -> tuple[list[str], list[str]]:
    return (
        [event.thread.name for event in found.open],
        [event.thread.name for event in found.strange],
    )


def test_what_a_thread_takes_and_gives_back_is_even() -> None:
    found = account(both, both)
    assert names(found) == ([], [])
    assert found.surplus == 0
    first, *pairs = found.facts()
    assert first == ("not given back", "one that was there from the start")
    assert [name for name, _ in pairs] == ["t0", "t1"]
    assert "took one at step 1, gave one back at step 2" in pairs[0][1]


def test_a_take_without_a_drop_is_open() -> None:
    found = account(both, atomic_inc, both)
    assert names(found) == (["t1"], [])
    assert found.surplus == 1
    ((label, text),) = found.facts()
    assert label == "taken"
    assert text.startswith("by t1 at step ")


def test_a_reference_that_was_handed_over_shows_on_both_sides() -> None:
    found = account(atomic_inc, atomic_dec_and_test)
    assert names(found) == (["t0"], ["t1"])
    assert found.surplus == 0
    assert [label for label, _ in found.facts()] == ["taken", "given back"]


def test_the_last_drop_is_one() -> None:
    found = account(atomic_dec_and_test)
    assert names(found) == ([], ["t0"])
    assert found.surplus == -1


def test_others_and_looks_do_not_count() -> None:
    with Machine() as m:
        v, other = atomic_t(1), atomic_t(1)
        m.thread("t", lambda: (atomic_inc(other), both(v)))
        m.run()
        assert names(Account(v, m.events)) == ([], [])
        assert names(Account(other, m.events)) == (["t"], [])
