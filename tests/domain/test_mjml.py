"""Letters in MJML: their Liquid kept, their mistakes named with the line, their styles in place."""

import pytest

from kaskad.domain.cascade import Content
from kaskad.domain.content import compile_content
from kaskad.domain.mjml import html_of, inlined
from kaskad.domain.template import BadTemplate, compile_text
from kaskad.domain.template.parts import assemble
from kaskad.domain.terms import Channel

LETTER = """<mjml><mj-head><mj-title>{{ contact.name }}</mj-title>
<mj-style>.big { font-size: 20px } @media (max-width: 300px) { .big { color: blue } }</mj-style></mj-head>
<mj-body>
{% if contact.vip %}
<mj-section><mj-column><mj-text><p class="big">{{ contact.name | default: "x < y" }}</p></mj-text>
<mj-table><tbody>{% for item in trigger.items %}<tr><td>{{ item }}</td></tr>{% endfor %}</tbody></mj-table>
</mj-column></mj-section>
{% endif %}
<mj-section><mj-column><mj-button href="{{ trigger.url }}">go</mj-button></mj-column></mj-section>
</mj-body></mjml>"""
SCOPE = {
    "contact": {"name": "Анна", "vip": True},
    "trigger": {"items": ["a", "b"], "url": "https://example.org/"},
}


def filled(**more):
    html = inlined(html_of(LETTER, "letter"), "letter")
    scope = {**SCOPE, "contact": {**SCOPE["contact"], **more}}
    return compile_text(html, name="letter", autoescape=True).render(scope)


def test_liquid_between_elements_between_rows_and_in_attributes_stays_where_it_was():
    html = filled()
    assert html.count("Анна</p>") == 1 and "<title>Анна</title>" in html
    assert 'href="https://example.org/"' in html
    assert html.index("a</td>") < html.index("b</td>") < html.index("</tbody>", html.index("b</td>"))
    assert "Анна</p>" not in filled(vip=False) and "go</a>" in filled(vip=False)  # the section has gone


def test_styles_stand_at_their_elements_and_conditions_stay():
    html = filled()
    assert '<p class="big" style="' in html and "font-size: 20px" in html
    assert "@media (max-width: 300px)" in html and "x7kq" not in html


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<mjml>\n<mj-body>\n<mj-buton/></mj-body></mjml>", "line 3: .* <mj-buton>: did .* <mj-button>"),
        ("<mjml><mj-body>", "cannot be read"),
        ("<p>x</p>", "MJML needs <mjml>"),
        ("<mjml/>", "needs <mj-body>"),
    ],
)  # fmt: skip
def test_a_mistake_in_mjml_is_named(source, words):
    with pytest.raises(BadTemplate, match=words):
        html_of(source, "letter")
    with pytest.raises(BadTemplate, match=words):
        compile_content(Content(subject="x", mjml=source), Channel.EMAIL)


def test_a_commented_element_is_none():
    assert "ok" in html_of("<mjml><mj-body><!-- <mj-x> --><mj-raw>ok</mj-raw></mj-body></mjml>", "letter")


PARTS = {
    "head": "[head {% include 'logo' %}]", "logo": "*",
    "base": "{% include 'head' %} {% block a %}A{% endblock %} {% block b %}B{% endblock b %}",
    "middle": "{% extends 'base' %}{% block b %}middle{% endblock %}",
    "round": "{% include 'round' %}",
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain {{ x }} {% if x %}{% endif %}", "plain {{ x }} {% if x %}{% endif %}"),
        ('{%- include "head" -%}!', "[head *]!"),
        ("{% extends 'base' %} {% block a %}mine{% endblock %}", "[head *] mine B"),
        ("{% extends 'middle' %}{% block a %}{% include 'logo' %}{% endblock %}", "[head *] * middle"),
        ("{% block a %}own{% endblock %}", "own"),
    ],
)
def test_parts_come_to_their_places(source, expected):
    assert assemble(source, PARTS.get, "text") == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{% include 'none' %}", "no part 'none'"),
        ("{% include 'round' %}", "round → round"),
        ("{% include x %}", "include cannot be read here"),
        ("text {% extends 'base' %}", "extends cannot be read here"),
        ("{% block a %}{% block b %}{% endblock %}{% endblock %}", "blocks do not stand in each other"),
    ],
)
def test_parts_that_cannot_be_found_or_end_nowhere_are_refused(source, words):
    with pytest.raises(BadTemplate, match=words):
        assemble(source, PARTS.get, "text")
