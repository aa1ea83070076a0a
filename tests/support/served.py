"""`kaskad serve` in a process of its own, as somebody who installs it starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from msgspec import Struct

from .faults import free_port
from .site import build

START_S = 90


class Served(Struct, frozen=True):
    """Where it listens, and the link that the first owner is let in by."""

    url: str
    sign_in: str
    folder: Path

    def tell(self, event: dict[str, object]) -> None:
        """Tell an event as the shop would."""
        key = json.loads((self.folder / "kaskad.db.server").read_bytes())["key"]
        answer = httpx2.post(
            f"{self.url}/api/v1/events", json=event, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )
        assert answer.status_code == 202, answer.text


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Run an installation in an empty folder until the end of the block, and see that it ends in order."""
    build()
    port = free_port()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
    environment = {
        **plain, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "KASKAD_LOG_LEVEL": "error"
    }  # fmt: skip
    url = f"http://localhost:{port}"
    process = subprocess.Popen(
        [sys.executable, "-c", "from kaskad.cli import main; main()", "serve", "--json",
         "--listen", f"127.0.0.1:{port}", "--base-url", url],
        cwd=folder, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Served(url, told["sign_in"], folder)
    finally:
        process.terminate()
        assert process.wait(START_S) == 0
