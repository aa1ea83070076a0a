"""Pixels, links and unsubscribing, as a person, a mail program and a scanner meet them."""

import pytest

from kaskad.domain.errors import Full
from kaskad.web.page import language_of

NOW = 1_790_000_000_000
MESSAGE = (7, 9, 0)
NO_STORE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def link(site, index=0, expires_at=NOW + 86_400_000):
    return "/l/" + site.signer.link(*MESSAGE, index, expires_at)


def unsubscribe(site):
    return "/u/" + site.signer.unsubscribe(*MESSAGE)


def has(answer, headers):
    return {name: answer.headers.get(name) for name in headers} == headers


def test_the_pixel_is_43_bytes_of_gif_and_its_hit_is_kept(site):
    answer = site.call("GET", "/o/" + site.signer.pixel(*MESSAGE), headers={"User-Agent": "Reader/1"})
    assert (answer.status, len(answer.body), answer.body[:6]) == (200, 43, b"GIF89a")
    assert has(answer, {**NO_STORE, "content-type": "image/gif"})
    assert site.intake.told == [("hit", MESSAGE, -1, "GET", "127.0.0.1", "Reader/1")]


def test_the_pixel_comes_for_any_token_and_in_any_trouble(site):
    for token in (
        "x",
        "%00",
        "a" * 1000,
        site.signer.link(*MESSAGE, 0, NOW),
        site.signer.pixel(*MESSAGE) + "A",
    ):
        assert site.call("GET", "/o/" + token).status == 200
    assert site.intake.told == []
    site.intake.error = Full("the disk is full")
    assert site.call("GET", "/o/" + site.signer.pixel(*MESSAGE)).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_leads_where_the_frozen_message_says_and_its_hit_is_kept(site, method):
    answer = site.call(method, link(site) + "?url=https://evil.example.org", headers={"User-Agent": "B"})
    assert answer.status == 302
    assert answer.headers["location"] == (
        "https://shop.example.org/%D0%BA%D0%BE%D1%80%D0%B7%D0%B8%D0%BD%D0%B0?a=1&b=%20"
    )
    assert has(answer, NO_STORE)
    assert "set-cookie" not in answer.headers
    assert site.intake.told == [("hit", MESSAGE, 0, method, "127.0.0.1", "B")]


def test_an_expired_changed_foreign_or_unknown_link_gets_the_neutral_page_and_is_no_click(site):
    good = link(site)
    other = {"A": "B"}.get(good[-1], "A")
    paths = [
        link(site, expires_at=NOW - 7_200_000),
        good[:-1] + other,
        good[:-1],
        "/l/" + site.signer.pixel(*MESSAGE),
        "/l/" + site.signer.unsubscribe(*MESSAGE),
        link(site, index=5),
        "/l/x",
    ]
    answers = [site.call("GET", path) for path in paths]
    assert [answer.status for answer in answers] == [404] * len(paths)
    assert {answer.body for answer in answers} == {answers[0].body}
    assert b"Page not found" in answers[0].body
    assert site.intake.told == []


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "/inside", "//evil.example.org"])
def test_a_link_never_leads_to_anything_but_http(site, url):
    site.intake.links = {(*MESSAGE, 0): url}
    assert site.call("GET", link(site)).status == 404
    assert site.intake.told == []


def test_a_destination_cannot_add_headers(site):
    site.intake.links = {(*MESSAGE, 0): "https://shop.example.org/\r\nSet-Cookie: a=1"}
    answer = site.call("GET", link(site))
    assert "set-cookie" not in answer.headers


def test_the_honeypot_is_kept_as_a_hit_and_leads_nowhere(site):
    assert site.call("GET", link(site, index=-2)).status == 404
    assert site.intake.told[0][:3] == ("hit", MESSAGE, -2)


def test_a_person_gets_the_page_also_when_the_click_cannot_be_kept(site):
    site.intake.error = Full("the disk is full")
    assert site.call("GET", link(site)).status == 302


def test_the_address_behind_a_trusted_proxy_is_the_persons(site):
    headers = {"X-Forwarded-For": "192.0.2.7", "User-Agent": "a" * 2000}
    site.call("GET", link(site), headers=headers)
    assert site.intake.told[0][4] == "192.0.2.7"
    assert len(site.intake.told[0][5]) == 500


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_at_the_unsubscribe_page_changes_nothing(site, method):
    answer = site.call(method, unsubscribe(site))
    assert answer.status == 200
    assert has(answer, NO_STORE)
    assert site.intake.told == []


