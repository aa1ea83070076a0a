"""Who opened and clicked: a person, or a machine that reads the mail first. The points: domain rules, 2.3.

A pure function of all hits of a message: a later hit can change what is thought of an earlier one, and
the order in which they are given changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from ipaddress import ip_address, ip_network

from msgspec import Struct

from kaskad.domain.tokens import HONEYPOT, PIXEL

MACHINE_FROM = 5
SUSPECTED_FROM = 2
NEIGHBOUR_MS = 10 * 60_000
BURST_MS = 10_000
BURST_LINKS = 3


class Actor(StrEnum):
    HUMAN = "human"
    SUSPECTED_MACHINE = "suspected_machine"
    MACHINE = "machine"


class Hit(Struct, frozen=True):
    """One request to a link of a message, to its pixel (PIXEL) or to its honeypot (HONEYPOT)."""

    at: int
    method: str
    link: int
    ip: str
    agent: str


class Verdict(Struct, frozen=True):
    actor: Actor
    points: int
    reasons: tuple[str, ...]


class Ranges:
    """Addresses of machines by kind ("relay": Apple's, "cloud", "scanner"), given as networks in CIDR."""

    def __init__(self, networks: Mapping[str, Iterable[str]]) -> None:
        self._kinds: dict[tuple[int, int], dict[int, str]] = {}
        for kind, texts in networks.items():
            for text in texts:
                network = ip_network(text)
                shift = network.max_prefixlen - network.prefixlen
                same = self._kinds.setdefault((network.version, shift), {})
                same[int(network.network_address) >> shift] = kind

    def kind(self, ip: str) -> str | None:
        """Return the kind of the range that `ip` is in, the narrowest first; None for any other text."""
        try:
            address = ip_address(ip)
        except ValueError:
            return None
        if address.version == 6 and address.ipv4_mapped:
            address = address.ipv4_mapped
        for version, shift in sorted(self._kinds, key=lambda size: size[1]):
            if version == address.version and (int(address) >> shift) in self._kinds[version, shift]:
                return self._kinds[version, shift][int(address) >> shift]
        return None


NO_RANGES = Ranges({})

# Patterns with where they are documented or seen. Gmail's and Yahoo's image proxies (GoogleImageProxy,
# YahooMailProxy) are missing on purpose: behind them mostly a person opens the mail.
SCANNERS = (
    # Gmail's prefetch, as documented by bird.com ("gmail-prefetching-images")
    r"Chrome/42\.0\.2311\.135 Safari/537\.36 Edge/12\.246 Mozilla/5\.0",
    # Names that gateways give where they name themselves at all; seen in public lists of click filters
    r"barracuda|proofpoint|mimecast|ironport|fireeye|forcepoint|fortimail|sophos|symantec|trend ?micro",
    r"safelinks|microsoft-urlanalyzer|urlscan|kaspersky|zerofox",
    # https://github.com/monperrus/crawler-user-agents
    r"googlebot|bingbot|yandex(?:bot|images|mobilebot)|mail\.ru_bot|baiduspider|slurp|duckduckbot|ia_archiver",
    r"headlesschrome|phantomjs|python-(?:requests|urllib)|aiohttp/|httpx/|curl/|wget|go-http-client",
    r"libwww-perl|apache-httpclient|java/\d|axios/|node-fetch|httrack|nutch",
    r"(?<!cu)bot\b|crawler|spider\b|scanner\b",  # CUBOT makes phones
)
PREVIEWS = (
    r"telegrambot",  # also calls itself "like TwitterBot"
    r"^whatsapp/",
    r"facebookexternalhit|facebot|meta-externalagent",  # https://developers.facebook.com/docs/sharing/webmasters/web-crawlers
    r"vkshare",  # http://vk.com/dev/Share
    r"twitterbot|slackbot|slack-imgproxy|discordbot|linkedinbot|pinterestbot|redditbot",
    r"skypeuripreview|odklbot|google-pagerenderer|googlemessages|applebot",
)
_scanner = re.compile("|".join(SCANNERS), re.IGNORECASE).search
_preview = re.compile("|".join(PREVIEWS), re.IGNORECASE).search
_bare = re.compile(r"\s*(?:Mozilla/5\.0)?\s*").fullmatch


class Setting(Struct):
    """What the rules ask besides the hit itself."""

    sent_at: int | None
    ranges: Ranges
    crowded: Collection[str]
    neighbours: set[Hit]
    burst: set[Hit]


def _after(hit: Hit, setting: Setting, low_ms: float, high_ms: int) -> bool:
    """Return whether the hit came within (low, high] after sending."""
    return setting.sent_at is not None and low_ms < hit.at - setting.sent_at <= high_ms


# What each rule is called, how much it counts, and when it holds.
RULES: tuple[tuple[str, int, Callable[[Hit, Setting], object]], ...] = (
    ("method", 5, lambda hit, _: hit.method.upper() in ("HEAD", "OPTIONS")),
    ("honeypot", 5, lambda hit, _: hit.link == HONEYPOT),
    ("honeypot_ip", 5, lambda hit, setting: hit in setting.neighbours),
    ("scanner_agent", 5, lambda hit, _: not _preview(hit.agent) and _scanner(hit.agent)),
    ("preview_agent", 5, lambda hit, _: _preview(hit.agent)),
    ("bare_agent", 3, lambda hit, _: _bare(hit.agent)),
    ("burst", 4, lambda hit, setting: hit in setting.burst),
    # also before: a fast machine is here sooner than the provider's answer
    ("instant", 3, lambda hit, setting: _after(hit, setting, float("-inf"), 5_000)),
    ("soon", 1, lambda hit, setting: _after(hit, setting, 5_000, 60_000)),
    ("relay_open", 5, lambda hit, setting: hit.link == PIXEL and setting.ranges.kind(hit.ip) == "relay"),
    ("relay_ip", 2, lambda hit, setting: hit.link != PIXEL and setting.ranges.kind(hit.ip) == "relay"),
    ("cloud_ip", 2, lambda hit, setting: setting.ranges.kind(hit.ip) == "cloud"),
    ("scanner_ip", 2, lambda hit, setting: setting.ranges.kind(hit.ip) == "scanner"),
    ("crowded_ip", 4, lambda hit, setting: hit.link >= 0 and hit.ip in setting.crowded),
)


def classify(
    hits: Sequence[Hit],
    *,
    sent_at: int | None,
    links: int,
    ranges: Ranges = NO_RANGES,
    crowded: Collection[str] = (),
) -> list[Verdict]:
    """Return a verdict for each of `hits`, which are all those of one message with `links` links.

    `crowded` are the IP addresses that clicked for ten recipients or more within a minute.
    """
    setting = Setting(sent_at, ranges, crowded, _near_honeypot(hits), _bursts(hits, links))
    return [_verdict(hit, setting) for hit in hits]


def _verdict(hit: Hit, setting: Setting) -> Verdict:
    found = [(name, points) for name, points, holds in RULES if holds(hit, setting)]
    total = sum(points for _, points in found)
    if total >= MACHINE_FROM:
        actor = Actor.MACHINE
    elif total >= SUSPECTED_FROM:
        actor = Actor.SUSPECTED_MACHINE
    else:
        actor = Actor.HUMAN
    return Verdict(actor, total, tuple(name for name, _ in found))


def _near_honeypot(hits: Sequence[Hit]) -> set[Hit]:
    """Return the clicks of an IP that also hit the honeypot, ten minutes around it."""
    traps: dict[str, list[int]] = {}
    for hit in hits:
        if hit.link == HONEYPOT:
            traps.setdefault(hit.ip, []).append(hit.at)
    return {
        hit
        for hit in hits
        if hit.link >= 0 and any(abs(hit.at - at) <= NEIGHBOUR_MS for at in traps.get(hit.ip, ()))
    }


def _bursts(hits: Sequence[Hit], links: int) -> set[Hit]:
    """Return the clicks that within ten seconds went to three links, or to all of two or more."""
    if links < 2:
        return set()
    wanted = min(links, BURST_LINKS)
    clicks = sorted((hit for hit in hits if hit.link >= 0), key=lambda hit: hit.at)
    inside: dict[int, int] = {}  # how often each link was hit in the ten seconds up to `last`
    found: set[Hit] = set()
    first = 0
    marked = 0
    for last, hit in enumerate(clicks):
        inside[hit.link] = inside.get(hit.link, 0) + 1
        while clicks[first].at < hit.at - BURST_MS:
            gone = clicks[first].link
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            first += 1
        if len(inside) >= wanted:
            found.update(clicks[max(first, marked) : last + 1])
            marked = last + 1
    return found
