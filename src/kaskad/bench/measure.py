"""What a process has used so far, as its operating system tells."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path


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
