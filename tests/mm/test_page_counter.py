# SPDX-License-Identifier: GPL-2.0-only
"""Counting against limits up a hierarchy, and which of it commutes."""

from __future__ import annotations

import pytest

from pykmm.engine import Access
from pykmm.errors import KernelBug, UsageError
from pykmm.linux.memcontrol import mem_cgroup, mem_cgroup_disabled
from pykmm.mm.page_counter import (
    page_counter_charge,
    page_counter_margin,
    page_counter_try_charge,
    page_counter_uncharge,
)


def _family(*limits):
    """Make a cgroup in a cgroup and so on, the outermost first; return counters."""
    found, above = [], None
    for number, limit in enumerate(limits):
        above = mem_cgroup(cg_name=str(number), parent=above, max_pages=limit)
        found.append(above.memory)
    return found


def _usage(*counters):
    return [counter.usage for counter in counters]


def test_a_charge_goes_all_the_way_up_or_nowhere(machine):
    top, middle, low = _family(10, 7, 8)
    assert page_counter_try_charge(low, 5) is None
    assert _usage(top, middle, low) == [5, 5, 5]
    assert page_counter_try_charge(low, 3) is middle
    assert page_counter_try_charge(low, 4) is low
    assert page_counter_try_charge(middle, 2) is None
    assert page_counter_try_charge(top, 4) is top
    assert _usage(top, middle, low) == [7, 7, 5]
    page_counter_uncharge(low, 5)
    page_counter_uncharge(middle, 2)
    assert _usage(top, middle, low) == [0, 0, 0]


def test_some_charges_do_not_ask(machine):
    top, low = _family(4, 4)
    page_counter_charge(low, 9)
    assert (_usage(top, low), page_counter_margin(low)) == ([9, 9], 0)
    page_counter_uncharge(low, 9)
    assert page_counter_margin(top) == 4


def test_more_is_uncharged_than_was_charged(machine):
    (counter,) = _family(4)
    page_counter_charge(counter, 2)
    with pytest.raises(KernelBug, match=r"3 pages are uncharged, but only 2"):
        page_counter_uncharge(counter, 3)
    page_counter_uncharge(counter, 2)


def test_a_limit_is_set_only_above_the_usage_in_version_1(machine):
    (counter,) = _family(10)
    page_counter_charge(counter, 6)
    assert counter._set_max_above_usage(5) is None
    assert counter._set_max_above_usage(6) == 10
    assert counter._set_max(3) == 6
    assert (counter.usage, counter.max) == (6, 3)
    page_counter_uncharge(counter, 6)


def _classes(machine, *bodies):
    for number, body in enumerate(bodies):
        machine.thread(f"t{number}", body)
    machine.run()
    return [e.access.name for e in machine.events if e.kind != "start"]


def test_charges_commute_while_they_fit_in_any_order(machine):
    (counter,) = _family(10)
    assert _classes(
        machine,
        lambda: page_counter_try_charge(counter, 6),
        lambda: page_counter_uncharge(counter, 6),
        lambda: page_counter_try_charge(counter, 4),
        # From here on somebody would have been refused in another order.
        lambda: page_counter_try_charge(counter, 6),
        lambda: page_counter_try_charge(counter, 1),
        lambda: page_counter_charge(counter, 1),
        lambda: page_counter_uncharge(counter, 11),
    ) == ["ADD", "ADD", "ADD", "WRITE", "READ", "WRITE", "ADD"]


def test_the_limit_conflicts_with_everything(machine):
    (counter,) = _family(10)
    classes = _classes(
        machine, lambda: counter._set_max(4), lambda: page_counter_margin(counter)
    )
    assert classes == [Access.WRITE.name, Access.READ.name]


def test_without_cgroups_nothing_is_charged(machine):
    assert mem_cgroup_disabled()
    _family(1)
    assert not mem_cgroup_disabled()


def test_a_tree_is_of_one_version(machine):
    above = mem_cgroup(cg_name="above")
    with pytest.raises(UsageError, match=r"legacy=True does not fit the parent /above"):
        mem_cgroup(cg_name="below", parent=above, legacy=True)
