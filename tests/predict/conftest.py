# SPDX-License-Identifier: GPL-2.0-only
"""Machines to order: one line a process, written out as the files of a ``/proc``.

A machine is a text of lines, each a word and its values:

    release 6.18.44
    meminfo TOTAL SWAP                        in kB
    cpus N, threads N, sysctl NAME VALUE
    task PID PPID STATE FLAGS THREADS START UID ADJ SCORE MEMORY STACK COMM
    thread PID TID STATE FLAGS MEMORY
    file PATH TEXT                            anything else, escaped as in Python

MEMORY is ``SIZE ANON FILE SHMEM SWAP TABLES RSS``, in kB but for RSS, in pages; or
seven ``-`` for a task without. STACK is where its stack begins, 0 where the reader
may not know. COMM is a Python literal, of bytes or of text.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pykmm.predict import Forecast, predict

DATA = Path(__file__).parent / "data"

Write = Callable[..., Path]


class Writer:
    """Writes the files of one machine below a directory."""

    def __init__(self, root: Path, page: int) -> None:
        self.root = root
        self.page = page

    def put(self, path: str, text: str | bytes) -> None:
        """Write one file, and the directories above it."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())

    def lines(self, text: str) -> Path:
        """Write a whole machine; return its directory."""
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                self.line(line)
        return self.root

    def line(self, line: str) -> None:
        """Write what one line of a machine stands for."""
        word, *values = line.split()
        match word:
            case "release":
                self.put("sys/kernel/osrelease", f"{values[0]}\n")
            case "meminfo":
                ram, swap = values
                self.put("meminfo", f"MemTotal: {ram} kB\nSwapTotal: {swap} kB\n")
            case "cpus":
                cpus = "".join(f"cpu{n} 1 2 3\n" for n in range(int(values[0])))
                self.put("stat", f"cpu 1 2 3\n{cpus}btime 1\n")
            case "threads":
                self.put("loadavg", f"0.00 0.01 0.05 1/{values[0]} 99\n")
            case "sysctl":
                self.put(f"sys/vm/{values[0]}", f"{values[1]}\n")
            case "file":
                self.put(values[0], ast.literal_eval(line.split(None, 2)[2]))
            case "task":
                self.task(values, ast.literal_eval(line.split(None, 18)[18]))
            case "thread":
                pid, tid, state, flags, *memory = values
                place = f"{pid}/task/{tid}"
                self.status(place, "0", memory)
                self.stat(place, tid, "1", state, flags, "2", "0", memory, "0", b"t")
            case _:
                raise ValueError(line)

    def task(self, values: list[str], comm: str | bytes) -> None:
        """Write the files of one process."""
        pid, ppid, state, flags, threads, start, uid, adj, score = values[:9]
        memory, stack = values[9:16], values[16]
        raw = comm if isinstance(comm, bytes) else comm.encode()
        self.put(f"{pid}/oom_score", f"{score}\n")
        self.put(f"{pid}/oom_score_adj", f"{adj}\n")
        self.status(pid, uid, memory)
        self.stat(pid, pid, ppid, state, flags, threads, start, memory, stack, raw)
        pages = 0 if memory[0] == "-" else int(memory[0]) * 1024 // self.page
        self.put(f"{pid}/statm", f"{pages} 1 1 1 0 1 0\n")

    def status(self, place: str, uid: str, memory: list[str]) -> None:
        """Write a ``status`` with what is looked at, and some of the rest."""
        lines = ["Name:\tx\\nUid:\t77", f"Uid:\t{uid}\t1\t2\t3"]
        if memory[0] != "-":
            size, anon, file, shmem, swap, tables, _ = memory
            lines += [
                f"VmPeak:\t   99999 kB\nVmSize:\t   {size} kB",
                f"RssAnon:\t   {anon} kB",
                f"RssFile:\t   {file} kB",
                f"RssShmem:\t   {shmem} kB",
                f"VmPTE:\t   {tables} kB",
                f"VmSwap:\t   {swap} kB",
            ]
        self.put(f"{place}/status", "\n".join([*lines, "Threads:\t1\n"]))

    def stat(
        self,
        place: str,
        pid: str,
        ppid: str,
        state: str,
        flags: str,
        threads: str,
        start: str,
        memory: list[str],
        stack: str,
        comm: bytes,
    ) -> None:
        """Write a ``stat`` of 52 fields."""
        fields = ["0"] * 50
        fields[:2] = state, ppid
        fields[6], fields[17], fields[19] = str(int(flags, 0)), threads, start
        if memory[0] != "-":
            fields[20], fields[21] = str(int(memory[0]) * 1024), memory[6]
            fields[25] = fields[45] = stack
        self.put(f"{place}/stat", pid.encode() + b" (" + comm + b") ")
        with (self.root / place / "stat").open("ab") as file:
            file.write(f"{' '.join(fields)}\n".encode())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a machine from its text; return the directory that is its ``/proc``."""

    def written(text: str, name: str = "proc", page: int = 4096) -> Path:
        return Writer(tmp_path / name, page).lines(text)

    return written


@pytest.fixture
def stored(write: Write) -> Write:
    """Write a stored machine by its name; return the directory."""

    def written(name: str) -> Path:
        return write((DATA / f"{name}.txt").read_text(encoding="utf-8"))

    return written


@pytest.fixture
def tree(tmp_path: Path) -> Write:
    """Write files by path, as of a cgroup hierarchy; return their directory."""

    def written(files: Mapping[str, str | int], name: str = "cgroup") -> Path:
        writer = Writer(tmp_path / name, 4096)
        for path, text in files.items():
            writer.put(path, f"{text}\n")
        return writer.root

    return written


@pytest.fixture
def ask(write: Write) -> Callable[..., Forecast]:
    """Write a machine and predict on it."""

    def asked(
        text: str, cgroup: Path | None = None, memcg: str | None = None
    ) -> Forecast:
        directory = None if cgroup is None else str(cgroup)
        return predict(proc=str(write(text)), cgroup=directory, memcg=memcg)

    return asked


@pytest.fixture
def data() -> Path:
    """The directory of stored machines, and of what is said of them."""
    return DATA
