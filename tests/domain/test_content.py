from __future__ import annotations

import re

import pytest

from kaskad.domain.cascade import Button, Content, Variant
from kaskad.domain.content import LinkMaker, Rendered, compile_content
from kaskad.domain.template import BadTemplate, MissingVariable, RenderError
from kaskad.domain.terms import Channel
from kaskad.domain.tokens import HONEYPOT, Signer

NOW = 1_790_000_000_000
signer = Signer([(1, b"k" * 32)])
tracked = LinkMaker(signer, "https://t.example", 11, 22, 3, NOW)
bare = LinkMaker(signer, "", 11, 22, 3, NOW)
SCOPE = {
    "contact": {"name": "Ив<b>", "zip": "05 00"},
    "trigger": {
        "cart_url": "https://shop.example/cart?a=1&b=2",
        "lines": ["Чай", "Сыр"],
        "bad": "javascript:alert(1)",
    },
    "steps": {"letter": {"sent": True}},
}
LETTER = """<html><body><h1>Привет, {{ contact.name }}</h1>
{% if steps.letter.sent %}<p>Это второе письмо</p>{% endif %}
<p><a href="https://shop.example/a?x=1&amp;y=2">Акция</a>
<A class='b' HREF='{{ trigger.cart_url }}'>Корзина</A>
<a href="https://shop.example/city/{{ contact.zip | url_encode }}">Город</a></p>
<p><a href="mailto:shop@example.org">Почта</a> <a href="tel:+15005550006">Звонок</a> <a href="#top">Вверх</a>
<a href="{{ unsubscribe_url }}">Отписаться</a></p>
<table>{% for line in trigger.lines %}<tr><td>{{ line }}</td></tr>{% endfor %}</table></body></html>"""
DESTINATIONS = (
    "https://shop.example/a?x=1&y=2",
    "https://shop.example/cart?a=1&b=2",
    "https://shop.example/city/05+00",
)


def render(
    content: Content, channel: Channel = Channel.SMS, links: LinkMaker = tracked, **more: object
) -> Rendered:
    return compile_content(content, channel).render({**SCOPE, **more}, links)


def letter(links: LinkMaker = tracked, **more: object) -> Rendered:
    return render(Content(subject="Для {{ contact.name }}", html=LETTER), Channel.EMAIL, links, **more)


def hrefs(html: str) -> list[str]:
    return [
        double or single for double, single in re.findall(r"""href=(?:"([^"]*)"|'([^']*)')""", html, re.I)
    ]


def test_every_web_link_of_a_letter_is_tracked_and_no_other():
    rendered = letter()
    assert rendered.links == DESTINATIONS
    *links, mail, phone, top, leave, honeypot = hrefs(rendered.html)
    assert links == [tracked.url(0), tracked.url(1), tracked.url(2)]
    assert (mail, phone, top) == ("mailto:shop@example.org", "tel:+15005550006", "#top")
    assert leave == tracked.unsubscribe()
    assert honeypot == tracked.honeypot()


def test_a_link_s_token_leads_back_to_its_place_in_the_message():
    rendered = letter()
    for index, destination in enumerate(rendered.links):
        token = tracked.url(index).removeprefix("https://t.example/l/")
        assert signer.read_link(token, NOW) == (11, 22, 3, index)
        assert destination == DESTINATIONS[index]
    honeypot = tracked.honeypot().removeprefix("https://t.example/l/")
    assert signer.read_link(honeypot, NOW)[3] == HONEYPOT


def test_without_a_base_url_links_lead_straight_to_their_destination():
    source = LETTER.replace("{{ unsubscribe_url }}", "https://shop.example/leave")
    rendered = render(Content(html=source), Channel.EMAIL, bare)
    assert hrefs(rendered.html)[:2] == [
        "https://shop.example/a?x=1&amp;y=2",
        "https://shop.example/cart?a=1&amp;b=2",
    ]
    assert rendered.links == ()
    assert "<img" not in rendered.html and "aria-hidden" not in rendered.html


def test_the_pixel_stands_before_the_end_of_the_body_and_only_where_allowed():
    assert letter().html.endswith(
        f'<img src="{tracked.open_pixel()}" width="1" height="1" alt="" '
        'style="display:block;width:1px;height:1px;border:0"></body></html>'
    )
    silent = LinkMaker(signer, "https://t.example", 11, 22, 3, NOW, pixel=False)
    assert "<img" not in letter(silent).html
    assert silent.honeypot() in letter(silent).html


def test_the_honeypot_is_hidden_and_not_in_the_text_part():
    rendered = letter()
    found = re.search(rf'<a href="{re.escape(tracked.honeypot())}"[^>]*>', rendered.html)
    assert found and 'aria-hidden="true"' in found[0] and 'tabindex="-1"' in found[0]
    assert tracked.honeypot() not in rendered.text
    assert tracked.open_pixel() not in rendered.text


