"""Whatever a provider or a stranger says: one of the promised errors, and never a wrong proof."""

import contextlib
import email.policy
import json
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kaskad.domain.cascade import Money
from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import PROVIDERS, provider
from kaskad.providers.base import (
    Account,
    Inbound,
    Outgoing,
    Receipt,
    Request,
    Response,
    retry_after_ms,
    status_error,
)
from kaskad.providers.signatures import check_hmac, check_secret, hmac_hex
from kaskad.providers.smtp import Reply
from kaskad.web import hooks

HTTP = [name for name, each in PROVIDERS.items() if each.transport == "http"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
WORDS = "id name reference message_id recipient channel cost occurred_at error_class machine final text key"
events = st.dictionaries(st.sampled_from(WORDS.split()), values)
named = st.sampled_from(["delivered", "bounced_soft", "clicked", "busy", "no such name"])
bodies = st.one_of(
    st.binary(),
    values.map(lambda value: json.dumps(value).encode()),
    st.lists(st.builds(lambda e, n: {**e, "name": n}, events, named)).map(lambda v: json.dumps(v).encode()),
)


# One example is shown to every provider: drawing it costs far more than reading it.
@given(status=st.integers(200, 599), body=bodies)
def test_any_answer_is_an_acceptance_or_a_send_error(status, body):
    for name in HTTP:
        try:
            PROVIDERS[name].read_response(Response(status, {}, body))
        except SendError as error:
            assert error.accepted is None or (error.accepted is False and 300 <= status < 500), name
            assert (error.accepted is None) == (error.reason is Reason.AMBIGUOUS), name
        else:
            assert 200 <= status < 300, name


@given(body=bodies)
def test_any_webhook_body_is_read_or_refused_with_value_error(body):
    for name in HTTP:
        account = Account(1, "a", name, Channel.SMS)
        with contextlib.suppress(ValueError):
            hook = Request("POST", "https://k.example.org/hooks/1", {}, body)
            PROVIDERS[name].read_webhook(hook, account)


@given(headers=st.dictionaries(st.sampled_from(["x-cascade-timestamp", "x-cascade-signature"]), st.text()))
def test_what_is_not_signed_is_never_believed(headers):
    for name, carrying in PROVIDERS.items():
        account = Account(1, "a", name, Channel.SMS, {}, {"secret": "s"})
        with pytest.raises(BadSignature):
            carrying.verify_webhook(Request("POST", "/", headers, b"{}"), account, 0)


@pytest.mark.parametrize("secret", ["", "secret"])
def test_an_account_without_secret_believes_nobody(secret):
    given_ = hmac_hex("sha256", "", b"x")
    with pytest.raises(BadSignature):
        check_hmac("sha256", secret, b"x", [given_, ""])
    with pytest.raises(BadSignature):
        check_secret(secret, "")


def test_the_signature_is_the_one_that_openssl_makes():
    command = ["openssl", "dgst", "-sha256", "-hmac", "secret", "-hex"]
    made = subprocess.run(command, input=b"v1:1767261600:{}", capture_output=True, check=True).stdout
    assert made.decode().split()[-1] == hmac_hex("sha256", "secret", b"v1:1767261600:{}")


CASES = Path(__file__).parent / "cases"
ACCOUNTS = json.loads((CASES.parent / "accounts.json").read_text())
TOLD = sorted(path.parent.name for path in CASES.glob("*/receipt.json") if path.parent.name in HTTP)
OTHER_BODIES = {
    "nothing": lambda body: b"",
    "five megabytes": lambda body: body + b" " * (5_000_000 - len(body)),
    "five megabytes of brackets": lambda body: b"[" * 5_000_000,
    "nested objects": lambda body: b'{"a":' * 500_000,
    "another encoding": lambda body: body.decode().encode("utf-16"),
    "bytes of no encoding": lambda body: body.replace(b"a", b"\xff\xfe"),
    "zeros": lambda body: body.replace(b"e", b"\0"),
    "half": lambda body: body[: len(body) // 2],
    "twice": lambda body: body + body,
}


def first_report(name):
    """Return a provider, the webhook of its first receipt case, its account and the instant."""
    case = json.loads((CASES / name / "receipt.json").read_text())
    got, chosen = case["webhook"], case.get("account", "one")
    account = msgspec.convert({"id": 1, "name": chosen, "provider": name, **ACCOUNTS[name][chosen]}, Account)
    url = got.get("url", "https://k.example.org/hooks/1")
    hook = Request("POST", url, got["headers"], got["body"].encode(), got.get("key", "").encode())
    return PROVIDERS[name], hook, account, case["now"]


@pytest.mark.parametrize("body", OTHER_BODIES.values(), ids=OTHER_BODIES)
@pytest.mark.parametrize("name", TOLD)
def test_whatever_a_stranger_posts_is_refused_or_kept(name, body):
    """Through the very functions that `/hooks/` calls: neither a failure of ours nor a wait for seconds."""
    carrying, hook, account, now = first_report(name)
    strange = msgspec.structs.replace(hook, body=body(hook.body))
    began = time.process_time()
    with contextlib.suppress(BadSignature):
        hooks.key_wanted(carrying, strange, account)
        hooks.verify(carrying, strange, account, now)
        told, trouble = hooks.read_hook(carrying, strange, account)
        assert trouble is None or told == []
    assert time.process_time() - began < 2.0


ODD = [  # values that a field of a webhook may have all of a sudden
    None, True, -1, 10**30, 2**63, 1e308, "", "x", "9" * 30, "٣", "\0", "1e400", "99999-99-99T00:00:00Z",
    "0001-01-01T00:00:00+14:00", [], {}, [None], {"a": 1},
]  # fmt: skip
READABLE = sorted(
    path
    for path in CASES.glob("*/*.json")
    if path.stem in ("receipt", "inbound", "event") and path.parent.name in HTTP
)


@pytest.mark.parametrize("path", READABLE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_one_odd_value_of_a_webhook_is_refused_or_can_be_kept(path):
    """Whatever is read goes into columns: an instant or a price beyond them would stop the engine's tick."""
    case = json.loads(path.read_text())
    got, chosen, name = case["webhook"], case.get("account", "one"), path.parent.name
    account = msgspec.convert({"id": 1, "name": chosen, "provider": name, **ACCOUNTS[name][chosen]}, Account)
    for body in strange_bodies(got["body"]):
        hook = Request("POST", got.get("url", "https://k.example.org/hooks/1"), got["headers"], body)
        try:
            told = PROVIDERS[name].read_webhook(hook, account)
        except ValueError:
            continue
        for one in told:
            for field in one.__struct_fields__:
                value = getattr(one, field)
                value = value.minor if isinstance(value, Money) else value
                assert not isinstance(value, int | float) or -(2**62) < value < 2**62, (field, body)
                assert not isinstance(value, str) or value.encode() is not None
        PROVIDERS[name].follow_up([one for one in told if isinstance(one, Receipt | Inbound)], account)


def strange_bodies(body):
    """Yield a body as often as it has values, each time with another of them odd."""
    try:
        whole = json.loads(body)
    except ValueError:
        pairs = parse_qsl(body, keep_blank_values=True)
        for place in range(len(pairs)):
            for odd in ODD:
                yield urlencode([*pairs[:place], (pairs[place][0], str(odd)), *pairs[place + 1 :]]).encode()
        return
    for path in list(places(whole))[:120]:
        for odd in ODD:
            yield json.dumps(replaced(whole, path, odd)).encode()


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def replaced(value, path, odd):
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], odd)
    return copy


@pytest.mark.parametrize("name", TOLD)
def test_a_report_told_again_is_the_same_report(name):
    carrying, hook, account, now = first_report(name)
    carrying.verify_webhook(hook, account, now)
    told = carrying.read_webhook(hook, account)
    assert told and told == carrying.read_webhook(hook, account)
    assert all(one.reference or one.provider_id for one in told)  # it is about a message, by one name or both


@pytest.mark.parametrize("name", TOLD)
def test_a_word_that_is_new_to_us_is_kept_and_changes_nothing(name):
    reads = [json.loads(path.read_text())["read"] for path in (CASES / name).glob("*.json")]
    receipts = [
        one["Receipt"] for read in reads if isinstance(read, list) for one in read if "Receipt" in one
    ]
    assert [one for one in receipts if one["kind"] is None and one["raw"]]


def sendgrid_events(count):
    return [{"event": "delivered", "sg_event_id": f"e-{n}", "kaskad": f"ref-{n}"} for n in range(count)]


def sendpulse_events(count):
    return [{"event": "opened", "timestamp": 1_767_261_650, "message_id": n} for n in range(count)]


def unisender_events(count):
    data = [{"status": "sent", "job_id": f"j-{n}", "metadata": {"kaskad": f"ref-{n}"}} for n in range(count)]
    events = [{"event_name": "transactional_email_status", "event_data": one} for one in data]
    return {"events_by_user": [{"events": events[: count // 2]}, {"events": events[count // 2 :]}]}


@pytest.mark.parametrize(
    "name, events",
    [("sendgrid", sendgrid_events), ("sendpulse", sendpulse_events), ("unisender_go", unisender_events)],
)
def test_ten_thousand_reports_in_one_webhook_are_ten_thousand_reports(name, events):
    hook = Request("POST", "https://k.example.org/hooks/1", {}, json.dumps(events(10_000)).encode())
    told = PROVIDERS[name].read_webhook(hook, Account(1, "a", name, Channel.EMAIL))
    assert len({(one.reference, one.provider_id, one.event) for one in told}) == 10_000
    assert {one.kind for one in told} <= {Kind.DELIVERED, Kind.OPENED, Kind.SENT}


@given(st.integers(300, 599))
def test_only_a_status_below_500_proves_that_nothing_was_accepted(status):
    error = status_error(Response(status, {}, b""))
    assert error.accepted is (False if status < 500 and status != 408 else None)


@pytest.mark.parametrize(
    "status, body, reason, accepted",
    [
        (408, b"", Reason.AMBIGUOUS, None),  # a gateway whose service was late says so too
        (409, b"", Reason.AMBIGUOUS, None),  # it is still at the request whose answer was lost
        (409, b'{"error_class": "opted_out"}', Reason.OPTED_OUT, False),
        (421, b"", Reason.TRANSIENT, False),
        (425, b"", Reason.TRANSIENT, False),
    ],
)
def test_a_webhook_s_receiver_that_may_have_taken_a_message_has_not_refused_it(
    status, body, reason, accepted
):
    with pytest.raises(SendError) as raised:
        PROVIDERS["generic_webhook"].read_response(Response(status, {}, body))
    assert (raised.value.reason, raised.value.accepted) == (reason, accepted)


@pytest.mark.parametrize(
    "value, wait",
    [("7", 7_000), ("0", 0), ("", None), ("-1", None), ("soon", None), ("999999999999", 86_400_000),
     ("٣", None), ("Thu, 01 Jan 2026 10:01:00 GMT", 60_000), ("Thu, 01 Jan 2026 09:00:00 GMT", 0)],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms(value, wait):
    headers = {"retry-after": value, "date": "Thu, 01 Jan 2026 10:00:00 GMT"}
    assert retry_after_ms(Response(429, headers, b"")) == wait


MAIL_ACCOUNT = Account(1, "m", "smtp", Channel.EMAIL, {"sender": "Магазин <shop@example.org>"})
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.text(
    'ab\r\n\t\0 :,<>"@', max_size=40
)
EVIL = "a\r\nBcc: eve@example.org\r\n\r\nbody"


@given(subject=texts, name=texts, text=texts, html=texts, reference=texts)
@example(subject=EVIL, name=EVIL, text="", html="", reference=EVIL)
def test_any_text_makes_a_mail_that_reads_back_the_same(subject, name, text, html, reference):
    outgoing = Outgoing(
        reference, "k", Channel.EMAIL, "ann@example.org", 0, subject=subject, text=text, html=html,
        contact_name=name, unsubscribe_url="https://k.example.org/u/" + "t" * 300,
    )  # fmt: skip
    content = provider("smtp").build_mail(outgoing, MAIL_ACCOUNT).content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert not set(b"\r\n\0") & set(content.replace(b"\r\n", b""))
    mail = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert mail["To"].addresses[0].addr_spec == "ann@example.org" and len(mail["To"].addresses) == 1
    assert set(mail.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe",
        "List-Unsubscribe-Post", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted",
    }  # fmt: skip
    bodies = {part.get_content_subtype(): part for part in mail.walk() if not part.is_multipart()}
    for kind, wanted in (("plain", text), ("html", html)):
        if wanted:
            lines = wanted.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
            assert bodies[kind].get_payload(decode=True).decode() == lines
    if subject.isprintable():
        assert mail["Subject"].split() == subject.split()
    assert content.count(b"\r\nList-Unsubscribe: <https://k.example.org/u/ttt") == 1


@pytest.mark.parametrize(
    "to",
    ["", "ann", "ann@", "@example.org", "a>b@example.org", "a b@example.org", "ан@example.org", "a@b..org",
     "a@example.org\r\nRCPT TO:<b@example.org>"],
)  # fmt: skip
def test_an_address_that_breaks_the_envelope_is_refused(to):
    outgoing = Outgoing("r", "k", Channel.EMAIL, to, 0, text="x")
    with pytest.raises(SendError) as caught:
        provider("smtp").build_mail(outgoing, MAIL_ACCOUNT)
    assert caught.value.reason is Reason.INVALID_ADDRESS and caught.value.accepted is False


@given(st.integers(0, 999), texts)
def test_any_reply_of_a_mail_server_is_an_acceptance_or_a_send_error(code, text):
    try:
        provider("smtp").read_reply(Reply(code, text))
    except SendError as error:
        assert not 200 <= code < 300 and error.accepted is False
    else:
        assert 200 <= code < 300
