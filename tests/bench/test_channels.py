"""`kaskad bench channels` on a small load: what was accepted is what the servers have seen."""

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kaskad.bench import channels
from kaskad.bench.channels import Work, run
from kaskad.bench.table import channels_table, show


@pytest.mark.parametrize("signed", [False, True])
def test_every_message_arrives_by_its_own_protocol(signed: bool) -> None:
    key = generate_private_key(65537, 2048) if signed else None
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() if key else ""
    report = run(Work(messages=300, mails=200, concurrency=8, dkim_key=pem))
    assert [(each.channel, each.refused, each.lost) for each in report.figures] == [
        ("email", 0, 0), ("telegram", 0, 0), ("sms", 0, 0)
    ]  # fmt: skip
    assert [each.messages for each in report.figures] == [264, 364, 364]  # with 64 that warm up
    assert all(each.per_second > 0 and each.ratio > 0 and each.bytes > 50 for each in report.figures)
    assert "email: messages/s" in show(channels_table(report)) and "PRIVATE" not in str(report)


def test_what_no_server_has_seen_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    real = channels.sinks

    class Forgetful(channels.Sinks):
        def stop(self) -> None:
            super().stop()
            self.taken.sms -= 3

    monkeypatch.setattr("kaskad.bench.sinks.Sinks", Forgetful)
    assert channels.sinks is real
    report = run(Work(messages=100, mails=100))
    assert [each.lost for each in report.figures] == [0, 0, 3]


def test_what_is_refused_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_accounts", lambda work, servers: _refusing(work, servers))
    (figure,) = run(Work(messages=100)).figures
    assert (figure.refused, figure.lost) == (figure.messages, 0)


def _refusing(work, servers):  # type: ignore[no-untyped-def]
    from msgspec.structs import replace

    accounts = list(REAL(work, servers))
    yield replace(accounts[2], secrets={})  # SMSC without a password


REAL = channels._accounts
