"""Packages of npm for tests, installed once a session where node and npm are there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

HERE = Path(__file__).parent


def installed(folder: Path, *packages: str) -> Path:
    """Return the folder of modules with `packages`; skips the test where npm cannot bring them."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", *packages]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm cannot install {', '.join(packages)}: {error}")
    return folder / "node_modules"


class Script:
    """A script that tells what happens in lines of JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: Queue[dict[str, Any]] = Queue()
        self.said: list[dict[str, Any]] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def next(self, key: str, within_s: float = 10.0) -> dict[str, Any]:
        """Return the next line that has `key`; all lines are kept in `said`."""
        while True:
            try:
                line = self._lines.get(timeout=within_s)
            except Empty:
                raise AssertionError(f"no line with {key!r}; so far {self.said}") from None
            if key in line:
                return line

    def end(self) -> None:
        """End the script; afterwards `said` holds all that it has told."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self.said.append(told)
            self._lines.put(told)


@contextmanager
def script(name: str, options: dict[str, Any]) -> Iterator[Script]:
    """Run a script of this folder with its options until the end of the block."""
    command = ["node", str(HERE / name), json.dumps(options)]
    running = Script(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    try:
        yield running
    finally:
        running.end()