def test_a_text_part_is_made_of_the_html_with_the_same_links():
    assert letter().text == (
        "Привет, Ив<b>\n\nЭто второе письмо\n\n"
        f"Акция ({tracked.url(0)}) Корзина ({tracked.url(1)}) Город ({tracked.url(2)})\n\n"
        "Почта (mailto:shop@example.org) Звонок (tel:+15005550006) Вверх "
        f"Отписаться ({tracked.unsubscribe()})\n\nЧай\nСыр\n"
    )


def test_a_text_part_that_is_given_is_kept():
    rendered = render(Content(html=LETTER, text="Коротко: {{ link(trigger.cart_url) }}"), Channel.EMAIL)
    assert rendered.text == f"Коротко: {tracked.url(0)}"


def test_values_are_escaped_in_html_alone():
    rendered = letter()
    assert "<h1>Привет, Ив&lt;b&gt;</h1>" in rendered.html
    assert rendered.subject == "Для Ив<b>"


def test_a_subject_stays_one_line_whatever_the_name_holds():
    assert (
        letter(contact={"name": "x\r\nBcc: all@example.org", "zip": ""}).subject
        == "Для x Bcc: all@example.org"
    )


def test_a_button_leads_through_a_tracked_link_and_a_reply_does_not():
    buttons = (Button("Оформить", url="{{ trigger.cart_url }}"), Button("Стоп", reply="stop"))
    rendered = render(Content(text="{{ link(trigger.cart_url) }}", buttons=buttons), Channel.TELEGRAM)
    assert rendered.buttons == (Button("Оформить", tracked.url(0)), Button("Стоп", "", "stop"))
    assert rendered.text == tracked.url(0)
    assert rendered.links == ("https://shop.example/cart?a=1&b=2",)


@pytest.mark.parametrize(
    "source", ['<a href="{{ link(trigger.cart_url) }}">x</a>', '<a href="{{ trigger.cart_url }}">x</a>']
)
def test_no_link_is_tracked_twice(source):
    assert render(Content(html=source), Channel.EMAIL).links == ("https://shop.example/cart?a=1&b=2",)


@pytest.mark.parametrize(
    "place", [{"text": "{{ link(trigger.bad) }}"}, {"html": '<a href="{{ trigger.bad }}">x</a>'}]
)
@pytest.mark.parametrize("links", [tracked, bare])
def test_a_destination_that_is_no_web_address_stops_the_message(place, links):
    with pytest.raises(RenderError, match="not a web address"):
        render(Content(**place), Channel.EMAIL, links)


def test_a_button_drawn_for_outlook_is_tracked_too():
    source = '<!--[if mso]><v:roundrect xmlns:v="urn:x" href="https://shop.example/o" style="x"><![endif]-->'
    assert render(Content(html=source, text="x"), Channel.EMAIL).links == ("https://shop.example/o",)


def test_a_stylesheet_is_no_link():
    source = '<link rel="stylesheet" href="https://shop.example/s.css"><p>x</p>'
    assert render(Content(html=source), Channel.EMAIL).links == ()


def test_a_variant_says_its_own_and_keeps_the_rest():
    content = Content(subject="Тема", text="база")
    compiled = compile_content(content, Channel.EMAIL, Variant("b", 50, Content(text="вариант")))
    rendered = compiled.render(SCOPE, tracked)
    assert (rendered.subject, rendered.text) == ("Тема", "вариант")


def test_calls_take_what_is_spoken():
    content = Content(text="не это", say="Здравствуйте", script="Спросите о {{ trigger.cart_url }}")
    assert render(content, Channel.ROBOT_CALL) == Rendered(say="Здравствуйте")
    assert render(content, Channel.AGENT_CALL).script == f"Спросите о {SCOPE['trigger']['cart_url']}"


def test_the_names_that_content_reads_leave_out_ours():
    compiled = compile_content(Content(subject="{{ contact.name }}", html=LETTER), Channel.EMAIL)
    assert compiled.variables == {
        "contact.name",
        "contact.zip",
        "trigger.cart_url",
        "trigger.lines",
        "steps.letter.sent",
    }


def test_a_missing_variable_stops_the_message():
    with pytest.raises(MissingVariable, match=r"contact\.surname"):
        render(Content(text="{{ contact.surname }}"))


@pytest.mark.parametrize(
    ("content", "channel", "what"),
    [
        (Content(), Channel.SMS, "nothing to say"),
        (Content(subject="x"), Channel.EMAIL, "nothing to say"),
        (Content(text="x"), Channel.ROBOT_CALL, "nothing to say"),
        (Content(template="cart"), Channel.EMAIL, "no template 'cart'"),
        (Content(mjml="<mjml/>"), Channel.EMAIL, "MJML"),
        (Content(text="{{ x"), Channel.SMS, "step.text"),
        (Content(html="{% if x %}"), Channel.EMAIL, "step.html"),
    ],
)
def test_content_that_cannot_be_sent_is_refused_when_compiled(content, channel, what):
    with pytest.raises(BadTemplate, match=what):
        compile_content(content, channel, name="step")
