# SPDX-License-Identifier: GPL-2.0-only
"""Numbers out of texts: base, sign, ends and overflow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykmm.errno import EINVAL, ERANGE
from pykmm.lib.kstrtox import kstrtoint, kstrtoll
from pykmm.lib.string_helpers import isspace, skip_spaces, strim


@pytest.mark.parametrize(
    ("text", "base", "found"),
    [
        (b"0", 0, 0),
        (b"-0", 0, 0),
        (b"+12\n", 0, 12),
        (b"12\n\n", 0, -EINVAL),
        (b"0x", 0, -EINVAL),
        (b"0X1f", 0, 31),
        (b"0xg", 0, -EINVAL),
        (b"0x10", 16, 16),
        (b"10", 16, 16),
        (b"07", 0, 7),
        (b"08", 0, -EINVAL),
        (b"- 1", 0, -EINVAL),
        (b"--1", 0, -EINVAL),
        (b"+-1", 0, -EINVAL),
        (b" 1", 0, -EINVAL),
        (b"1 ", 0, -EINVAL),
        (b"5\0rest", 0, 5),
        (b"", 0, -EINVAL),
        (b"2147483647", 0, 2**31 - 1),
        (b"2147483648", 0, -ERANGE),
        (b"-2147483648", 0, -(2**31)),
        (b"-2147483649", 0, -ERANGE),
        (b"9" * 40, 0, -ERANGE),
        (b"9" * 40 + b"x", 0, -ERANGE),
    ],
)
def test_kstrtoint(text: bytes, base: int, found: int) -> None:
    assert kstrtoint(text, base) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", -ERANGE),
        (b"-9223372036854775808", -(2**63)),
        (b"-9223372036854775809", -ERANGE),
    ],
)
def test_kstrtoll(text: bytes, found: int) -> None:
    assert kstrtoll(text, 0) == found


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["d", "#x", "#o"]))
def test_every_int_is_read_back(number: int, form: str) -> None:
    text = format(number, form).replace("0o", "0").encode()
    assert kstrtoint(text, 0) == number


@given(st.binary(max_size=20))
def test_stripping_leaves_no_space_at_the_ends(text: bytes) -> None:
    stripped = strim(text)
    assert not stripped or not (isspace(stripped[0]) or isspace(stripped[-1]))
    assert b"\0" not in stripped
    assert skip_spaces(b" \t\n\v\f\r\xa0" + text) == skip_spaces(text)
