"""A provider that says it takes a deadline hands it on: a message lives as long as its step waits."""

import json
from pathlib import Path

import msgspec
import pytest

from kaskad.domain.terms import Channel
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account, Outgoing

HERE = Path(__file__).parent
ACCOUNTS = json.loads((HERE / "accounts.json").read_text())
TAKING = sorted(name for name, one in PROVIDERS.items() if one.capabilities.ttl)
HOUR_MS = 3_600_000


def sent(name, valid_for_ms):
    """Return the request of the provider's own accepted case, with another deadline."""
    provider = PROVIDERS[name]
    for file in sorted((HERE / "cases" / name).glob("*.json")):
        case = json.loads(file.read_text("utf-8"))
        if "message" not in case or "accepted" not in case["covers"]:
            continue
        kept = ACCOUNTS[name][case.get("account", "one")]
        account = msgspec.convert({"id": 1, "name": "one", "provider": name, **kept}, Account)
        told = {"channel": account.channel.value, "reference": "r", "key": "k", "at": 1_780_315_200_000}
        outgoing = msgspec.convert({**told, **case["message"], "valid_for_ms": valid_for_ms}, Outgoing)
        if hasattr(provider, "build_parts"):
            return msgspec.structs.astuple(provider.build_parts(outgoing, account)[0])
        return provider.build_request(outgoing, account)
    raise AssertionError(f"{name} has no accepted case")


def plain(value):
    """Return what two requests can be compared by."""
    return {**value.headers, "body": value.body} if hasattr(value, "headers") else value


@pytest.mark.parametrize("name", TAKING)
def test_a_deadline_changes_the_request(name):
    short, long, none = (sent(name, ms) for ms in (HOUR_MS // 2, 2 * HOUR_MS, 0))
    if name == "webpush":  # the body is encrypted anew each time: the deadline is a header
        assert short.headers["TTL"] == "1800" and long.headers["TTL"] == "7200"
        return
    assert plain(short) != plain(long)
    assert plain(long) != plain(none)


def test_most_channels_with_a_cost_have_one():
    channels = {channel for name in TAKING for channel in PROVIDERS[name].channels}
    assert {Channel.SMS, Channel.PUSH} <= channels
