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

from kaskad.domain.tokens import BEACON, FORM, HONEYPOT, PIXEL

MACHINE_FROM = 5
SUSPECTED_FROM = 2
NEIGHBOUR_MS = 10 * 60_000
BURST_MS = 10_000
BURST_LINKS = 3
BEACON_MS = 30_000  # within which a page that has the snippet tells that it was shown
SECOND_AFTER_MS = 60_000  # a second look from elsewhere counts from here on …
SECOND_UNTIL_MS = 15 * 60_000  # … while a doubtful click holds its run
CROWD = 10  # recipients
CROWD_MS = 60_000

Span = tuple[int, int]  # the first and the last instant


class Actor(StrEnum):
    HUMAN = "human"
    SUSPECTED_MACHINE = "suspected_machine"
    MACHINE = "machine"


class Hit(Struct, frozen=True):
    """One request to a link of a message, to its pixel (PIXEL) or to its honeypot (HONEYPOT).

    BEACON and FORM are what the page told to which a link of the message led.
    """

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
        self.size = 0
        for kind, texts in networks.items():
            for text in texts:
                network = ip_network(text)
                shift = network.max_prefixlen - network.prefixlen
                same = self._kinds.setdefault((network.version, shift), {})
                same[int(network.network_address) >> shift] = kind
                self.size += 1
        self._sizes = sorted(self._kinds, key=lambda size: size[1])

    def kind(self, ip: str) -> str | None:
        """Return the kind of the range that `ip` is in, the narrowest first; None for any other text."""
        try:
            address = ip_address(ip)
        except ValueError:
            return None
        if address.version == 6 and address.ipv4_mapped:
            address = address.ipv4_mapped
        number = int(address)
        for version, shift in self._sizes:
            if version == address.version and (kind := self._kinds[version, shift].get(number >> shift)):
                return kind
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
_proxy = re.compile(r"GoogleImageProxy|YahooMailProxy", re.IGNORECASE).search
_bare = re.compile(r"\s*(?:Mozilla/5\.0)?\s*").fullmatch


class Setting(Struct):
    """What the rules ask besides the hit itself."""

    sent_at: int | None
    ranges: Ranges
    crowded: Mapping[str, Sequence[Span]]
    neighbours: set[Hit]
    burst: set[Hit]
    silent: set[Hit]
    company: set[Hit]


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
    # not the mail services' image proxies, which stand in the same centres
    ("cloud_ip", 2, lambda hit, setting: not _proxied(hit) and setting.ranges.kind(hit.ip) == "cloud"),
    ("scanner_ip", 2, lambda hit, setting: setting.ranges.kind(hit.ip) == "scanner"),
    (
        "crowded_ip",
        4,
        lambda hit, setting: hit.link >= 0 and _within(hit.at, setting.crowded.get(hit.ip, ())),
    ),
    ("no_beacon", 1, lambda hit, setting: hit in setting.silent),
    ("with_visits", 5, lambda hit, setting: hit in setting.company),
)


def classify(
    hits: Sequence[Hit],
    *,
    sent_at: int | None,
    links: int,
    ranges: Ranges = NO_RANGES,
    crowded: Mapping[str, Sequence[Span]] | None = None,
    beaconed: Collection[int] = (),
) -> list[Verdict]:
    """Return a verdict for each of `hits`, which are all those of one message with `links` links.

    `crowded` has the times at which an IP clicked for many recipients (`crowds`), `beaconed` the links whose
    pages tell that they are shown.
    """
    silent = _silent(hits, beaconed)
    setting = Setting(
        sent_at, ranges, crowded or {}, _near_honeypot(hits), _bursts(hits, links), silent, set()
    )
    verdicts = [_verdict(hit, setting) for hit in hits]
    if company := _company(hits, verdicts):
        setting.company = company
        verdicts = [_verdict(hit, setting) for hit in hits]
    if not any(v.actor is Actor.SUSPECTED_MACHINE for v in verdicts):
        return verdicts
    told = [
        (hit, verdict.actor is Actor.HUMAN)
        for hit, verdict in zip(hits, verdicts, strict=True)
        if verdict.actor is not Actor.MACHINE
    ]
    return [
        _confirmed(hit, verdict, told)
        if verdict.actor is Actor.SUSPECTED_MACHINE and hit.link >= 0
        else verdict
        for hit, verdict in zip(hits, verdicts, strict=True)
    ]


