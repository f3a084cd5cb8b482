# SPDX-License-Identifier: GPL-2.0-only
"""The garbage collector is off inside of a block, and then as it was."""

from __future__ import annotations

import gc

import pytest

from pykmm.engine.collector import uncollected


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_is_off_inside_and_then_as_before(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(LookupError), uncollected():
            with uncollected():
                assert not gc.isenabled()
            assert not gc.isenabled()
            raise LookupError
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
