# SPDX-License-Identifier: GPL-2.0-only
"""Members of enumerations that are found as any attribute of a class is."""

from __future__ import annotations

from enum import Enum

import pytest

from pykmm.engine.config import Backend
from pykmm.engine.events import Access
from pykmm.engine.members import found_at_once
from pykmm.engine.thread import Sleep, ThreadState


@found_at_once
class Colour(Enum):
    """Two colours."""

    RED = 1
    BLUE = 2


@pytest.mark.parametrize("kind", [Colour, Access, Sleep, ThreadState, Backend])
def test_members_are_attributes_of_the_class(kind: type[Enum]) -> None:
    for name, member in kind.__members__.items():
        assert vars(kind)[name] is member is kind[name] is kind(member.value)


def test_an_enumeration_remains_one() -> None:
    assert list(Colour) == [Colour.RED, Colour.BLUE]
    assert (Colour.RED.name, Colour.RED.value) == ("RED", 1)
    with pytest.raises(AttributeError):
        Colour.RED = 3  # type: ignore[misc]  # that is the point