def _verdict(hit: Hit, setting: Setting) -> Verdict:
    if hit.link == FORM:  # always a person
        return Verdict(Actor.HUMAN, 0, ())
    found = [(name, points) for name, points, holds in RULES if holds(hit, setting)]
    total = sum(points for _, points in found)
    if total >= MACHINE_FROM:
        actor = Actor.MACHINE
    elif total >= SUSPECTED_FROM:
        actor = Actor.SUSPECTED_MACHINE
    else:
        actor = Actor.HUMAN
    return Verdict(actor, total, tuple(name for name, _ in found))


def _confirmed(click: Hit, verdict: Verdict, told: Iterable[tuple[Hit, bool]]) -> Verdict:
    """Return the verdict on a doubtful click when what else is told is looked at.

    `told` is by no machine; of each whether it surely was a person.
    """
    found = {signal for hit, sure in told if (signal := _second_signal(click, hit, sure))}
    if not found:
        return verdict
    return Verdict(Actor.HUMAN, verdict.points, (*verdict.reasons, *sorted(found)))


def _second_signal(click: Hit, other: Hit, sure: bool) -> str | None:
    """Return what kind of second signal `other` is that a person clicked; None where it is none.

    Two doubtful hits from two places prove nothing: scanners come from many. One of them has to be `sure`.
    """
    later_ms = other.at - click.at
    if other.link == FORM:
        return "then_form" if later_ms >= 0 else None
    if not 0 <= later_ms <= SECOND_UNTIL_MS:
        return None
    if other.link == BEACON:
        return "then_beacon"
    elsewhere = other.ip != click.ip or other.agent != click.agent
    if sure and elsewhere and later_ms > SECOND_AFTER_MS:
        return "then_elsewhere"
    return None


def crowds(clicks: Iterable[tuple[int, int]]) -> list[Span]:
    """Return when an IP clicked for CROWD recipients within CROWD_MS, given its (instant, contact)."""
    ordered = sorted(clicks)
    inside: dict[int, int] = {}
    found: list[Span] = []
    first = 0
    for at, contact_id in ordered:
        inside[contact_id] = inside.get(contact_id, 0) + 1
        while ordered[first][0] < at - CROWD_MS:
            gone = ordered[first][1]
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            first += 1
        if len(inside) >= CROWD:
            began = ordered[first][0]
            if found and began <= found[-1][1]:
                found[-1] = (found[-1][0], at)
            else:
                found.append((began, at))
    return found


def _within(at: int, spans: Iterable[Span]) -> bool:
    return any(first <= at <= last for first, last in spans)


def _proxied(hit: Hit) -> bool:
    """Return whether a mail service's image proxy asks, behind which mostly a person opens the mail."""
    return hit.link == PIXEL and _proxy(hit.agent) is not None


def _silent(hits: Sequence[Hit], beaconed: Collection[int]) -> set[Hit]:
    """Return the clicks to pages that would have told of themselves, and have not."""
    beacons = [hit.at for hit in hits if hit.link in (BEACON, FORM)]
    return {
        hit
        for hit in hits
        if hit.link in beaconed and not any(0 <= at - hit.at <= BEACON_MS for at in beacons)
    }


def _near_honeypot(hits: Sequence[Hit]) -> set[Hit]:
    """Return the clicks, and pages shown, of an IP that also hit the honeypot, ten minutes around it."""
    traps: dict[str, list[int]] = {}
    for hit in hits:
        if hit.link == HONEYPOT:
            traps.setdefault(hit.ip, []).append(hit.at)
    return {
        hit
        for hit in hits
        if (hit.link >= 0 or hit.link == BEACON)
        and any(abs(hit.at - at) <= NEIGHBOUR_MS for at in traps.get(hit.ip, ()))
    }


def _company(hits: Sequence[Hit], verdicts: Sequence[Verdict]) -> set[Hit]:
    """Return the openings from where a machine visited links within ten seconds: it opened the mail too."""
    visits: dict[str, list[int]] = {}
    for hit, verdict in zip(hits, verdicts, strict=True):
        if verdict.actor is Actor.MACHINE and (hit.link >= 0 or hit.link == HONEYPOT):
            visits.setdefault(hit.ip, []).append(hit.at)
    return {
        hit
        for hit in hits
        if hit.link == PIXEL and any(abs(hit.at - at) <= BURST_MS for at in visits.get(hit.ip, ()))
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
