# SPDX-License-Identifier: GPL-2.0-only
"""The modelled kernel does nothing that any detector minds."""

from __future__ import annotations

import pytest

from pykmm.detect import DETECTORS, Serialized
from pykmm.engine import Backend
from pykmm.runner import explore
from pykmm.scenarios import SCENARIOS


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("scheduler", ["dpor", "random"])
def test_scenarios_are_clean(name: str, scheduler: str) -> None:
    result = explore(SCENARIOS[name], scheduler=scheduler, executions=25)
    assert result.outcomes
    assert [report.render() for report in result.reports] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_are_clean_on_free_running_threads(name: str) -> None:
    scenario = SCENARIOS[name]
    for seed in range(5):
        watching = [
            Serialized(detector.campaign().again()) for detector in DETECTORS.values()
        ]
        machine = scenario.machine(
            scenario.config,
            backend=Backend.FREE,  # type: ignore[call-arg]  # what workbench's takes
            observers=watching,
            seed=seed,  # type: ignore[call-arg]  # the same
            jitter=3,  # type: ignore[call-arg]  # the same
        )
        with machine as m:
            scenario.function(m)
