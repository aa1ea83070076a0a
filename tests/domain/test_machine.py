from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from kaskad.domain.machine import (
    BURST_MS,
    MACHINE_FROM,
    NEIGHBOUR_MS,
    RULES,
    SECOND_AFTER_MS,
    SECOND_UNTIL_MS,
    SUSPECTED_FROM,
    Actor,
    Hit,
    Ranges,
    classify,
    crowds,
)
from kaskad.domain.tokens import BEACON, FORM, HONEYPOT, PIXEL

SENT = 1_790_000_000_000
HOUR = 3_600_000
SECOND_SIGNALS = {"then_beacon", "then_form", "then_elsewhere"}  # they count no points
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
CUBOT = (
    "Mozilla/5.0 (Linux; Android 14; CUBOT KINGKONG) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
RANGES = Ranges(
    {
        "relay": ["192.0.2.0/25"],
        "cloud": ["198.51.100.0/24", "2001:db8:1::/48"],
        "scanner": ["203.0.113.128/25"],
    }
)
CALM = Hit(SENT + HOUR, "GET", 0, "203.0.113.7", IPHONE)


def hit(**changes: object) -> Hit:
    return structs.replace(CALM, **changes)


def judge(*hits: Hit, links: int = 6, **more: object):
    return classify(hits, sent_at=SENT, links=links, ranges=RANGES, **more)


def reasons(*hits: Hit, **more: object) -> list[tuple[str, ...]]:
    return [verdict.reasons for verdict in judge(*hits, **more)]


@pytest.mark.parametrize("agent", [IPHONE, CHROME, CUBOT, GMAIL, YAHOO])
@pytest.mark.parametrize("link", [0, PIXEL])
def test_a_person_an_hour_later_is_a_person(agent, link):
    (verdict,) = judge(hit(agent=agent, link=link))
    assert (verdict.actor, verdict.points, verdict.reasons) == (Actor.HUMAN, 0, ())


@pytest.mark.parametrize(
    ("changes", "reason", "points"),
    [
        ({"method": "HEAD"}, "method", 5),
        ({"method": "options"}, "method", 5),
        ({"link": HONEYPOT}, "honeypot", 5),
        ({"agent": PREFETCH}, "scanner_agent", 5),
        ({"agent": "BarracudaCentral"}, "scanner_agent", 5),
        ({"agent": "python-requests/2.32"}, "scanner_agent", 5),
        ({"agent": "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)"}, "scanner_agent", 5),
        ({"agent": "TelegramBot (like TwitterBot)"}, "preview_agent", 5),
        ({"agent": "WhatsApp/2.24.1 A"}, "preview_agent", 5),
        (
            {"agent": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"},
            "preview_agent",
            5,
        ),
        ({"agent": "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)"}, "preview_agent", 5),
        ({"agent": "Mozilla/5.0"}, "bare_agent", 3),
        ({"agent": ""}, "bare_agent", 3),
        ({"at": SENT + 5_000}, "instant", 3),
        ({"at": SENT - 200}, "instant", 3),
        ({"at": SENT + 5_001}, "soon", 1),
        ({"at": SENT + 60_000}, "soon", 1),
        ({"ip": "192.0.2.9"}, "relay_ip", 2),
        ({"ip": "192.0.2.9", "link": PIXEL}, "relay_open", 5),
        ({"ip": "198.51.100.9"}, "cloud_ip", 2),
        ({"ip": "2001:db8:1::7"}, "cloud_ip", 2),
        ({"ip": "::ffff:198.51.100.9"}, "cloud_ip", 2),
        ({"ip": "203.0.113.200"}, "scanner_ip", 2),
    ],
)
def test_each_rule_alone_gives_its_points(changes, reason, points):
    (verdict,) = judge(hit(**changes))
    assert (verdict.reasons, verdict.points) == ((reason,), points)
    expected = Actor.MACHINE if points >= MACHINE_FROM else Actor.SUSPECTED_MACHINE
    assert verdict.actor is (expected if points >= SUSPECTED_FROM else Actor.HUMAN)


def test_a_minute_after_sending_is_not_soon_any_more():
    assert reasons(hit(at=SENT + 60_001)) == [()]


def test_without_an_instant_of_sending_nothing_is_soon():
    assert classify([hit(at=SENT)], sent_at=None, links=1)[0].reasons == ()


def test_apple_s_prefetch_forty_seconds_after_sending_is_a_machine():
    (verdict,) = judge(hit(link=PIXEL, at=SENT + 40_000, ip="192.0.2.9", agent="Mozilla/5.0"))
    assert verdict.actor is Actor.MACHINE


def test_a_gateway_that_presses_every_link_and_the_honeypot_has_no_human_click():
    presses = [hit(link=link, at=SENT + 2 * HOUR + 400 * link, agent=CHROME) for link in range(6)]
    verdicts = judge(*presses, hit(link=HONEYPOT, at=SENT + 2 * HOUR + 2_600, agent=CHROME))
    assert {verdict.actor for verdict in verdicts} == {Actor.MACHINE}
    assert verdicts[0].reasons == ("honeypot_ip", "burst")


def test_the_honeypot_counts_for_its_ip_ten_minutes_both_ways():
    trap = hit(link=HONEYPOT)
    near = [hit(at=CALM.at - NEIGHBOUR_MS), hit(at=CALM.at + NEIGHBOUR_MS)]
    far = [hit(at=CALM.at - NEIGHBOUR_MS - 1), hit(ip="203.0.113.8"), hit(link=PIXEL, at=CALM.at + 60_000)]
    assert reasons(trap, *near, *far)[1:] == [("honeypot_ip",)] * 2 + [()] * 3


def test_who_visits_the_links_like_a_machine_has_opened_the_mail_like_one():
    visits = [hit(link=link, at=CALM.at + 400 * link) for link in (*range(5), HONEYPOT)]
    opening = hit(link=PIXEL, at=CALM.at - 2_000)
    elsewhere, later = hit(link=PIXEL, ip="203.0.113.8"), hit(link=PIXEL, at=CALM.at + 60_000)
    verdicts = judge(*visits, opening, elsewhere, later)
    assert [verdict.actor for verdict in verdicts[6:]] == [Actor.MACHINE, Actor.HUMAN, Actor.HUMAN]
    assert verdicts[6].reasons == ("with_visits",) and verdicts[6].points >= MACHINE_FROM


@pytest.mark.parametrize(
    ("places", "links", "burst"),
    [
        ([0, 1, 2], 6, True),
        ([0, 1], 6, False),
        ([0, 1], 2, True),
        ([0], 1, False),
        ([0, 0, 0], 6, False),
        ([0, 1, PIXEL], 6, False),
    ],
)
def test_three_links_or_all_of_them_within_ten_seconds_are_a_burst(places, links, burst):
    hits = [hit(link=link, at=CALM.at + 5_000 * at) for at, link in enumerate(places)]
    assert reasons(*hits, links=links) == [("burst",) if burst else ()] * len(places)


def test_three_links_in_more_than_ten_seconds_are_a_reader():
    times = [0, BURST_MS // 2, BURST_MS + 1]
    assert reasons(*[hit(link=link, at=CALM.at + at) for link, at in enumerate(times)]) == [()] * 3


def test_a_later_hit_changes_what_is_thought_of_an_earlier_one():
    first = hit(at=SENT + 30_000)
    assert judge(first)[0].actor is Actor.HUMAN
    assert judge(first, hit(link=HONEYPOT, at=SENT + 300_000))[0].actor is Actor.MACHINE


def test_an_ip_that_clicks_for_ten_people_at_once_is_suspected():
    assert reasons(hit(), hit(link=PIXEL), crowded={"203.0.113.7": [(CALM.at, CALM.at)]}) == [
        ("crowded_ip",),
        (),
    ]


def test_an_ip_that_is_none_is_in_no_range():
    assert RANGES.kind("unknown") is None


many_hits = st.lists(
    st.builds(
        Hit,
        at=st.integers(0, 40).map(lambda step: SENT + step * 2_500),
        method=st.sampled_from(["GET", "GET", "HEAD"]),
        link=st.integers(HONEYPOT, 4),
        ip=st.sampled_from(["203.0.113.7", "192.0.2.9"]),
        agent=st.sampled_from([IPHONE, CHROME, "Mozilla/5.0"]),
    ),
    max_size=12,
)


@given(st.data(), many_hits, st.integers(1, 5))
def test_the_order_of_hits_changes_nothing(data, hits, links):
    shuffled = data.draw(st.permutations(hits))
    verdicts = dict(zip(hits, judge(*hits, links=links), strict=True))
    assert judge(*shuffled, links=links) == [verdicts[one] for one in shuffled]


@given(many_hits, many_hits)
def test_more_hits_never_make_a_hit_more_human_but_by_a_second_signal(hits, later):
    before, after = judge(*hits), judge(*hits, *later)
    for one, other in zip(before, after, strict=False):
        assert set(one.reasons) - SECOND_SIGNALS <= set(other.reasons)
        if one.actor is Actor.MACHINE:
            assert other.actor is Actor.MACHINE
        elif other.actor is Actor.HUMAN and one.actor is not Actor.HUMAN:
            assert set(other.reasons) & SECOND_SIGNALS


@given(many_hits, st.integers(1, 5))
def test_a_burst_is_what_any_ten_seconds_hold(hits, links):
    clicks = [one for one in hits if one.link >= 0]
    for one, verdict in zip(hits, judge(*hits, links=links), strict=True):
        windows = [[other for other in clicks if 0 <= other.at - start.at <= BURST_MS] for start in clicks]
        expected = links > 1 and any(
            one in window and len({other.link for other in window}) >= min(3, links) for window in windows
        )
        assert ("burst" in verdict.reasons) == expected


@given(many_hits)
def test_points_and_reasons_agree(hits):
    points = {name: count for name, count, _ in RULES}
    for verdict in judge(*hits):
        assert verdict.points == sum(points.get(reason, 0) for reason in verdict.reasons)
        assert all(reason in points or reason in SECOND_SIGNALS for reason in verdict.reasons)


# Agents as mail programs, gateways and messengers have been seen to send them, an hour after sending.
CAPTURED = {
    GMAIL: Actor.HUMAN,
    YAHOO: Actor.HUMAN,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)": Actor.HUMAN,
    "Microsoft Office/16.0 (Microsoft Outlook 16.0.17328; Pro)": Actor.HUMAN,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0": Actor.HUMAN,
    "Mozilla/5.0 (Linux; Android 14; SM-A546E Build/UP1A) AppleWebKit/537.36 Version/4.0 Chrome/131.0 Mobile "
    "Safari/537.36 Telegram-Android/11.4.2": Actor.HUMAN,
    PREFETCH: Actor.MACHINE,
    "Mozilla/5.0": Actor.SUSPECTED_MACHINE,
    "": Actor.SUSPECTED_MACHINE,
    "TelegramBot (like TwitterBot)": Actor.MACHINE,
    "WhatsApp/2.24.6.77 A": Actor.MACHINE,
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": Actor.MACHINE,
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)": Actor.MACHINE,
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)": Actor.MACHINE,
    "Mozilla/5.0 (compatible; Google-PageRenderer Google (+https://developers.google.com/+/web/snippet/))": (
        Actor.MACHINE
    ),
    "Barracuda Sentinel (EE)": Actor.MACHINE,
    "Mozilla/5.0 (compatible; proofpoint-urlfilter)": Actor.MACHINE,
    "Go-http-client/2.0": Actor.MACHINE,
}


