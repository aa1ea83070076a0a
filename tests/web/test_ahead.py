"""What the first look at a page would take is done before anybody looks, when there is nothing else to do."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from kaskad.actions import asked
from kaskad.actions.office import Office
from kaskad.config import Settings
from kaskad.web import ahead, app
from kaskad.web.ahead import Ahead
from kaskad.web.pages import shell
from kaskad.web.service import serving
from support.faults import until

BELIEVED = """
import sys
from importlib import import_module
from kaskad.web import ahead
for name in ahead.LATE:
    import_module(name)
known = set(sys.modules)
from kaskad.planning.rates import Seen, family, shifted
family(0.3).believed(Seen(9, 2.0)), shifted([(0.3, Seen(9, 2.0))])
print(sorted(set(sys.modules) - known))
"""

ASKED_ABOUT = """
import sys
from importlib import import_module
from kaskad.web import ahead
for name in ahead.LATE:
    import_module(name)
known = set(sys.modules)
from kaskad.store import run_columns, segment_base
print(sorted(set(sys.modules) - known))
"""


def _fail(*_: object, **__: object) -> None:
    raise AssertionError("this was to be done before")


def test_nothing_is_left_for_the_first_look_at_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    app._answered_with_office.cache_clear()
    for piece in ahead.pieces(app.routes()):
        piece()
    monkeypatch.setattr("fastapi.routing.get_dependant", _fail)
    scope = {"type": "http", "method": "GET", "path": "/cascades/sale", "root_path": "", "headers": []}
    assert sum(route.matches(scope)[0].value > 0 for route in app._answered_with_office()) >= 1
    for language in ("en", "ru"):
        fresh = shell._environment.__wrapped__(language)
        monkeypatch.setattr(fresh, "compile", _fail)
        assert len([fresh.get_template(name) for name in fresh.list_templates()]) > 90


class _Steps:
    """Pieces that note themselves, and a process that is busy or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.busy, self.seen, self.used = True, Event(), 0.0
        monkeypatch.setattr(ahead, "pieces", lambda given: given)
        monkeypatch.setattr(ahead, "import_module", self.done.append)
        monkeypatch.setattr(ahead, "HEAVY", ("heavy",))
        monkeypatch.setattr(ahead, "_LOOK_S", 0.005)
        clock = SimpleNamespace(monotonic=time.monotonic, process_time=self._used)
        monkeypatch.setattr(ahead, "time", clock)

    def _used(self) -> float:
        self.used += 1000.0 if self.busy else 0.0
        return self.used

    def pieces(self) -> Iterator[ahead.Piece]:
        for name in ("one", "two"):
            yield lambda name=name: self.done.append(name)  # type: ignore[misc]


def test_it_gives_way_and_loads_what_is_heavy_where_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = _Steps(monkeypatch)
    monkeypatch.setattr(ahead, "_AGAIN_S", 0.005)
    kept = [lambda: steps.done.append("kept")]
    part = Ahead(steps.pieces(), steps.seen.is_set, lambda: kept)
    part.start()
    until(lambda: steps.used > 10_000)
    assert steps.done == []
    steps.busy = False
    until(lambda: len(steps.done) == 2)
    time.sleep(0.03)
    assert steps.done == ["one", "two"]
    steps.seen.set()
    until(lambda: steps.done[3:6] == ["kept"] * 3)
    assert steps.done[:3] == ["one", "two", "heavy"]
    part.stop()


def test_what_figures_ask_of_memory_is_there_before_anybody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = _Steps(monkeypatch)
    steps.busy = False
    part = Ahead(steps.pieces(), lambda: True, lambda: [lambda: steps.done.append("kept")])
    part.start()
    until(lambda: steps.done == ["one", "two", "heavy", "kept"])
    part.stop()


def test_a_server_without_an_open_page_brings_it_where_people_were_asked_about_of_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        database=f"sqlite:{tmp_path}/k.db", listen="127.0.0.1:0", resolver="off", secret_key="k" * 32
    )
    brought = Event()

    def to_memory(_: Office) -> Iterator[ahead.Piece]:
        yield brought.set

    monkeypatch.setattr(asked, "to_memory", to_memory)
    monkeypatch.setattr(ahead, "pieces", lambda _: iter(()))
    monkeypatch.setattr(ahead, "HEAVY", ())
    monkeypatch.setattr(ahead, "_LOOK_S", 0.01)
    monkeypatch.setattr(ahead, "_BUSY", 100.0)
    with serving(settings, "the tests", ahead=True) as service:
        assert not brought.wait(0.3)
        with service.office.read() as tx:
            asked.note(service.office, tx)
        assert brought.wait(20.0)


def test_it_ends_while_it_waits_and_when_something_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = _Steps(monkeypatch)
    waiting = Ahead(steps.pieces(), steps.seen.is_set)
    waiting.start()
    waiting.stop()
    assert steps.done == []
    steps.busy = False
    failing = Ahead(iter([_fail, lambda: steps.done.append("after it")]), lambda: True)
    failing.start()
    until(lambda: steps.done == ["after it", "heavy"])
    failing.stop()
    steps.done.clear()
    unseen = Ahead(steps.pieces(), steps.seen.is_set)
    unseen.start()
    until(lambda: len(steps.done) == 2)
    unseen.stop()
    assert steps.done == ["one", "two"]


def test_what_is_believed_of_rates_loads_nothing_then() -> None:
    """The editor forecasts while it is asked for; that took it 0.2 s more at the first look."""
    told = subprocess.run([sys.executable, "-c", BELIEVED], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_asking_about_a_segment_loads_nothing_then() -> None:
    """The first look at a report of one took 20 ms longer for that."""
    told = subprocess.run([sys.executable, "-c", ASKED_ABOUT], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
