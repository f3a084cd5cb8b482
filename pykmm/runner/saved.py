# SPDX-License-Identifier: GPL-2.0-only
"""An exploration that was left, as JSON text from which it goes on.

What comes out in the end is what one go would have come to. Outcomes are kept as
schedules, because a value can be anything: each is run once more when the exploration
goes on, which also tells whether the text belongs to this scenario and this version.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..engine.scheduler import Schedule
from ..errors import Nondeterminism, Report, UsageError
from ..schedulers import Dfs, Replay, Subtree
from ..schedulers.frontier import read, write
from .campaign import Tally
from .explorers import Probed, Series, Wanted
from .once import execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..scenario import Scenario
    from ..schedulers import Explorer
    from .campaign import Campaign

__all__ = ["header", "resume", "saved"]

#: What a stored exploration says it is.
_FORMAT = "pykmm-exploration/5"


def header(
    scenario: Scenario, scheduler: object, wanted: Wanted, detectors: object
) -> dict[str, Any]:
    """Return what has to be the same when the exploration goes on."""
    return {
        "format": _FORMAT,
        "scenario": scenario.name,
        "patches": [patch.name for patch in scenario.patches],
        "scheduler": scheduler,
        "bound": wanted.bound,
        "seed": wanted.start,
        "depth": wanted.depth,
        "detectors": detectors,
    }


def saved(head: dict[str, Any], campaign: Campaign, seconds: float) -> str:
    """Write down where *campaign* stands."""
    _check(head)
    data = head | {
        "counted": campaign.counted,
        "blocked": campaign.blocked,
        "events": campaign.events,
        "seconds": seconds,
        "outcomes": [_tally(*pair) for pair in campaign.outcomes.items()],
        "reports": [_tally(*pair) for pair in campaign.reports.items()],
        "seen": [detector.state() for detector in campaign.detectors],
        "search": _search(campaign.search),
    }
    return json.dumps(data) + "\n"


def _tally(label: str, tally: Tally) -> object:
    best = [[*rank, str(schedule)] for *rank, schedule in tally.best]
    report = None if tally.report is None else tally.report.as_plain()
    return [label, tally.count, best, report]


def _search(search: Explorer) -> object:
    if isinstance(search, Subtree):
        return write(search.leave(), search.world)
    if isinstance(search, Dfs):
        return search.leave()
    assert isinstance(search, Series)
    if isinstance(search, Probed):
        steps = [[key, many] for key, many in search.steps.items()]
        return [search.number, search.probes, search.probing, steps]
    return [search.number]


def resume(text: str, head: dict[str, Any], campaign: Campaign) -> None:
    """Let *campaign* go on where the one that is saved in *text* was left."""
    _check(head)
    data = _parsed(text, head)
    try:
        campaign.counted = _whole(data["counted"])
        campaign.blocked = _whole(data["blocked"])
        campaign.events = _whole(data["events"])
        campaign.earlier = float(data["seconds"])
        if campaign.executions is not None:
            campaign.executions += campaign.counted + campaign.blocked
        for detector, state in zip(campaign.detectors, data["seen"], strict=True):
            detector.add(state)
        for rows, tallies in (
            (data["outcomes"], campaign.outcomes),
            (data["reports"], campaign.reports),
        ):
            for label, count, best, report in rows:
                schedules = [(p, n, Schedule.parse(text)) for p, n, text in best]
                again = _again(campaign.scenario, label, schedules[0][2], campaign)
                plain = None if report is None else Report.of_plain(report)
                tallies[label] = Tally(again, plain, _whole(count), schedules)
        _go_to(campaign.search, data["search"])
    except _DAMAGE as error:
        raise UsageError(
            f"resume is damaged ({type(error).__name__}: {error}): explore anew"
        ) from None


#: What a text that was changed by hand can lead to.
_DAMAGE = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


def _check(head: dict[str, Any]) -> None:
    if not isinstance(head["scheduler"], str):
        raise UsageError(
            f"scheduler={head['scheduler']!r} cannot be saved: choose one by its name"
        )


def _parsed(text: str, head: dict[str, Any]) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise UsageError(
            f"resume is no saved exploration ({_FORMAT}): hand in what one saved"
        )
    for key, wanted in head.items():
        if data.get(key) != wanted:
            raise UsageError(
                f"resume was saved with {key}={data.get(key)!r}, not {wanted!r}: "
                "go on with the same, or explore anew"
            )
    return data


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _again(
    scenario: Scenario, label: str, schedule: Schedule, campaign: Campaign
) -> object:
    """Run what led to *label*, and return the outcome."""
    watching: list[Callable[[], Any]] = [
        *(detector.execution for detector in campaign.detectors),
        *campaign.observers,
    ]
    try:
        execution = execute(scenario, Replay(schedule), observers=watching)
    except Nondeterminism:
        execution = None
    if execution is None or execution.label != label:
        raise UsageError(
            f"resume does not fit scenario {scenario.name!r}: its schedule for {label} "
            "leads elsewhere now, so explore anew"
        )
    return execution.outcome


def _go_to(search: Explorer, data: Any) -> None:
    if isinstance(search, Subtree):
        search.resume(read(data, search.world))
    elif isinstance(search, Dfs):
        search.resume(data)
    elif isinstance(search, Series):
        search.number = _whole(data[0])
        if isinstance(search, Probed):
            search.probes = _whole(data[1])
            search.probing = bool(data[2])
            search.steps = {tuple(key): _whole(many) for key, many in data[3]}
