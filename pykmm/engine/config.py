# SPDX-License-Identifier: GPL-2.0-only
"""What Kconfig, the boot line and sysctls decide, frozen for one machine."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from attrs import field, frozen, validators

from ..errors import UsageError, check_is, check_whole
from .members import found_at_once

if TYPE_CHECKING:
    import attrs

__all__ = ["BASELINE", "Backend", "Config", "Timers"]

#: The kernel that unpatched code mirrors.
BASELINE = "v7.2"


@found_at_once
class Backend(Enum):
    """How model threads share the processor."""

    BATON = "baton"
    FREE = "free"


class Timers(Enum):
    """When an armed timer may fire.

    ``ADVERSARIAL``: at any point from when it was armed, as on the slowest or
    fastest imaginable machine. ``IDLE``: when nothing else can run; the clock
    then jumps to the next expiry.
    """

    ADVERSARIAL = "adversarial"
    IDLE = "idle"


def _switch(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if not isinstance(value, int):
        raise UsageError(f"Config: {attribute.name}={value!r} must be a whole number")


def _at_least(
    least: int,
) -> Callable[[object, attrs.Attribute[int], object], None]:
    return lambda _, attribute, value: check_whole(
        f"Config: {attribute.name}", value, least
    )


def _power_of_two(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    check_whole(f"Config: {attribute.name}", value, 4096)
    if isinstance(value, int) and value & (value - 1):
        raise UsageError(f"Config: {attribute.name}={value!r} must be a power of two")


def _flag(_: object, attribute: attrs.Attribute[bool], value: object) -> None:
    check_is(f"Config: {attribute.name}", value, bool, "True or False")


_positive = _at_least(1)
_not_negative = _at_least(0)


def _nodes(
    _: object, attribute: attrs.Attribute[tuple[int, ...]], value: object
) -> None:
    if (
        not isinstance(value, tuple)
        or not value
        or not all(type(pages) is int and pages >= 0 for pages in value)
    ):
        raise UsageError(
            f"Config: {attribute.name}={value!r} must be a tuple of a number of pages "
            "for each node, such as (1 << 20,)"
        )


@frozen(kw_only=True)
class Config:
    """The facts that hold from boot to power-off.

    Sizes are in bytes unless they say pages; ``hz`` is ticks a second.
    """

    page_size: int = field(default=4096, validator=_power_of_two)
    hz: int = field(default=250, validator=_positive)
    #: Present pages of each node; one node of 4 GiB by default.
    node_pages: tuple[int, ...] = field(default=(1 << 20,), validator=_nodes)
    #: All pages that the allocator manages, if not just what is present.
    managed_pages: int | None = field(
        default=None, validator=validators.optional(_not_negative)
    )
    total_swap_pages: int = field(default=0, validator=_not_negative)
    #: vm.nr_hugepages: the pool of huge pages, taken out of memory at boot.
    nr_hugepages: int = field(default=0, validator=_not_negative)
    #: vm.nr_overcommit_hugepages: how many more may be had, as long as there is memory.
    nr_overcommit_hugepages: int = field(default=0, validator=_not_negative)
    #: Whether each node has a thread that reclaims ahead; without one, only who is
    #: short of memory reclaims.
    kswapd: bool = field(default=False, validator=_flag)
    #: vm.min_free_kbytes; None lets the kernel choose.
    min_free_kbytes: int | None = field(
        default=None, validator=validators.optional(_not_negative)
    )
    #: kernel.threads-max; None for no limit on all threads together.
    threads_max: int | None = field(
        default=None, validator=validators.optional(_positive)
    )
    #: vm.panic_on_oom, vm.oom_kill_allocating_task and vm.oom_dump_tasks.
    panic_on_oom: int = field(default=0, validator=_switch)
    oom_kill_allocating_task: int = field(default=0, validator=_switch)
    oom_dump_tasks: int = field(default=1, validator=_switch)
    CONFIG_MMU: bool = field(default=True, validator=_flag)
    CONFIG_NUMA: bool = field(default=True, validator=_flag)
    CONFIG_MEMCG: bool = field(default=True, validator=_flag)
    CONFIG_COMPACTION: bool = field(default=True, validator=_flag)
    timers: Timers = field(
        default=Timers.ADVERSARIAL, validator=validators.instance_of(Timers)
    )

    @property
    def totalram_pages(self) -> int:
        """All pages that the allocator manages."""
        if self.managed_pages is not None:
            return self.managed_pages
        return sum(self.node_pages)