def test_the_unsubscribe_page_is_russian_or_english_by_the_readers_choice(site):
    russian = site.call("GET", unsubscribe(site), headers={"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"})
    assert 'lang="ru"' in russian.body.decode()
    assert "Отписаться" in russian.body.decode()
    english = site.call("GET", unsubscribe(site), headers={"Accept-Language": "de,en;q=0.5"})
    assert "Unsubscribe?" in english.body.decode()
    assert '<form method="post">' in english.body.decode()


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
    {"Content-Type": "multipart/form-data; boundary=b"},
)


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"List-Unsubscribe=One-Click", URLENCODED), MULTIPART, (b"", {}), (b"\xff=%zz", URLENCODED)],
)
def test_one_click_unsubscribes_answers_200_and_may_be_repeated(site, body, headers):
    for _ in range(2):
        answer = site.call("POST", unsubscribe(site), body, headers)
        assert answer.status == 200
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers
    assert site.intake.told == [("unsubscribe", *MESSAGE, "topic")] * 2


def test_the_pages_buttons_say_what_to_leave(site):
    answer = site.call("POST", unsubscribe(site), b"scope=all", URLENCODED)
    assert b"unsubscribed from everything" in answer.body
    form = b'--b\r\nContent-Disposition: form-data; name="scope"\r\n\r\nadvertising\r\n--b--\r\n'
    site.call("POST", unsubscribe(site), form, {"Content-Type": "multipart/form-data; boundary=b"})
    site.call("POST", unsubscribe(site), b"scope=%D1%87", URLENCODED)
    assert [told[-1] for told in site.intake.told] == ["all", "advertising", "topic"]


def test_the_page_offers_every_level_and_tracking_apart(site):
    shown = site.call("GET", unsubscribe(site)).body.decode()
    scopes = ["topic", "channel", "advertising", "all", "tracking"]
    assert [scope for scope in scopes if f'value="{scope}"' in shown] == scopes
    assert site.intake.told == [], "looking changes nothing"
    for scope in scopes:
        answer = site.call("POST", unsubscribe(site), f"scope={scope}".encode(), URLENCODED)
        assert answer.status == 200 and b"<h1>" in answer.body
    assert site.intake.told == [*(("unsubscribe", *MESSAGE, scope) for scope in scopes[:-1]),
                                ("untrack", MESSAGE[0])]  # fmt: skip
    assert "as it was" in answer.body.decode()


def test_an_unsubscription_that_could_not_be_stored_says_so(site):
    site.intake.error = Full("the disk is full")
    answer = site.call("POST", unsubscribe(site), b"List-Unsubscribe=One-Click", URLENCODED)
    assert answer.status == 503
    assert b"could not be saved" in answer.body


def test_a_forged_unsubscribe_link_gets_the_neutral_page(site):
    for method in ("GET", "POST"):
        for token in ("x", site.signer.pixel(*MESSAGE)):
            assert site.call(method, "/u/" + token).status == 404
    assert site.intake.told == []


def test_a_page_runs_no_script_and_cannot_be_framed(site):
    policy = site.call("GET", unsubscribe(site)).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("RU-ru", "ru"),
        ("en-GB,ru;q=0.9", "en"),
        ("kk-KZ,ru;q=0.8,en;q=0.6", "ru"),
        ("ru;q=0", "en"),
        ("ru;q=x,en;q=0.1", "en"),
        ("ru ; q = 0.3 , *", "ru"),
        (";;,,q=1", "en"),
    ],
)
def test_the_language_is_the_one_that_the_reader_likes_better(accepted, language):
    assert language_of(accepted) == language


def test_a_short_link_is_judged_like_a_long_one_and_its_domain_answers_nothing_else(site):
    answer = site.call("GET", "/s/0aZ45678901", headers={"Host": "s.example.org", "User-Agent": "B"})
    assert (answer.status, answer.headers["location"][:25]) == (302, "https://shop.example.org/")
    assert has(answer, NO_STORE) and site.intake.told == [("hit", MESSAGE, 0, "GET", "127.0.0.1", "B")]
    for code in ("0aZ45678902", "0aZ4567890", "0aZ456789012", "%D1%8F" * 11, "x"):
        assert site.call("GET", f"/s/{code}").status == 404
    paths = ("/", link(site), unsubscribe(site), "/api/v1/events", "/api/openapi.json")
    neutral = site.call("GET", "/s/x", headers={"Host": "s.example.org"})
    for path in paths:
        other = site.call("GET", path, headers={"Host": "S.example.org"})
        assert (other.status, other.body) == (404, neutral.body)
    assert site.call("POST", "/hooks/main", headers={"Host": "s.example.org"}).status == 404
    assert site.call("GET", "/healthz", headers={"Host": "s.example.org"}).status == 200
    assert len(site.intake.told) == 1
