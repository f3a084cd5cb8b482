# SPDX-License-Identifier: GPL-2.0-only
"""A configuration is refused where it is made, not where it does not work."""

from __future__ import annotations

import pytest

from pykmm.engine import Config
from pykmm.errors import UsageError

POSITIVE = ["hz", "threads_max"]
NOT_NEGATIVE = [
    "managed_pages",
    "total_swap_pages",
    "nr_hugepages",
    "nr_overcommit_hugepages",
    "min_free_kbytes",
]
OPTIONAL = ["managed_pages", "min_free_kbytes", "threads_max"]
SWITCHES = ["panic_on_oom", "oom_kill_allocating_task", "oom_dump_tasks"]


@pytest.mark.parametrize(
    ("names", "least"), [(POSITIVE, 1), (NOT_NEGATIVE, 0)], ids=["1", "0"]
)
def test_numbers_begin_somewhere(names: list[str], least: int) -> None:
    for name in names:
        assert getattr(Config(**{name: least}), name) == least
        for wrong in (least - 1, True, 1.0, "1"):
            says = f"Config: {name}={wrong!r} must be a whole number, {least} or more"
            with pytest.raises(UsageError, match=says):
                Config(**{name: wrong})


def test_only_what_is_chosen_elsewhere_may_be_left_open() -> None:
    for name in OPTIONAL:
        assert getattr(Config(**{name: None}), name) is None
    for name in [*POSITIVE, *NOT_NEGATIVE]:
        if name not in OPTIONAL:
            with pytest.raises(UsageError, match=f"Config: {name}=None"):
                Config(**{name: None})


def test_a_sysctl_is_any_number() -> None:
    for name in SWITCHES:
        assert getattr(Config(**{name: -1}), name) == -1
        assert getattr(Config(**{name: True}), name) is True
        with pytest.raises(UsageError, match=f"Config: {name}='on' must be a whole"):
            Config(**{name: "on"})


def test_a_page_is_as_large_as_pages_are() -> None:
    assert Config(page_size=65536).page_size == 65536
    for wrong, says in ((5, "4096 or more"), (6000, "a power of two"), ("4K", "whole")):
        with pytest.raises(UsageError, match=f"Config: page_size={wrong!r} .*{says}"):
            Config(page_size=wrong)  # type: ignore[arg-type]  # it is wrong


@pytest.mark.parametrize("name", ["kswapd", "CONFIG_MMU", "CONFIG_COMPACTION"])
def test_what_is_there_or_not_is_true_or_false(name: str) -> None:
    assert getattr(Config(**{name: True}), name) is True
    for wrong in ("no", 1, None):
        says = f"Config: {name}={wrong!r} must be True or False"
        with pytest.raises(UsageError, match=says):
            Config(**{name: wrong})


@pytest.mark.parametrize("wrong", [(), [1], 4096, (-1,), (1, 2.0), (True,)])
def test_there_is_a_node_and_each_has_pages(wrong: object) -> None:
    with pytest.raises(UsageError, match=r"Config: node_pages=.* a tuple of a number"):
        Config(node_pages=wrong)  # type: ignore[arg-type]  # it is wrong


def test_a_node_may_have_no_memory() -> None:
    assert Config(node_pages=(0, 8)).totalram_pages == 8


def test_what_the_allocator_manages_may_be_less_than_there_is() -> None:
    assert Config(node_pages=(8,), managed_pages=0).totalram_pages == 0