@pytest.mark.parametrize("link", [0, PIXEL])
def test_captured_agents(link):
    assert {agent: judge(hit(agent=agent, link=link))[0].actor for agent in CAPTURED} == CAPTURED


SAFE_LINKS = hit(at=SENT + 2_000, agent=CHROME)  # an ordinary browser's name, two seconds after sending
DOUBTFUL = Actor.SUSPECTED_MACHINE


@pytest.mark.parametrize(
    ("second", "actor", "reason"),
    [
        ({"link": BEACON, "at": SENT + 3_000}, Actor.HUMAN, "then_beacon"),
        ({"link": BEACON, "at": SAFE_LINKS.at + SECOND_UNTIL_MS}, Actor.HUMAN, "then_beacon"),
        ({"link": BEACON, "at": SAFE_LINKS.at + SECOND_UNTIL_MS + 1}, DOUBTFUL, None),
        ({"link": BEACON, "at": SENT + 1_000}, DOUBTFUL, None),
        ({"link": BEACON, "at": SENT + 9_000, "agent": "HeadlessChrome/131"}, DOUBTFUL, None),
        ({"link": FORM, "at": SENT + HOUR}, Actor.HUMAN, "then_form"),
        ({"at": SAFE_LINKS.at + SECOND_AFTER_MS + 1, "ip": "203.0.113.9"}, Actor.HUMAN, "then_elsewhere"),
        ({"at": SAFE_LINKS.at + SECOND_AFTER_MS + 1, "agent": IPHONE}, Actor.HUMAN, "then_elsewhere"),
        ({"at": SAFE_LINKS.at + SECOND_AFTER_MS, "ip": "203.0.113.9"}, DOUBTFUL, None),
        ({"at": SAFE_LINKS.at + SECOND_AFTER_MS + 1, "agent": CHROME}, DOUBTFUL, None),
        ({"at": SENT + 100_000, "ip": "192.0.2.9"}, DOUBTFUL, None),  # as doubtful as the first
        ({"at": SENT + 100_000, "ip": "203.0.113.9", "method": "HEAD"}, DOUBTFUL, None),
    ],
)
def test_a_second_signal_makes_a_person_of_a_doubtful_click(second, actor, reason):
    other = structs.replace(SAFE_LINKS, **{"ip": SAFE_LINKS.ip, **second})
    verdict = judge(SAFE_LINKS, other)[0]
    assert (verdict.actor, verdict.reasons) == (actor, ("instant", *([reason] if reason else [])))


