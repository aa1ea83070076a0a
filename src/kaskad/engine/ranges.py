"""Where machines come from: the lists that come with Kaskad, and the files that their owners publish.

Apple's, Google's, Amazon's, Microsoft's and Oracle's lists are read as they are published; any other list is
one network a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

import msgspec

from kaskad.domain.errors import Invalid
from kaskad.domain.machine import Ranges
from kaskad.domain.worded import worded, wording
from kaskad.store.sites import RangeList

KINDS = ("relay", "cloud", "scanner")
MOST = 1_000_000  # networks of one file
_TOLD = 10  # problems of one file
_network = re.compile(r"[0-9a-fA-F.:]+(?:/[0-9]{1,3})?").fullmatch
_KEYS = ("ip_prefix", "ipv6_prefix", "ipv4Prefix", "ipv6Prefix", "cidr")


@cache
def starters() -> tuple[RangeList, ...]:
    """Return the lists that come with Kaskad: few networks, each list with its source and day."""
    found = []
    for file in sorted(files("kaskad.engine.ranges_data").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".json"):
            told = msgspec.json.decode(file.read_bytes())
            found.append(msgspec.convert({**told, "size": len(told["networks"])}, RangeList))
    return tuple(found)


def read_ranges(lists: Iterable[RangeList]) -> Ranges:
    """Return the ranges of all lists; where two have the same network, the later list tells its kind."""
    networks: dict[str, list[str]] = {}
    for one in lists:
        networks.setdefault(one.kind, []).extend(one.networks)
    return Ranges(networks)


def read_file(body: bytes) -> tuple[str, ...]:
    """Return the networks that a file lists, united where they touch; raises Invalid with its problems."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid([worded("The file is no text in UTF-8: a list of networks is expected.")]) from None
    told = _of_json(text) if text.lstrip()[:1] in ("{", "[") else _of_lines(text)
    four: list[IPv4Network] = []
    six: list[IPv6Network] = []
    problems: list[str] = []
    for where, word in told:
        try:
            network = ip_network(word, strict=False)
        except ValueError:
            problems.append(
                worded(
                    "%(where)s: %(word)r is no network like 192.0.2.0/24 or 2001:db8::/32.",
                    where=where,
                    word=word[:60],
                )
            )
            if len(problems) >= _TOLD:
                break
            continue
        if network.prefixlen < 8:
            problems.append(
                worded("%(where)s: %(word)s is a large part of the whole internet.", where=where, word=word)
            )
        elif isinstance(network, IPv4Network):
            four.append(network)
        else:
            six.append(network)
    if problems:
        raise Invalid(problems)
    if not four and not six:
        raise Invalid([worded("The file lists no network.")])
    if len(four) + len(six) > MOST:
        raise Invalid([worded("The file lists over %(most)s networks.", most=f"{MOST:,}")])
    return tuple(map(str, [*collapse_addresses(four), *collapse_addresses(six)]))


def _of_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield the first cell of each line; a head and what stands behind "#" are passed over."""
    for number, line in enumerate(text.splitlines(), 1):
        word = re.split(r"[,;\s]", line.partition("#")[0].strip(), maxsplit=1)[0].strip('"')
        if word and (number > 1 or _network(word)):
            yield worded("line %(number)s", number=number), word


def _of_json(text: str) -> Iterator[tuple[str, str]]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(
            [worded("The file is not JSON that can be read: %(error)s", error=wording(error))]
        ) from None
    rest: list[tuple[str, Any]] = [("", value)]
    while rest:
        where, part = rest.pop()
        if isinstance(part, dict):
            for name, inner in part.items():
                at = f"{where}/{name}"
                if name in _KEYS and isinstance(inner, str):
                    yield at, inner
                elif name == "addressPrefixes" and isinstance(inner, list):
                    yield from ((at, str(word)) for word in inner)
                elif isinstance(inner, dict | list):
                    rest.append((at, inner))
        elif isinstance(part, list):
            for number, inner in enumerate(part):
                if isinstance(inner, str):
                    yield f"{where}/{number}", inner
                elif isinstance(inner, dict | list):
                    rest.append((f"{where}/{number}", inner))
