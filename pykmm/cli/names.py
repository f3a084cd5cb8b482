# SPDX-License-Identifier: GPL-2.0-only
"""Find what a name on the command line means, or say what it could have been."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..errors import UsageError, choices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..patches.patch import Patch
    from ..scenario import Scenario

__all__ = ["design_of", "detectors", "scenario", "unknown"]


def scenario(name: str, bug: str | None = None, design: str | None = None) -> Scenario:
    """Return the scenario *name*, on a kernel of that *design* that has the *bug*."""
    from ..scenarios import SCENARIOS

    found = SCENARIOS.get(name)
    if found is None:
        raise unknown("scenario", name, SCENARIOS)
    patches = list(found.patches)
    if bug is not None:
        from ..patches.bugs import BUGS

        patches.append(_patch("bug", bug, BUGS))
    if design is not None:
        patches.append(design_of(design))
    return found.but(patches=tuple(patches))


def design_of(name: str) -> Patch:
    """Return the design *name*."""
    from ..patches.designs import DESIGNS

    return _patch("design", name, DESIGNS)


def _patch(what: str, name: str, known: Mapping[str, Patch]) -> Patch:
    found = known.get(name)
    if found is None:
        raise unknown(what, name, known)
    return found


def detectors(names: Sequence[str] | None) -> Sequence[str] | None:
    """Return *names* if each is a detector's; None, for all, stays so."""
    from ..detect import DETECTORS

    for name in names or ():
        if name not in DETECTORS:
            raise unknown("detector", name, DETECTORS)
    return names


def unknown(what: str, name: str, known: Iterable[str], where: str = "") -> UsageError:
    """Make the error for a *name* that no *what* has, or none *where* it is asked."""
    names = sorted(known)
    folded = {known_name.casefold(): known_name for known_name in names}
    close = get_close_matches(name.casefold(), folded, n=1)
    guess = f"did you mean {folded[close[0]]}? " if close else ""
    return UsageError(
        f"there is no {what} {name!r}{where}: {guess}known are {choices(names)}"
    )
