"""The log keeps events, and nobody's address, body or secret."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from kaskad.log import configure, get_logger


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure("info", "json", stream)
    yield stream
    structlog.reset_defaults()


def test_an_event_is_one_json_line_with_its_keys(out: io.StringIO) -> None:
    get_logger("kaskad.engine.tick").info("message accepted", message="12:7:0", provider="smtp", ms=41)
    event = json.loads(out.getvalue())
    assert event.pop("at").endswith("Z")
    assert event == {
        "event": "message accepted", "level": "info", "part": "engine.tick", "message": "12:7:0",
        "provider": "smtp", "ms": 41,
    }  # fmt: skip


def test_what_is_below_the_level_is_not_written(out: io.StringIO) -> None:
    get_logger("x").debug("tick", runs=1)
    assert out.getvalue() == ""


def test_no_address_body_or_secret_gets_through_however_it_is_passed(out: io.StringIO) -> None:
    marked = "MARKED-5b1"
    log = get_logger("x").bind(api_key=marked)
    log.info("a", body=marked, to=marked, secret_key=marked, bot_token=marked, headers={"a": marked})
    log.info("b", account={"name": "main", "password": marked}, raw=marked.encode())
    log.info("to ann@example.org", detail="550 <ann@example.org>: +77010000001 unknown", url="smtp://u:p@h/")
    try:
        raise ValueError("no mailbox ann@example.org")
    except ValueError as error:
        log.exception("c", problem=error, people=[{"email": marked}, "bob@example.org"])
    for hidden in (marked, "ann@example.org", "bob@example.org", "77010000001", "u:p"):
        assert hidden not in out.getvalue()
    assert "550" in out.getvalue()
    assert "ValueError" in out.getvalue()


def test_on_request_an_event_is_one_readable_line() -> None:
    stream = io.StringIO()
    configure("info", "text", stream)
    get_logger("x").warning("account stopped", account="main")
    structlog.reset_defaults()
    assert "account stopped" in stream.getvalue()
    assert "{" not in stream.getvalue()
