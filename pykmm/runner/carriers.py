# SPDX-License-Identifier: GPL-2.0-only
"""What carries a machine's threads while one of them runs at a time, by name.

All of them take the same steps; they differ in what a switch costs, and in what a
debugger shows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ..errors import UsageError, choices

if TYPE_CHECKING:
    from ..scenario import Scenario

__all__ = ["CARRIERS", "carried"]

#: The names that users give; the first one is what everybody has.
CARRIERS: Final = ("threads", "greenlets")


def carried(scenario: Scenario, carrier: str) -> Scenario:
    """Return *scenario* on machines whose threads *carrier* carries."""
    if carrier not in CARRIERS:
        raise UsageError(f"carrier={carrier!r} must be {choices(CARRIERS)}")
    if carrier == "threads":
        return scenario
    try:
        from ..engine.greenlets import Greenlets
    except ImportError:
        raise UsageError(
            f"carrier={carrier!r} needs the greenlet package: install pykmm[fast], "
            "or drop carrier"
        ) from None
    machine = partial(scenario.machine, baton=Greenlets)  # type: ignore[call-arg]  # not every factory
    return scenario.but(machine=machine)
