# SPDX-License-Identifier: GPL-2.0-only
"""Who a task acts as — ``include/linux/cred.h``.

Credentials never change once a task shows them: whoever wants others makes a new
set. So they are plain values here, which need no counting and no steps.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

import attrs
from attrs import frozen

from .uapi import CAP_LAST_CAP

__all__ = ["CAP_EMPTY_SET", "CAP_FULL_SET", "cred", "init_user_ns", "user_namespace"]

CAP_EMPTY_SET: Final[frozenset[int]] = frozenset()
CAP_FULL_SET: Final = frozenset(range(CAP_LAST_CAP + 1))


@frozen(eq=False)
class user_namespace:
    """Where capabilities count: here, and in all that was made below."""

    parent: user_namespace | None = None
    level: int = 0
    #: The effective user of whoever made it, who is almighty in it.
    owner: int = 0


init_user_ns: Final = user_namespace()


def _of_root(new: cred) -> frozenset[int]:
    return CAP_FULL_SET if new.euid == 0 else CAP_EMPTY_SET


def _as(name: str) -> Any:  # a field specifier
    """Declare a field that is as another one unless it is given."""
    return attrs.field(default=attrs.Factory(attrgetter(name), takes_self=True))


@frozen(kw_only=True)
class cred:
    """A user and a group as whom a task acts, and what it may do beyond others.

    By default all users are the real one, each with a group of that number; root may
    everything, others nothing.
    """

    uid: int = 0
    euid: int = _as("uid")
    suid: int = _as("uid")
    gid: int = _as("uid")
    egid: int = _as("gid")
    sgid: int = _as("gid")
    cap_effective: frozenset[int] = attrs.field(
        default=attrs.Factory(_of_root, takes_self=True)
    )
    #: What of it may become effective.
    cap_permitted: frozenset[int] = _as("cap_effective")
    user_ns: user_namespace = init_user_ns
