"""What the program says while it runs: events with keys, on standard error.

    log = get_logger(__name__)
    log.info("message accepted", message="12:7:0", provider="smtp", ms=41)

Keys are words of the glossary. Never a body, an address or a secret: what carries such a key is
blanked here as a second line of defence, and so is whatever looks like an e-mail or a phone number.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

HIDDEN = "[hidden]"
PRIVATE = re.compile(
    r"(^|_)(address|addresses|authorization|body|bodies|cookie|credentials|email|headers|html|key|keys|"
    r"password|payload|phone|recipient|say|script|secret|secrets|subject|text|to|token|tokens)$"
)
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\+\d{8,15}\b")
CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def configure(level: str = "info", style: str = "auto", stream: TextIO | None = None) -> None:
    """Send events of `level` and above to `stream` (standard error), as `text` or `json` lines.

    `auto` is text on a terminal and JSON elsewhere. May be called again; the last call counts.
    """
    out = stream if stream is not None else sys.stderr
    as_text = style == "text" or (style == "auto" and out.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            hide_private,
            structlog.dev.ConsoleRenderer(colors=out.isatty())
            if as_text
            else structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger whose events carry the short name of the module that speaks."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name.removeprefix("kaskad."))
    return logger


def hide_private(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the event with bodies, addresses and secrets blanked, also inside nested values."""
    for key, value in event.items():
        event[key] = HIDDEN if PRIVATE.search(key) else _without_addresses(value)
    return event


def _without_addresses(value: object) -> object:
    match value:
        case str():
            return ADDRESS.sub(HIDDEN, CREDENTIALS.sub(f"{HIDDEN}@", value))
        case dict():
            return {k: HIDDEN if PRIVATE.search(str(k)) else _without_addresses(v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_without_addresses(item) for item in value]
        case bytes():
            return f"[{len(value)} bytes]"
        case None | bool() | int() | float():
            return value
    return _without_addresses(str(value))
