"""What a process has used so far, as its operating system tells."""

from __future__ import annotations

import os
import platform
import resource
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def own_peak_mib() -> float:
    """Return the most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def cpu_s(pid: int | None) -> float:
    """Return the CPU time of a running process; 0 where there is none, or no /proc."""
    fields = _stat(pid)
    return (int(fields[12]) + int(fields[13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def server_cpu_s(backend: int) -> float:
    """Return the CPU time of all processes of the PostgreSQL server that has this backend, ended ones too.

    0 where there is no such process here, or no /proc.
    """
    fields = _stat(backend)
    if not fields or fields[0] != "postgres":  # of that number, but of another machine
        return 0.0
    server = int(fields[2])
    while True:  # a process that ends in between would be in neither sum
        ended = _stat(server)[14:16]
        total_s = family_cpu_s(server) + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
        if _stat(server)[14:16] == ended:
            return total_s


def _stat(pid: int | None) -> list[str]:
    """Return the fields of a process' `stat` from its name on; [] where there is none, or no /proc."""
    try:
        name, _, fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")
    except OSError:
        return []
    return [name.partition("(")[2], *fields.split()]


def family_cpu_s(pid: int) -> float:
    """Return the CPU time of a running process and of its running children; 0 where there is no /proc."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for file in files for child in file.read_text("ascii").split()]
    return cpu_s(pid) + sum([cpu_s(int(child)) for child in children])


def written_bytes() -> int:
    """Return what this process has had written to disks; 0 where there is no /proc."""
    try:
        lines = Path("/proc/self/io").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), 0)


def peak_mib(pid: int | None) -> float:
    """Return the most memory that a running process has had; 0 where there is none, or no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def interpreter() -> str:
    """Return Python's version, and how it was built: the same code takes a fifth more or less by that."""
    maps = Path("/proc/self/maps")
    shared = maps.exists() and "libpython" in maps.read_text("ascii", "replace")
    pgo = built_with_pgo(sysconfig.get_config_vars())
    words = {True: "with PGO", False: "without PGO", None: "PGO unknown"}[pgo]
    return f"{platform.python_version()} ({words}{', shared libpython' if shared else ''})"


def built_with_pgo(flags: Mapping[str, Any]) -> bool | None:
    """Return whether an interpreter with these flags was built by a profile; None: they do not tell.

    Debian's was, and no flag of it says so: it has taken out even the one that names the option.
    """
    if "--enable-optimizations" in str(flags.get("CONFIG_ARGS", "")):
        return True
    told = [str(flags.get(name, "")) for name in ("PY_CFLAGS", "PY_CFLAGS_NODIST", "PY_CORE_CFLAGS")]
    if any("-fprofile-use" in text or "-fprofile-instr-use" in text for text in told):
        return True
    return False if flags.get("PGO_PROF_USE_FLAG") else None
