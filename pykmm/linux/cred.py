# SPDX-License-Identifier: GPL-2.0-only
"""Who a task acts as — ``include/linux/cred.h``.

Credentials never change once a task shows them: whoever wants others makes a new
set. So they are plain values here, which need no counting and no steps.
"""

from __future__ import annotations

from typing import Final

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


@frozen(kw_only=True)
class cred:
    """A user as whom a task acts, and what it may do beyond others.

    By default all users are the real one, root may everything, others nothing.
    """

    uid: int = 0
    euid: int = attrs.field(default=attrs.Factory(lambda c: c.uid, takes_self=True))
    suid: int = attrs.field(default=attrs.Factory(lambda c: c.uid, takes_self=True))
    cap_effective: frozenset[int] = attrs.field(
        default=attrs.Factory(_of_root, takes_self=True)
    )
    user_ns: user_namespace = init_user_ns
