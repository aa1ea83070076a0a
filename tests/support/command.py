"""`kaskad run` in a process of its own against a sandbox whose clock runs fast."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from ruamel.yaml import YAML

from kaskad.domain.policy import Policy
from kaskad.sandbox.person import Bubble, Person, Phone
from kaskad.sandbox.profile import read_profile
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.store import settings
from support.databases import migrated
from support.faults import free_port

FACTOR = 1800
PATIENCE_S = 200


class Played(Struct):
    """What the command told, and the phones after it."""

    told: dict[str, Any]
    phones: Sequence[Phone]

    def phone(self, person: Person) -> Phone:
        return next(phone for phone in self.phones if phone.person.key == person.key)

    def end(self, person: Person) -> tuple[str, str]:
        """Return how a person's run ended, and at which step."""
        found = next(one for one in self.told["people"] if one["external_id"] == person.key)
        return found["outcome"], found["by"]

    def got(self, person: Person, channel: str) -> list[Bubble]:
        """Return what came into a person's chat."""
        return [bubble for bubble in self.phone(person).chats[channel].bubbles if not bubble.mine]

    def line(self, step: str) -> dict[str, Any]:
        """Return a step's line of the report."""
        return next(line for line in self.told["report"]["lines"] if line["id"] == step)


def play(
    folder: Path, cascade: str, people: Sequence[Person], columns: dict[str, Callable[[Person], str]],
    servers: Sequence[str], profile: str, meanwhile: Callable[[Sandbox], None],
) -> Played:  # fmt: skip
    """Run a cascade for `people` to its end; `columns` are those of their file, by their headers."""
    port = free_port()
    config = SandboxConfig(
        people=people, time_factor=FACTOR, kaskad_url=f"http://127.0.0.1:{port}", seed=3,
        profile=read_profile(profile, "test"), servers=servers,
    )  # fmt: skip
    with running(config) as sandbox:
        (folder / "cascade.yaml").write_text(cascade)
        rows = [",".join(cell(person) for cell in columns.values()) for person in people]
        (folder / "people.csv").write_text("\n".join([",".join(columns), *rows, ""]))
        _prepare(folder, sandbox, config.kaskad_url)
        threading.Thread(target=meanwhile, args=(sandbox,), daemon=True).start()
        done = _command(folder, port)
        assert done.returncode == 0, done.stderr
        return Played(json.loads(done.stdout), sandbox.phones)


def _prepare(folder: Path, sandbox: Sandbox, kaskad_url: str) -> None:
    told = sandbox.accounts(kaskad_url)
    for account in told:  # services' own limits hold by a clock that is not faster
        account["limits"] = {"per_second": 100, "burst": 100}
    with (folder / "accounts.yaml").open("w") as file:
        YAML().dump({"accounts": told}, file)
    db = migrated(folder / "kaskad.db")
    with db.write() as tx:  # no quiet hours: the test must pass at any time of day
        settings.put(tx, "policy", Policy.unlimited())
    db.close()


def _command(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
    environment = {**plain, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(
        [sys.executable, "-c", "from kaskad.cli import main; main()", "run", "cascade.yaml", "--people",
         "people.csv", "--time-factor", str(FACTOR), "--listen", f"127.0.0.1:{port}", "--json"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def writes_once_mailed(person: Person, channel: str, text: str) -> Callable[[Sandbox], None]:
    """Return what lets a person write into a chat as soon as they have got a mail."""

    def write(sandbox: Sandbox) -> None:
        phone = next(phone for phone in sandbox.phones if phone.person.key == person.key)
        until = time.monotonic() + PATIENCE_S
        while not phone.mails and time.monotonic() < until:
            time.sleep(0.01)
        sandbox.do(lambda deeds: deeds.write(phone, channel, text))

    return write