def test_what_a_scanner_s_own_browser_shows_proves_nothing():
    trap = hit(link=HONEYPOT, at=SENT + 1_000, agent=CHROME)
    shown = hit(link=BEACON, at=SENT + 4_000, agent=CHROME)
    assert [verdict.actor for verdict in judge(SAFE_LINKS, trap, shown)] == [Actor.MACHINE] * 3


def test_a_form_is_sent_by_a_person_whatever_else_is_seen():
    assert judge(hit(link=FORM, at=SENT, agent="", ip="192.0.2.9"))[0].actor is Actor.HUMAN


@pytest.mark.parametrize(
    ("shown_after", "links", "found"),
    [
        (None, [0], ("no_beacon",)),
        (30_000, [0], ()),
        (30_001, [0], ("no_beacon",)),
        (None, [1], ()),
        (None, [], ()),
    ],
)
def test_a_page_that_would_tell_and_does_not_is_a_point(shown_after, links, found):
    shown = [] if shown_after is None else [hit(link=BEACON, at=CALM.at + shown_after)]
    assert judge(hit(), *shown, beaconed=links)[0].reasons == found


def test_ten_recipients_within_a_minute_are_a_crowd():
    clicks = [(number * 6_000, number) for number in range(10)]  # 54 s
    assert crowds(clicks) == [(0, 54_000)]
    assert crowds(clicks[:9]) == []
    assert crowds([(at, contact % 9) for at, contact in clicks]) == []  # nine people
    assert crowds([(number * 6_700, number) for number in range(10)]) == []  # 60.3 s
    assert crowds([*clicks, *((at + 3_600_000, who) for at, who in clicks)]) == [
        (0, 54_000),
        (3_600_000, 3_654_000),
    ]


def test_an_image_proxy_in_a_cloud_is_still_a_person():
    assert reasons(hit(ip="198.51.100.9", link=PIXEL, agent=GMAIL)) == [()]
    assert reasons(hit(ip="198.51.100.9", agent=GMAIL)) == [("cloud_ip",)]
