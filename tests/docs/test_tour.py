"""The README's tour, word for word, in an empty folder with a mail server of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from kaskad.sandbox.profile import Delay, MailHabits, default_profile
from kaskad.sandbox.serve import SandboxConfig, running

ROOT = Path(__file__).parents[2]
TOUR = re.findall(r"```sh tour\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
NOBODY = MailHabits(open=Delay(1.0), click=Delay(1.0))  # reacts


@pytest.mark.long
def test_the_tour_of_the_readme_works_word_for_word(tmp_path):
    with running(SandboxConfig(strangers=True, profile=replace(default_profile(), mail=NOBODY))) as sandbox:
        told, code = walk(tmp_path, sandbox.smtp_port)
        mails = {phone.person.email: phone.mails for phone in sandbox.phones}
    assert code == 0, told
    assert set(mails) == {
        "aigerim@example.org", "anna@example.org", "ivan@example.org", "you@example.org",
    }, told  # fmt: skip
    assert [len(got) for got in mails.values()] == [1, 1, 1, 1]
    assert "Good to have you, Aigerim" in mails["aigerim@example.org"][0].text
    assert re.search(r"letter \(email\)\s+3\b", told), told
    assert "letter (email by mail) handed over" in told


def walk(folder, port):
    """Return what the tour prints and its exit code."""
    assert len(TOUR) == 3
    # Only ports and the pause differ: tests run side by side, on busy machines.
    script = "set -eu\n" + "".join(TOUR).replace("port=2525", f"port={port}")
    script = script.replace("kaskad serve &", "kaskad serve --listen 127.0.0.1:0 &").replace(
        "sleep 3", "sleep 8"
    )
    script += "kill $!; wait\n"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
    done = subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env={**environment, "PATH": path, "COLUMNS": "120"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        told, _ = done.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(done.pid, signal.SIGKILL)
        raise
    return told, done.returncode
