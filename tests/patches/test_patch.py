# SPDX-License-Identifier: GPL-2.0-only
"""Patches as values: which go together, and where each comes from."""

from __future__ import annotations

import importlib.util
from itertools import combinations
from pathlib import Path

import pytest

from pykmm.errors import UsageError
from pykmm.patches.bugs import BUGS
from pykmm.patches.designs import DESIGNS
from pykmm.patches.patch import Patch, apply
from pykmm.patches.situations import aio
from pykmm.scenarios import SCENARIOS
from pykmm.workbench import Machine

_spec = importlib.util.spec_from_file_location(
    "pykmm_tests_contexts", Path(__file__).with_name("contexts.py")
)
assert _spec is not None
assert _spec.loader is not None
contexts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contexts)

PATCHES = list(contexts.patches())


def goes_with(one: Patch, other: Patch) -> bool:
    with Machine() as m:
        try:
            apply(m, [one, other])
        except UsageError:
            return False
    return True


@pytest.mark.parametrize("patch", PATCHES, ids=lambda p: f"{p.kind}-{p.name}")
def test_each_says_where_it_comes_from_and_what_it_does(patch: Patch) -> None:
    assert patch.kind in ("bug", "design", "kernel", "situation")
    assert patch.summary
    assert patch.origin
    assert not patch.summary.endswith(".")
    assert patch.scenario in {"", *SCENARIOS}
    assert patch.functions or patch.name == "A"


def test_names_are_unique_in_their_kind() -> None:
    assert len({(p.kind, p.name) for p in PATCHES}) == len(PATCHES)


def test_two_go_together_exactly_if_they_share_no_function() -> None:
    for one, other in combinations(PATCHES, 2):
        apart = not one.functions.keys() & other.functions.keys()
        assert goes_with(one, other) is apart, (one.name, other.name)


def test_the_order_makes_no_difference() -> None:
    pair = [DESIGNS["B"], aio.patch]
    kernels = []
    for patches in (pair, pair[::-1]):
        with Machine() as m:
            apply(m, patches)
            kernels.append(m.patches)
    assert kernels[0] == kernels[1]


def test_what_two_replace_is_refused_in_a_sentence() -> None:
    with Machine() as m, pytest.raises(UsageError) as refused:
        apply(m, [DESIGNS["B"], BUGS["mrelease-keeps-lock"]])
    assert str(refused.value) == (
        "patch 'mrelease-keeps-lock' replaces process_mrelease(), which another patch "
        "replaces already: apply only one of them"
    )
