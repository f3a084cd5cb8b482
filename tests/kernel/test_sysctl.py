# SPDX-License-Identifier: GPL-2.0-only
"""Settings as text: what is taken, what is refused, what stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.engine import Machine
from pykmm.engine.fields import kernel_struct, shared
from pykmm.engine.objects import Struct
from pykmm.errno import EINVAL
from pykmm.kernel.sysctl import (
    proc_dointvec,
    proc_dointvec_minmax,
    register_sysctl_init,
    sysctl_tables,
)
from pykmm.linux.sysctl import ctl_table


@kernel_struct
class Settings(Struct):
    """One setting."""

    value: int = shared(default=7)


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A setting of a machine."""
    with Machine():
        yield Settings()


def table(settings: Settings, *, minmax: bool = False) -> ctl_table:
    handler = proc_dointvec_minmax if minmax else proc_dointvec
    return ctl_table("it", (lambda: settings, "value"), 0o644, handler, 0, 2)


@pytest.mark.parametrize(
    ("text", "ret", "value"),
    [
        (b"5", 1, 5),
        (b" 5\n", 3, 5),
        (b"\t-12 \n", 6, -12),
        (b"0x1f", 4, 31),
        (b"010", 3, 8),
        (b"5 6", 2, 5),
        (b"5\x006", -EINVAL, 7),
        (b"5,6", -EINVAL, 7),
        (b"", 0, 7),
        (b" \n", -EINVAL, 7),
        (b"-", -EINVAL, 7),
        (b"+5", -EINVAL, 7),
        (b"x", -EINVAL, 7),
        (b"2147483647", 10, 2**31 - 1),
        (b"2147483648", -EINVAL, 7),
        (b"-2147483648", 11, -(2**31)),
        (b"-2147483649", -EINVAL, 7),
        (b"0" * 21 + b"5", -EINVAL, 7),
        (b"0" * 19 + b"5", 20, 5),
        (b"99999999999999999999", -EINVAL, 7),
    ],
)
def test_an_int(settings: Settings, text: bytes, ret: int, value: int) -> None:
    assert proc_dointvec(table(settings), text, 0) == ret
    assert settings.value == value


@pytest.mark.parametrize(
    ("text", "ret", "value"),
    [(b"0", 1, 0), (b"2\n", 2, 2), (b"3", -EINVAL, 7), (b"-1", -EINVAL, 7)],
)
def test_bounds(settings: Settings, text: bytes, ret: int, value: int) -> None:
    assert proc_dointvec_minmax(table(settings, minmax=True), text, 0) == ret
    assert settings.value == value


def test_positions(settings: Settings) -> None:
    entry = table(settings)
    assert proc_dointvec(entry, None, 0) == b"7\n"
    assert proc_dointvec(entry, None, 2) == b""
    assert proc_dointvec(entry, b"5", 2) == 1
    assert settings.value == 7


def test_of_a_long_write_only_a_page_is_looked_at(settings: Settings) -> None:
    text = b" " * 4094 + b"56"
    assert proc_dointvec(table(settings), text, 0) == 4096
    assert settings.value == 5


def test_a_setting_is_found_by_its_path(settings: Settings) -> None:
    entry = table(settings)
    register_sysctl_init("vm", (entry,))
    assert sysctl_tables() == {"vm/it": entry}
