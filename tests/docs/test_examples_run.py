"""What pages show of playing, reckoning and pausing a cascade runs as it is written."""

import re
import shlex
from pathlib import Path

import pytest

from kaskad.cli.root import run

ROOT = Path(__file__).parents[2]
CART = (ROOT / "examples/abandoned-cart.yaml").read_text("utf-8").replace("abandoned-cart\n", "cart\n", 1)
SALE = (ROOT / "examples/promo.yaml").read_text("utf-8").replace("spring-sale\n", "sale\n", 1)
EXPECTED = (ROOT / "examples/expectations/abandoned-cart.yaml").read_text("utf-8")
SERVICE = "--provider generic_webhook --set url=http://127.0.0.1:9/x --set secret=for-trying-it-out"
PREPARED = f"""
kaskad init
kaskad account add mail --provider smtp --set host=127.0.0.1 --set sender=shop@example.org --price "0 KZT"
kaskad account add chat {SERVICE} --channel telegram --price "0 KZT"
kaskad account add sms {SERVICE} --channel sms --price "15 KZT"
kaskad account add robot {SERVICE} --channel robot_call --price "30 KZT"
kaskad import {ROOT}/examples/people.csv --list spring-sale
kaskad segment create newcomers --text "contact.name != ''"
kaskad segment create buyers --text "contact.name != ''"
kaskad segment create champions --text "contact.vip == true"
kaskad segment create at-risk --text "contact.vip != true"
kaskad apply cart.yaml --yes
kaskad apply sale.yaml --yes
"""
FIRST = {  # what has happened when somebody gives this command
    "kaskad resume cart --step letter": "kaskad pause cart --step letter",
    "kaskad resume cart": "kaskad pause cart",
    "kaskad pause cart --step sms --skip": "kaskad resume cart --step sms",
    "kaskad apply cart.yaml --canary 5% --canary-people 500 --canary-after 6h": "kaskad canary stop cart",
}
REFUSED = {  # here nothing is held, and nobody has reacted yet
    "kaskad account resume mail": "is not held",
    "kaskad optimize cart.yaml --segment newcomers --write better.yaml": "better.yaml is not written",
}
FEWER = {"--people 50000": "--people 500", "simulate cart.yaml\n": "simulate cart.yaml --people 500\n"}
_LINE = re.compile(r"(?m)^(?:\$ )?(kaskad (?!run )[^#\n]*?) *(?:#.*)?$")


@pytest.fixture
def give(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts = {"cart": CART, "sale": SALE, "expectations": EXPECTED}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")

    def give(command):
        code = run(shlex.split(command)[1:])
        return code, "".join(capsys.readouterr())

    for command in PREPARED.strip().splitlines():
        code, told = give(command)
        assert code == 0, (command, told)
    (tmp_path / "cart.yaml").write_text(CART.replace("is waiting", "waits"), "utf-8")
    return give


@pytest.mark.parametrize("page", ["simulation", "optimisation", "guardrails"])
def test_every_command_of_the_page_runs(page, give):
    text = (ROOT / f"docs/{page}.md").read_text("utf-8")
    for whole, fewer in FEWER.items():
        text = text.replace(whole, fewer)
    lines = _LINE.findall(text)
    assert len(lines) > 2
    for line in lines:
        if line in FIRST:
            assert give(FIRST[line])[0] == 0, line
        code, told = give(f"{line} --yes" if line.startswith("kaskad apply") else line)
        why = REFUSED.get(line)
        assert why in told if why else code == 0, (line, told)
