# SPDX-License-Identifier: GPL-2.0-only
"""The memory cgroups of a machine: version 1, version 2, or both mounted.

Which directory counts is where the memory controller is. A directory without the
controller belongs to the nearest one above that has it.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from attrs import evolve, frozen

from ..errors import UsageError
from .parse import parse_number
from .source import Folder, Gone, Unreadable, understand

__all__ = ["Group", "Hierarchy", "find_hierarchy"]

#: Version 1 says "no limit" as the last multiple of the page size below 2**63.
_V1_NO_LIMIT: Final = (1 << 63) - (1 << 16)
_DEEPEST: Final = 200


@frozen
class Group:
    """One memory cgroup; sizes are in bytes, None is no limit."""

    #: From the top of the hierarchy, as ``/proc/PID/cgroup`` shows it.
    path: str
    #: The path of the next group above it, None for the root.
    parent: str | None
    limit: int | None
    #: What swap may add to the limit.
    swap: int | None
    usage: int | None
    oom_group: bool = False
    #: Version 1 only: tasks wait for memory instead of being killed.
    oom_kill_disable: bool = False
    #: Its processes; with version 2 in the order in which the killer sees them.
    pids: tuple[int, ...] = ()

    @property
    def used_share(self) -> float:
        """How much of its limit is in use; 0 without a limit."""
        return 0.0 if not self.limit else (self.usage or 0) / self.limit


@frozen
class Hierarchy:
    """All memory cgroups below the root, parents first, siblings by age."""

    version: int
    #: Where it is mounted, and which of its groups that place shows.
    mount: str
    shown: str
    groups: tuple[Group, ...]

    def find(self, path: str) -> Group:
        """Return the group that *path* names: below the top, or as a directory."""
        wanted = self._normal(path)
        by_path = {group.path: group for group in self.groups}
        found = by_path.get(wanted)
        while found is None and wanted != "/" and self._is_directory(wanted):
            wanted = posixpath.dirname(wanted)  # no controller here: look above
            found = by_path.get(wanted)
        if found is not None:
            return found
        if wanted == "/":
            raise UsageError(
                f"--memcg={path!r} is the root cgroup, which has no limit: leave "
                "--memcg out to ask for the whole machine"
            )
        close = get_close_matches(wanted, by_path, n=1, cutoff=0.3)
        guess = f": did you mean {close[0]!r}?" if close else ", nor any other"
        raise UsageError(f"there is no memory cgroup {path!r}{guess}")

    def nearest_to_its_limit(self) -> Group | None:
        """Return the group that has the least room left, by its own limit."""
        limited = [group for group in self.groups if group.limit]
        return max(limited, key=lambda group: group.used_share, default=None)

    def subtree(self, top: Group) -> tuple[Group, ...]:
        """Return *top* and what is below it, parents first."""
        inside = f"{top.path.rstrip('/')}/"
        return tuple(
            g for g in self.groups if g.path == top.path or g.path.startswith(inside)
        )

    def _normal(self, path: str) -> str:
        wanted = posixpath.normpath(f"/{path.strip('/')}")
        for prefix in (posixpath.abspath(self.mount), self.shown):
            if prefix != "/" and f"{wanted}/".startswith(f"{prefix}/"):
                wanted = wanted[len(prefix) :] or "/"
        return wanted

    def _is_directory(self, path: str) -> bool:
        return os.path.isdir(f"{self.mount}{path}")


def find_hierarchy(proc: Folder, directory: str | None) -> Hierarchy | None:
    """Read the hierarchy with the memory controller; None where there is none.

    *directory* holds a copy: of a mounted hierarchy, or of the place where several
    are mounted. Without it the mounts of *proc*'s reader are looked up.
    """
    if directory is None:
        for version, mount, shown in _mounts(proc):
            if _has_memory(mount, version):
                return _read(version, mount, shown, by_age=True)
        return None
    for version, mount in _guesses(directory.rstrip("/") or "/"):
        if _has_memory(mount, version):
            return _read(version, mount, "/", by_age=False)
    raise UsageError(
        f"--cgroup={directory!r} holds no memory cgroups: pass a directory with a "
        "cgroup.controllers file that names memory, or with a memory hierarchy of "
        "version 1"
    )


def _guesses(directory: str) -> list[tuple[int, str]]:
    return [
        (2, directory),
        (1, directory),
        (1, f"{directory}/memory"),
        (2, f"{directory}/unified"),
    ]


def _mounts(proc: Folder) -> Iterator[tuple[int, str, str]]:
    """Yield version, mount point and root of each mounted cgroup hierarchy."""
    raw = proc.read_if_there("self/mountinfo") or b""
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        words, kind = before.split(" "), after.split(" ")
        if len(words) < 6 or len(kind) < 3:
            continue
        shown, mount = _unescaped(words[3]), _unescaped(words[4])
        if kind[0] == "cgroup2":
            yield 2, mount, shown
        elif kind[0] == "cgroup" and "memory" in kind[2].split(","):
            yield 1, mount, shown


def _unescaped(path: str) -> str:
    """Undo the octal escapes of blanks, line ends and backslashes."""
    for code in ("040", "011", "012", "134"):
        path = path.replace(f"\\{code}", chr(int(code, 8)))
    return path


def _has_memory(mount: str, version: int) -> bool:
    try:
        with Folder(mount) as folder:
            if version == 1:
                return folder.read_if_there("memory.limit_in_bytes") is not None
            controllers = folder.read_if_there("cgroup.controllers") or b""
            return b"memory" in controllers.split()
    except (Gone, Unreadable):
        return False


def _read(version: int, mount: str, shown: str, *, by_age: bool) -> Hierarchy:
    groups: dict[str, Group] = {}
    members: dict[str, list[int]] = {}
    # Depth first, a group before those below it, which wait in reverse.
    waiting: list[tuple[str, str | None]] = [("/", None)]
    while waiting:
        path, owner = waiting.pop()
        directory = f"{mount.rstrip('/')}{path}"
        try:
            with Folder(directory) as folder:
                group = (_version_2 if version == 2 else _version_1)(
                    folder, path, owner
                )
                pids = _pids(folder)
        except (Gone, Unreadable):
            continue
        if group is not None:
            groups[path] = group
            owner = path
        if owner is not None:
            members.setdefault(owner, []).extend(pids)
        if path.count("/") < _DEEPEST:
            inside = path.rstrip("/")
            below = [f"{inside}/{name}" for name in _below(directory, by_age)]
            waiting += [(each, owner) for each in reversed(below)]
    filled = [evolve(g, pids=tuple(members[path])) for path, g in groups.items()]
    return Hierarchy(version, mount, shown, tuple(filled))


def _below(path: str, by_age: bool) -> list[str]:
    """List the groups in a directory: siblings are scanned as they were made."""
    try:
        with os.scandir(path) as entries:
            found = [e for e in entries if e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    # cgroupfs numbers its inodes upwards; a copy of it has numbers of its own.
    found.sort(key=lambda e: (e.inode() if by_age else 0, e.name))
    return [e.name for e in found]


def _version_2(folder: Folder, path: str, parent: str | None) -> Group | None:
    limit = folder.read_if_there("memory.max")
    if limit is None:
        return None  # the root, or a part of its parent's group
    return Group(
        path=path,
        parent=parent,
        limit=_size(folder, "memory.max", limit),
        swap=_size(folder, "memory.swap.max"),
        usage=_size(folder, "memory.current"),
        oom_group=_size(folder, "memory.oom.group") == 1,
    )


def _version_1(folder: Folder, path: str, parent: str | None) -> Group | None:
    is_root = folder.read_if_there("release_agent") is not None
    limit = folder.read_if_there("memory.limit_in_bytes")
    if is_root or limit is None:
        return None
    bytes_at_most = _size(folder, "memory.limit_in_bytes", limit)
    with_swap = _size(folder, "memory.memsw.limit_in_bytes")
    swap = None
    if with_swap is not None:
        swap = max(with_swap - (bytes_at_most or with_swap), 0)
    if folder.read_if_there("memory.swappiness") == b"0\n":
        swap = 0
    return Group(
        path=path,
        parent=parent,
        limit=bytes_at_most,
        swap=swap,
        usage=_size(folder, "memory.usage_in_bytes"),
        oom_kill_disable=b"oom_kill_disable 1"
        in (folder.read_if_there("memory.oom_control") or b""),
    )


def _size(folder: Folder, name: str, raw: bytes | None = None) -> int | None:
    """Read a number of bytes; None is no limit, or no such file."""
    if raw is None:
        raw = folder.read_if_there(name)
    if raw is None or raw.strip() == b"max":
        return None
    number = understand(f"{folder.path.rstrip('/')}/{name}", parse_number, raw)
    return None if number >= _V1_NO_LIMIT else number


def _pids(folder: Folder) -> list[int]:
    """Return the processes of one directory; 0 is one of another namespace."""
    raw = folder.read_if_there("cgroup.procs") or b""
    return [int(word) for word in raw.split() if word.isdigit() and int(word)]
