"""Texts that would keep the tools behind us busy for hours, or end the process, are refused in no time."""

import time

import pytest

from kaskad.domain.html import text_of, track_hrefs
from kaskad.domain.mjml import html_of, inlined
from kaskad.domain.template import BadTemplate, compile_text
from kaskad.domain.template.parts import assemble

MJML = "<mjml><mj-body>{}</mj-body></mjml>"
STYLE = "<style>b{color:red}</style>"


@pytest.mark.parametrize(
    "text", ["<a ", "<", "<a href", "<!--", "<style>", "<td", "{{", "{%", "{% raw %}"], ids=repr
)
def test_what_begins_without_end_is_refused_in_no_time(text):
    hostile = text * (150_000 // len(text))
    began = time.process_time()
    tools = (track_hrefs, text_of, lambda each: html_of(each, "x"), lambda each: inlined(STYLE + each, "x"))
    for tool in tools:
        with pytest.raises(BadTemplate):
            tool(hostile)
    if "{" in text:
        with pytest.raises(BadTemplate):
            compile_text(hostile, name="x")
    assert time.process_time() - began < 5


def test_a_text_of_nothing_but_places_is_refused_in_no_time():
    began = time.process_time()
    for place in ("{{ a }}", "{% if a %}x{% endif %}"):
        with pytest.raises(BadTemplate, match="places"):
            compile_text(place * (199_000 // len(place)), name="x")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("opened", ["<div>", "<div/>", "<{{ x }}i>", "<b><span></x>", "<b a=1><p>"])
def test_elements_in_one_another_without_end_are_refused(opened):
    with pytest.raises(BadTemplate, match=r"too deep|places"):
        inlined(STYLE + opened * 20_000, "x")


def test_mjml_in_mjml_without_end_is_refused():
    with pytest.raises(BadTemplate, match="too deep"):
        html_of(MJML.format("<mj-section><mj-column>" * 3_000 + "</mj-column></mj-section>" * 3_000), "x")


def test_sloppy_letters_are_taken():
    rows = "<tr><td>one<td>two<br/><p>three<li>four" * 900
    letter = f"{STYLE}<table>{rows}</table>" + "<div><span>a < b</div>" * 250
    assert "four" in inlined(letter, "x") and "four" in text_of(letter) and track_hrefs(letter)
    assert compile_text("{{ a" + " }} {{ a" * 900 + " }}", name="x").variables


def test_parts_of_parts_have_an_end():
    known = {f"p{level}": f"{{% include 'p{level + 1}' %}}" * 9_000 for level in range(7)} | {"p7": "x"}
    for first in ({}, {"p1": "x" * 190_000}):
        with pytest.raises(BadTemplate, match="parts"):
            assemble("{% include 'p0' %}", (known | first).get, "x")
