"""Bring in many people from a file, as the API does it, and see how long others wait meanwhile."""

from __future__ import annotations

import io
import os
import random
import resource
import threading
import time
from collections.abc import Callable

from msgspec import Struct, structs

from kaskad import config
from kaskad.actions import imports
from kaskad.actions.office import Office
from kaskad.bench.measure import cpu_s, own_peak_mib, written_bytes
from kaskad.bench.place import open_place
from kaskad.domain.errors import Unavailable
from kaskad.engine.people import Reading
from kaskad.store.imports import DONE, RUNNING
from kaskad.web.service import attending

_BETWEEN_S = 0.02  # between two questions to the engine
_LOOK_S = 0.5
_HEADER = "id,name,email,phone,city,language,consent,birthday\n"
_SEED = 1
_STRIDE = 7_654_321  # between one telephone number and the next: no two of ten million are the same
# A tenth of the numbers are in need of mending, in the manners of those who type them.
_SPELLINGS = ("8 ({0}) {1}-{2}", "8{0}{1}{2}", "+7 {0} {1} {2}", "7{0}{1}{2}")


class Report(Struct, frozen=True):
    """What came out. `million_s`: what a million such rows take at this pace.

    Waits are those for a turn of the engine, as a timer or a reaction waits: between two pieces. CPU is that
    of this process, which writes, and of those that read the rows. `written_kib_per_row`: to the disk, by
    this process; 0 where there is no /proc.
    """

    rows: int
    seconds: float
    rows_per_s: float
    million_s: float
    wait_p50_ms: float
    wait_p99_ms: float
    wait_max_ms: float
    writer_cpu_s: float
    readers_cpu_s: float
    cpu_us_per_row: float
    written_kib_per_row: float
    peak_mib: float
    new: int
    rejected: int
    dry_run: bool


def run(rows: int, where: str, dry_run: bool, tell: Callable[[str], None]) -> Report:
    """Import a file of so many rows into a fresh database; raises Unavailable where people were lost."""
    data = people(rows)
    with open_place(where) as place:
        url = place.url if place.url.startswith("postgres") else f"sqlite:{place.url}"
        settings = structs.replace(config.load(), database=url, listen="127.0.0.1:0")
        with attending(settings, "kaskad bench import") as service:
            return _measured(service.office, data, rows, dry_run, tell)


def people(rows: int) -> bytes:
    """Return a file of invented people as bases have them: ids in order, addresses and names in none."""
    draw = random.Random(_SEED)
    file = io.BytesIO()
    file.write(_HEADER.encode())
    for n in range(rows):
        number = f"{n * _STRIDE % 10_000_000:07}"
        code = "701" if n % 3 else "900"
        spelled = _SPELLINGS[n // 10 % len(_SPELLINGS)] if n % 10 == 0 and code == "701" else "+7{0}{1}{2}"
        phone = spelled.format(code, number[:3], number[3:])
        mail = f"{draw.choice('abcdefghijklmnopqrstuvwxyz')}{draw.randrange(10**9)}.{n}@example.org"
        agreed, born = "да" if n % 3 else "", f"1{n % 9}.0{n % 8 + 1}.1990"
        file.write(
            f"{n},Имя {draw.randrange(9_999)},{mail},{phone},Алматы,"
            f"{'ru' if n % 2 else 'kk'},{agreed},{born}\n"
            .encode()
        )  # fmt: skip
    return file.getvalue()


def _measured(office: Office, data: bytes, rows: int, dry_run: bool, tell: Callable[[str], None]) -> Report:
    waits: list[float] = []
    ended = threading.Event()
    asking = threading.Thread(target=_ask, args=(office, waits, ended), daemon=True)
    asking.start()
    began, written = time.monotonic(), written_bytes()
    cpu, readers = cpu_s(os.getpid()), _children_s()
    found = imports.start(office, data, imports.Wishes("bench.csv", Reading("KZ"), dry_run=dry_run), 0)
    while found.state == RUNNING:
        tell(f"{found.seen} of {found.size} rows")
        time.sleep(_LOOK_S)
        found = imports.show(office, found.id)
    seconds = time.monotonic() - began
    ended.set()
    asking.join()
    if found.state != DONE or found.made + found.rejected != rows:
        raise Unavailable(f"The import {found.state}: {found.made} of {rows} people are new. {found.problem}")
    waits.sort()
    cpu, readers = cpu_s(os.getpid()) - cpu, _children_s() - readers
    return Report(
        rows=rows,
        seconds=round(seconds, 1),
        rows_per_s=round(rows / seconds),
        million_s=round(seconds * 1_000_000 / rows, 1),
        wait_p50_ms=_at(waits, 0.5),
        wait_p99_ms=_at(waits, 0.99),
        wait_max_ms=_at(waits, 1),
        writer_cpu_s=round(cpu, 1),
        readers_cpu_s=round(readers, 1),
        cpu_us_per_row=round((cpu + readers) * 1e6 / rows, 1),
        written_kib_per_row=round((written_bytes() - written) / rows / 1024, 1),
        peak_mib=round(own_peak_mib()),
        new=found.made,
        rejected=found.rejected,
        dry_run=dry_run,
    )


def _children_s() -> float:
    """Return the CPU time of our processes that have ended, as those that read rows do with the import."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _at(waits: list[float], part: float) -> float:
    """Return what so many of the waits, in order, do not exceed, in milliseconds."""
    return round(waits[min(int(len(waits) * part), len(waits) - 1)] * 1000, 1) if waits else 0.0


def _ask(office: Office, waits: list[float], ended: threading.Event) -> None:
    """Ask the engine for a turn again and again, as a timer or a reaction does."""
    while not ended.wait(_BETWEEN_S):
        began = time.monotonic()
        office.write(lambda tx: None)
        waits.append(time.monotonic() - began)
