"""UTM parameters on links, and what is wrong with letters."""

import pytest

from kaskad.domain.cascade import Content, Utm
from kaskad.domain.content import LinkMaker, compile_content
from kaskad.domain.definition import load, to_cascade
from kaskad.domain.letter import faults
from kaskad.domain.policy import Brand, LinkParameters, Policy
from kaskad.domain.terms import Channel
from kaskad.domain.tokens import Signer
from kaskad.domain.utm import compile_utm, utm_of

SIGNER = Signer([(1, b"s" * 32)])
CAMPAIGN, CONTENT = "{{ cascade }}-{{ contact.city }}", "{{ step }} {{ channel }}"
TOLD = Utm((("source", "kaskad"), ("campaign", CAMPAIGN), ("content", CONTENT)), ("example.org",))


def links(html, base, **contact):
    utm = compile_utm(TOLD, "t", cascade="cart", step="one", channel="email", variant="")
    compiled = compile_content(Content(subject="s", html=html), Channel.EMAIL, utm=utm)
    maker = LinkMaker(SIGNER, base, 1, 1, 0, 10**12)
    return compiled.render({"contact": contact}, maker)


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("https://example.org/a", "https://example.org/a?utm_source=kaskad&utm_content=one%20email"),
        (
            "https://shop.example.org/a?b=1#c",
            "https://shop.example.org/a?b=1&utm_source=kaskad&utm_content=one%20email#c",
        ),
        (
            "https://example.org/?utm_source=own",
            "https://example.org/?utm_source=own&utm_content=one%20email",
        ),
        ("https://notexample.org/", "https://notexample.org/"),
        ("https://example.com/", "https://example.com/"),
    ],
)
def test_links_of_the_shop_get_what_they_lack(url, becomes):
    html = f'<a href="{url}">x</a> <a href="mailto:a@example.org">m</a> <a href="#top">t</a>'
    assert links(html, "https://go.example.org").links == (becomes,)
    assert becomes.replace("&", "&amp;") in links(html, "").html, "also where links are not tracked"


def test_a_person_without_a_city_has_no_campaign_and_unsubscribing_stays_as_it_is():
    html = '<a href="https://example.org/">x</a> <a href="{{ unsubscribe_url }}">leave</a>'
    told = links(html, "https://go.example.org", city="Алматы")
    assert "utm_campaign=cart-%D0%90%D0%BB%D0%BC%D0%B0%D1%82%D1%8B" in told.links[0] and len(told.links) == 1
    assert 'href="https://go.example.org/u/' in told.html and "utm_" not in told.html


def test_a_definition_says_so():
    text = """
cascade: a
class: service
trigger: {event: e}
goal: {event: g}
utm: {source: kaskad, medium: "{{ channel }}", domains: [shop.example.org]}
steps: [{id: one, channel: sms, text: hi}]
"""
    loaded = load(text, name="t")
    assert loaded.cascade is not None
    assert loaded.cascade.utm == Utm(
        (("source", "kaskad"), ("medium", "{{ channel }}")), ("shop.example.org",)
    )
    wrong = load(text.replace("shop.example.org", "https://shop.example.org"), name="t")
    assert ["is no domain" in problem.message for problem in wrong.errors] == [True]


def test_styles_of_a_step_s_own_letter_are_put_at_their_elements():
    told = links(
        "<html lang='en'><head><style>p { color: red }</style></head><body><p>x</p></body></html>", ""
    )
    assert '<p style="color: red;">x</p>' in told.html


@pytest.mark.parametrize(
    ("html", "told", "grave"),
    [
        ("<p onclick='x()'>a</p>", "`onclick`", True),
        ("<script>x</script>", "<script>", True),
        ("<FORM action='x'></FORM>", "<form>", True),
        ("<a href='javascript:x'>a</a>", "javascript:", True),
        ("<img src='a'><img src='b' alt='b'><img src='c'>", "2 pictures have no `alt`", False),
        ("<html><body></body></html>", "names no language", False),
    ],
)
def test_what_harms_a_letter_is_told(html, told, grave):
    (fault,) = faults(html)
    assert told in fault.message and fault.grave is grave


def test_a_good_letter_has_no_faults():
    good = '<html lang="ru"><!-- <script> --><img src="{{ x }}" alt=""><a href="{{ y }}">leave</a></html>'
    assert list(faults(good)) == []


def test_each_parameter_is_that_of_the_step_or_cascade_or_brand_or_policy():
    policy = Policy(
        utm=LinkParameters(source="kaskad", medium="{{ channel }}", term="t", domains=("example.org",)),
        brands=(Brand("kz", utm=LinkParameters(source="kz", domains=("example.com",))),),
    )
    text = """cascade: c
class: transactional
trigger: {event: e}
steps:
  - {id: one, channel: sms, text: a}
  - {id: two, channel: sms, text: b, utm: {medium: own, campaign: none, term: none}}
"""
    plain = to_cascade(text, name="x")
    told = to_cascade(text + "brand: kz\nutm: {campaign: spring}\n", name="x")
    other = utm_of(policy, plain, plain.steps[0])
    assert other == Utm((("source", "kaskad"), ("medium", "{{ channel }}"), ("term", "t")), ("example.org",))
    first, second = [utm_of(policy, told, step) for step in told.steps]
    assert first is not None and first.domains == ("example.com",)
    assert dict(first.parameters) == {
        "source": "kz", "medium": "{{ channel }}", "campaign": "spring", "term": "t"
    }  # fmt: skip
    assert second is not None and dict(second.parameters) == {"source": "kz", "medium": "own"}
    assert utm_of(Policy(), plain, plain.steps[0]) is None
