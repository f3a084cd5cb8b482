# SPDX-License-Identifier: GPL-2.0-only
"""The machine finds seeded faults within its budget, and tells each in few words."""

from __future__ import annotations

import pytest

from pykmm import stateful
from pykmm.errors import Report
from pykmm.patches.patch import Patch
from pykmm.stateful import RacingCallOrders, Step, fuzz, without
from tests.stateful.faults import FAULTS


def orders(fault: Patch) -> type[RacingCallOrders]:
    """Return the machine that runs a kernel with *fault*."""
    return type("Faulty", (RacingCallOrders,), {"patches": (fault,)})


def found(fault: Patch) -> Report:
    with pytest.raises(Report) as caught:
        fuzz(orders(fault))
    return caught.value


def story_of(report: Report) -> list[Step]:
    """Read the story back from the line that a report ends with."""
    told = report.replay.removeprefix("Faulty.retell(").removesuffix(")")
    read = eval(told, vars(stateful))
    assert isinstance(read, list)
    return read


def ends_in(fault: Patch, story: list[Step]) -> type[Report] | None:
    try:
        orders(fault).retell(story)
    except Report as report:
        return type(report)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_found_and_nothing_of_its_story_can_be_deleted(fault: Patch) -> None:
    report = found(fault)
    assert isinstance(report, fault.reports)
    story = story_of(report)
    assert ends_in(fault, story) is type(report)
    for shorter in without(story):
        assert ends_in(fault, shorter) is not type(report), shorter


@pytest.mark.slow
def test_a_pasted_failure_fails_in_the_same_way() -> None:
    report = found(FAULTS[0])
    pasted = f"from pykmm.stateful import *\n{report.replay}\n"
    with pytest.raises(type(report)) as again:
        exec(pasted, {"Faulty": orders(FAULTS[0])})
    assert again.value.render() == report.render()


@pytest.mark.slow
def test_the_unpatched_kernel_does_not_fail_by_it() -> None:
    for fault in FAULTS[:2]:
        RacingCallOrders.retell(story_of(found(fault)))
