# SPDX-License-Identifier: GPL-2.0-only
"""What Kconfig, the boot line and sysctls decide, frozen for one machine."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen, validators

from ..errors import UsageError
from .members import found_at_once

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


def _positive(_: object, attribute: object, value: int) -> None:
    name = getattr(attribute, "name", "value")
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise UsageError(f"Config: {name}={value!r} must be a whole number above 0")


def _flag(_: object, attribute: object, value: int) -> None:
    name = getattr(attribute, "name", "value")
    if not isinstance(value, int):
        raise UsageError(f"Config: {name}={value!r} must be a whole number")


def _not_negative(_: object, attribute: object, value: int) -> None:
    name = getattr(attribute, "name", "value")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"Config: {name}={value!r} must be a whole number, 0 or more")


@frozen(kw_only=True)
class Config:
    """The facts that hold from boot to power-off.

    Sizes are in bytes unless they say pages; ``hz`` is ticks a second.
    """

    page_size: int = field(default=4096, validator=_positive)
    hz: int = field(default=250, validator=_positive)
    #: Present pages of each node; one node of 4 GiB by default.
    node_pages: tuple[int, ...] = (1 << 20,)
    #: All pages that the allocator manages, if not just what is present.
    managed_pages: int | None = None
    total_swap_pages: int = field(default=0, validator=_flag)
    #: vm.nr_hugepages: the pool of huge pages, taken out of memory at boot.
    nr_hugepages: int = field(default=0, validator=_not_negative)
    #: vm.nr_overcommit_hugepages: how many more may be had, as long as there is memory.
    nr_overcommit_hugepages: int = field(default=0, validator=_not_negative)
    #: Whether each node has a thread that reclaims ahead; without one, only who is
    #: short of memory reclaims.
    kswapd: bool = False
    #: vm.min_free_kbytes; None lets the kernel choose.
    min_free_kbytes: int | None = field(
        default=None, validator=validators.optional(_not_negative)
    )
    #: kernel.threads-max; None for no limit on all threads together.
    threads_max: int | None = field(
        default=None, validator=validators.optional(_positive)
    )
    #: vm.panic_on_oom, vm.oom_kill_allocating_task and vm.oom_dump_tasks.
    panic_on_oom: int = field(default=0, validator=_flag)
    oom_kill_allocating_task: int = field(default=0, validator=_flag)
    oom_dump_tasks: int = field(default=1, validator=_flag)
    CONFIG_MMU: bool = True
    CONFIG_NUMA: bool = True
    CONFIG_MEMCG: bool = True
    CONFIG_COMPACTION: bool = True
    timers: Timers = field(
        default=Timers.ADVERSARIAL, validator=validators.instance_of(Timers)
    )

    @property
    def totalram_pages(self) -> int:
        """All pages that the allocator manages."""
        if self.managed_pages is not None:
            return self.managed_pages
        return sum(self.node_pages)
