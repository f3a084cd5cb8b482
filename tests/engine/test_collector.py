# SPDX-License-Identifier: GPL-2.0-only
"""The garbage collector is off inside of a block, and then as it was."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from pykmm.engine.collector import set_aside, uncollected

MUCH = 10_000


@pytest.fixture
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


class _Ring:
    """Nobody but the collector finds out that it is not needed."""

    def __init__(self) -> None:
        self.me = self


def _is_old(made: object) -> bool:
    return any(each is made for each in gc.get_objects(generation=2))


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_is_off_inside_and_then_as_before(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(LookupError), uncollected():
            with uncollected():
                assert not gc.isenabled()
            assert not gc.isenabled()
            raise LookupError
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("many", "stays", "old"),
    [(MUCH, True, True), (MUCH, False, False), (1, True, False)],
)
def test_much_that_stays_is_old_at_once(many: int, stays: bool, old: bool) -> None:
    gc.collect()
    with uncollected(stays=stays):
        made: list[list[int]] = [[] for _ in range(many)]
    assert _is_old(made) is old
    assert not gc.get_freeze_count()


@pytest.mark.usefixtures("thawed")
def test_what_somebody_else_froze_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with uncollected(stays=True):
        made: list[list[int]] = [[] for _ in range(MUCH)]
    assert gc.get_freeze_count() == frozen
    assert not _is_old(made)


def test_what_is_set_aside_is_not_walked_until_the_end() -> None:
    gone = weakref.ref(_Ring())
    with pytest.raises(LookupError), set_aside():
        gc.collect()
        assert gone() is not None
        raise LookupError
    assert not gc.get_freeze_count()
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("thawed")
def test_what_is_set_aside_already_is_left_to_who_did_it() -> None:
    gc.freeze()
    with set_aside():
        pass
    assert gc.get_freeze_count()
