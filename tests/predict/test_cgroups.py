# SPDX-License-Identifier: GPL-2.0-only
"""Finding the memory cgroups: version 1, version 2, both, in a namespace, copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pykmm.errors import UsageError
from pykmm.predict.cgroups import Group, Hierarchy, find_hierarchy
from pykmm.predict.snapshot import open_proc

Write = Callable[..., Path]

MIB = 1 << 20
V1_UNLIMITED = 9223372036854771712

V2: Mapping[str, str | int] = {
    "cgroup.controllers": "cpu memory pids",
    "cgroup.procs": "1\n2",
    "a.slice/memory.max": 100 * MIB,
    "a.slice/memory.swap.max": 10 * MIB,
    "a.slice/memory.current": 90 * MIB,
    "a.slice/memory.oom.group": 1,
    "a.slice/cgroup.procs": "30\n20\n0",
    "a.slice/child/memory.max": "max",
    "a.slice/child/memory.current": 5 * MIB,
    "a.slice/child/cgroup.procs": "40",
    "a.slice/child/plain/cgroup.procs": "50\n45",
    "a.slice-2/memory.max": 10 * MIB,
    "a.slice-2/memory.swap.max": "max",
    "a.slice-2/memory.current": 1 * MIB,
    "a.slice-2/cgroup.procs": "",
}

V1: Mapping[str, str | int] = {
    "release_agent": "",
    "memory.limit_in_bytes": V1_UNLIMITED,
    "cgroup.procs": "1",
    "a/memory.limit_in_bytes": 100 * MIB,
    "a/memory.memsw.limit_in_bytes": 130 * MIB,
    "a/memory.usage_in_bytes": 50 * MIB,
    "a/memory.swappiness": 60,
    "a/memory.oom_control": "oom_kill_disable 1\nunder_oom 0",
    "a/cgroup.procs": "20\n30",
    "b/memory.limit_in_bytes": 200 * MIB,
    "b/memory.memsw.limit_in_bytes": V1_UNLIMITED,
    "b/memory.swappiness": 0,
    "c/memory.limit_in_bytes": V1_UNLIMITED,
    "c/memory.memsw.limit_in_bytes": V1_UNLIMITED,
}


@pytest.fixture
def find(write: Write) -> Callable[..., Hierarchy | None]:
    """Look for the hierarchy in a directory, or where a mountinfo says it is."""

    def found(directory: Path | None = None, mountinfo: str = "") -> Hierarchy | None:
        proc = write(f"file self/mountinfo {mountinfo!r}\n")
        with open_proc(str(proc)) as folder:
            return find_hierarchy(folder, None if directory is None else str(directory))

    return found


Find = Callable[..., Hierarchy]


def by_path(hierarchy: Hierarchy) -> dict[str, Group]:
    return {group.path: group for group in hierarchy.groups}


def test_version_2(find: Find, tree: Write) -> None:
    found = find(tree(V2))
    assert found.version == 2
    groups = by_path(found)
    assert list(groups) == ["/a.slice", "/a.slice/child", "/a.slice-2"]
    top = groups["/a.slice"]
    assert (top.limit, top.swap, top.usage) == (100 * MIB, 10 * MIB, 90 * MIB)
    assert (top.oom_group, top.parent, top.pids) == (True, None, (30, 20))
    child = groups["/a.slice/child"]
    assert (child.limit, child.swap, child.oom_group) == (None, None, False)
    assert child.parent == "/a.slice"
    assert child.pids == (40, 50, 45)  # what has no controller is its parent's
    assert groups["/a.slice-2"].swap is None


def test_version_1(find: Find, tree: Write) -> None:
    found = find(tree(V1))
    assert found.version == 1
    groups = by_path(found)
    assert list(groups) == ["/a", "/b", "/c"]
    assert (groups["/a"].limit, groups["/a"].swap) == (100 * MIB, 30 * MIB)
    assert (groups["/a"].usage, groups["/a"].pids) == (50 * MIB, (20, 30))
    assert groups["/a"].oom_kill_disable
    assert groups["/b"].swap == 0  # its swappiness is
    assert (groups["/c"].limit, groups["/c"].swap) == (None, None)
    assert not groups["/c"].oom_kill_disable


def test_the_place_where_version_1_is_mounted(find: Find, tree: Write) -> None:
    files = {f"memory/{path}": text for path, text in V1.items()}
    found = find(tree({**files, "unified/cgroup.controllers": "", "cpu/tasks": "1"}))
    assert (found.version, list(by_path(found))) == (1, ["/a", "/b", "/c"])


def test_version_2_beside_version_1_may_have_the_controller(
    find: Find, tree: Write
) -> None:
    files = {f"unified/{path}": text for path, text in V2.items()}
    found = find(tree({**files, "cpu/cgroup.procs": "1"}))
    assert (found.version, len(found.groups)) == (2, 3)


def test_a_namespace_shows_a_group_as_the_root(find: Find, tree: Write) -> None:
    inner = {**V2, "memory.max": 300 * MIB, "memory.current": 1}
    found = find(tree(inner))
    assert next(iter(by_path(found))) == "/"
    assert by_path(found)["/a.slice"].parent == "/"
    assert found.find("/").pids == (1, 2)
    assert len(found.subtree(found.find("/"))) == 4


def test_mounted_siblings_stand_by_age_and_copied_ones_by_name(
    find: Find, tree: Write
) -> None:
    names = ["z", "m", "a", "k", "b"]
    place = tree({f"{name}/memory.max": "max" for name in names})
    (place / "cgroup.controllers").write_text("memory\n")
    assert list(by_path(find(place))) == ["/a", "/b", "/k", "/m", "/z"]
    by_age = sorted(names, key=lambda name: (place / name).stat().st_ino)
    found = find(mountinfo=mounts(("cgroup2 none rw", "/", place)))
    assert list(by_path(found)) == [f"/{name}" for name in by_age]


def mounts(*places: tuple[str, str, Path]) -> str:
    """Write a mountinfo: kind and options, root, mount point."""
    lines = ["22 27 0:21 / /proc rw,relatime - proc proc rw", "garbage", ""]
    lines += [
        f"31 23 0:28 {root} {mount} rw,relatime shared:9 - {kind}"
        for kind, root, mount in places
    ]
    return "\n".join(lines) + "\n"


def test_mounts_tell_which_hierarchy_has_the_controller(
    find: Find, tree: Write, tmp_path: Path
) -> None:
    old = tree(V1, name="memory")
    new = tree({"cgroup.controllers": "cpu"}, name="unified")
    both = mounts(
        ("cgroup cgroup rw,cpu", "/", tmp_path / "cpu"),
        ("cgroup2 cgroup2 rw", "/", new),
        ("cgroup cgroup rw,memory", "/", old),
    )
    found = find(mountinfo=both)
    assert (found.version, found.mount) == (1, str(old))
    assert find(mountinfo=mounts(("cgroup2 cgroup2 rw", "/", new))) is None
    assert find() is None


def test_mount_points_may_hold_blanks(find: Find, tree: Write, tmp_path: Path) -> None:
    place = tree(V2, name="a b")
    escaped = Path(str(place).replace(" ", "\\040"))
    assert find(mountinfo=mounts(("cgroup2 none rw", "/", escaped))).mount == str(place)


@pytest.mark.parametrize(
    "path",
    [
        "/a.slice",
        "a.slice",
        "/a.slice/",
        "//a.slice/./",
        "{mount}/a.slice",
        "/docker/1/a.slice",
        "/a.slice/child/../",
    ],
)
def test_a_group_has_several_names(find: Find, tree: Write, path: str) -> None:
    place = tree(V2)
    found = find(mountinfo=mounts(("cgroup2 none rw", "/docker/1", place)))
    assert found.find(path.format(mount=place)).path == "/a.slice"


def test_a_directory_without_the_controller_is_its_parents(
    find: Find, tree: Write
) -> None:
    assert find(tree(V2)).find("/a.slice/child/plain").path == "/a.slice/child"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/a.slic", "no memory cgroup '/a.slic': did you mean '/a.slice'"),
        ("/zzz", "no memory cgroup '/zzz', nor any other"),
        ("/", "--memcg='/' is the root cgroup, which has no limit: leave --memcg out"),
        ("", "--memcg='' is the root cgroup"),
    ],
)
def test_an_unknown_group_is_told(
    find: Find, tree: Write, path: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        find(tree(V2)).find(path)


def test_a_subtree_is_no_prefix(find: Find, tree: Write) -> None:
    found = find(tree(V2))
    below = found.subtree(found.find("/a.slice"))
    assert [group.path for group in below] == ["/a.slice", "/a.slice/child"]


def test_the_group_with_the_least_room(find: Find, tree: Write) -> None:
    nearest = find(tree(V2)).nearest_to_its_limit()
    assert nearest is not None
    assert (nearest.path, nearest.used_share) == ("/a.slice", 0.9)
    unlimited = {"cgroup.controllers": "memory", "a/memory.max": "max"}
    assert find(tree(unlimited, name="other")).nearest_to_its_limit() is None


def test_a_group_that_vanishes_is_left_out(
    find: Find, tree: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tree(V2)
    # Listed a moment ago, and gone when it is opened.
    monkeypatch.setattr(
        "pykmm.predict.cgroups._below",
        lambda path, by_age: ["gone", "a.slice-2"] if path == f"{place}/" else [],
    )
    assert list(by_path(find(place))) == ["/a.slice-2"]


@pytest.mark.parametrize("files", [{"x": 1}, {"cgroup.controllers": "cpu pids"}])
def test_what_is_no_hierarchy_is_told(
    find: Find, tree: Write, files: dict[str, str | int]
) -> None:
    with pytest.raises(UsageError, match=r"--cgroup='.*' holds no memory cgroups"):
        find(tree(files))


def test_a_malformed_limit_is_named(find: Find, tree: Write) -> None:
    with pytest.raises(UsageError, match=r"a\.slice/memory\.max is malformed: it"):
        find(tree({**V2, "a.slice/memory.max": "lots"}))
