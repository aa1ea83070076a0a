"""Templates over the API and by commands: saved, frozen with a version, shown as a contact would get them."""

import json

import pytest

from kaskad.cli.client import reached
from kaskad.cli.root import run
from kaskad.cli.template_file import read_templates
from kaskad.domain.errors import Invalid

MJML = """<mjml><mj-body>{% include 'brand-head' %}
{% if contact.name %}
<mj-section><mj-column><mj-text>Здравствуйте, {{ contact.name }}!</mj-text></mj-column></mj-section>
{% endif %}
<mj-section><mj-column><mj-text>{% block words %}Пусто{% endblock %}</mj-text>
<mj-button href="{{ trigger.url }}">В корзину</mj-button></mj-column></mj-section></mj-body></mjml>"""
HEAD = "<mj-section><mj-column><mj-text>Лавка</mj-text></mj-column></mj-section>"
LETTER = (
    "{% extends 'brand-letter' %}{% block words %}{{ trigger.count }} "
    '{{ trigger.count | plural: "товар", "товара", "товаров" }} на {{ trigger.total | money: "KZT" }}'
    "{% endblock %}"
)
TRIGGER = {"count": 2, "total": 12500, "url": "https://example.org/cart"}
CASCADE = """cascade: carts
title: Carts
class: transactional
trigger: {event: left}
steps:
  - {id: letter, channel: email, template: cart}
  - {id: note, channel: sms, text: "{{ contact.name }}"}
"""


@pytest.fixture
def cart(api):
    api.put("/templates/brand-head", {"channel": "part", "text": HEAD})
    api.put("/templates/brand-letter", {"channel": "part", "text": MJML})
    yield api.put(
        "/templates/cart", {"channel": "email", "language": "ru", "subject": "Корзина", "mjml": LETTER}
    )
    for name in ("cart", "brand-letter", "brand-head"):
        api.call("DELETE", f"/templates/{name}")


@pytest.fixture
def aigul(api):
    return api.post(
        "/contacts",
        {"external_id": "aigul", "language": "kk", "attributes": {"name": "Айгүл"},
         "addresses": [{"channel": "email", "value": "aigul@example.org"}]},
    )  # fmt: skip


def test_a_letter_is_put_together_from_its_parts_and_shown_as_a_contact_gets_it(api, cart, aigul):
    assert cart["fallback"] and cart["variables"] == [
        "contact.name", "trigger.count", "trigger.total", "trigger.url"
    ]  # fmt: skip
    shown = api.post("/templates/cart/preview", {"contact": "aigul", "trigger": TRIGGER})
    assert (shown["language"], shown["subject"], shown["links"]) == ("ru", "Корзина", [])
    assert "Здравствуйте, Айгүл!" in shown["html"] and "2 товара на 12\u00a0500\u00a0₸" in shown["html"]
    assert "Лавка" in shown["text"] and "В корзину (https://example.org/cart)" in shown["text"]
    assert "{%" not in shown["html"] + shown["text"]


def test_each_contact_reads_their_own_language_and_all_others_the_first(api, cart, aigul):
    api.put("/templates/cart", {"channel": "email", "language": "kk", "subject": "Себет", "text": "x"})
    preview = {"contact": "aigul", "trigger": TRIGGER}
    assert api.post("/templates/cart/preview", preview)["subject"] == "Себет"
    assert api.post("/templates/cart/preview", {**preview, "language": "en"})["subject"] == "Корзина"
    api.put(
        "/templates/cart",
        {"channel": "email", "language": "kk", "subject": "Себет", "text": "x", "fallback": True},
    )
    assert api.post("/templates/cart/preview", {**preview, "language": "en"})["subject"] == "Себет"
    assert api.call("DELETE", "/templates/cart?language=kk").json() == {"deleted": 1}
    assert [one["fallback"] for one in api.get("/templates/cart")["items"]] == [True]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"channel": "email", "language": "ru", "mjml": "<mjml><mj-body>\n<mj-txt/></mj-body></mjml>"},
         "line 2: MJML has no <mj-txt>: did you mean <mj-text>?"),
        ({"channel": "email", "language": "ru", "html": "{% include 'nowhere' %}"}, "no part 'nowhere'"),
        ({"channel": "email", "text": "x"}, "language: ru"),
        ({"channel": "sms", "language": "ru", "text": "{{ name }}"}, "write `contact.name`"),
        ({"channel": "sms", "language": "ru", "text": "{{ contact.name"}, "close the braces"),
        ({"channel": "sms", "language": "ru", "subject": "x"}, "nothing to say"),
        ({"channel": "part", "html": "x"}, "A part has `text`"),
    ],
)  # fmt: skip
def test_what_could_not_be_sent_is_not_saved_and_told_why(api, told, words):
    answer = api.call("PUT", "/templates/wrong", json=told)
    assert answer.status_code == 422 and words in str(answer.json())
    assert api.call("GET", "/templates/wrong").status_code == 404


def test_a_cascade_without_its_template_is_refused_with_the_place(api):
    api.put("/cascades/carts", content=CASCADE, headers={"Content-Type": "application/yaml"})
    plan = api.post("/cascades/carts/plan")
    found = next(one for one in plan["problems"] if one["path"] == "steps[0].template")
    assert (found["line"], found["severity"]) == (6, "error") and "no template 'cart' for email" in found[
        "message"
    ]
    answer = api.call("POST", "/cascades/carts/activate")
    assert answer.status_code == 422 and "no template 'cart'" in str(answer.json())


def test_a_version_keeps_its_texts_and_a_changed_one_makes_another(api, cart, aigul):
    for channel in ("email", "sms"):
        api.put(f"/accounts/a-{channel}", {
            "provider": "generic_webhook", "channel": channel,
            "settings": {"url": "http://127.0.0.1:1/"}, "secrets": {"secret": "swordfish-swordfish"},
        })  # fmt: skip
    api.put("/cascades/carts", content=CASCADE, headers={"Content-Type": "application/yaml"})
    assert api.post("/cascades/carts/activate")["version"] == 1
    assert api.post("/cascades/carts/activate")["version"] == 1
    api.put("/templates/cart", {"channel": "email", "language": "ru", "subject": "Новое", "text": "x"})
    asked = {"contact": "aigul", "step": "letter", "trigger": TRIGGER}
    assert api.post("/cascades/carts/preview", asked)["subject"] == "Корзина"
    assert api.post("/cascades/carts/plan")["changes"]
    assert api.post("/cascades/carts/activate")["version"] == 2
    assert api.post("/cascades/carts/preview", asked)["subject"] == "Новое"
    assert api.post("/cascades/carts/preview", {**asked, "version": "1"})["subject"] == "Корзина"
    note = api.post("/cascades/carts/preview", {**asked, "step": "note"})
    assert (note["text"], note["parts"], note["encoding"]) == ("Айгүл", 1, "ucs2")
    lacking = api.call(
        "POST",
        "/cascades/carts/preview",
        json={**asked, "version": "1", "trigger": {"url": "https://a.example"}},
    )
    assert lacking.status_code == 422 and "trigger.count" in str(lacking.json())


def test_files_of_each_kind_are_read(tmp_path):
    (tmp_path / "cart.kk.mjml").write_text("---\nsubject: Себет\n---\n<mjml/>")
    (tmp_path / "two.yaml").write_text(
        "name: a\nchannel: sms\nlanguage: no\ntext: x\n---\nname: b\nchannel: part\ntext: y\n"
    )
    assert read_templates(tmp_path / "cart.kk.mjml") == [
        {"name": "cart", "language": "kk", "channel": "email", "subject": "Себет", "mjml": "<mjml/>"}
    ]
    first, second = read_templates(tmp_path / "two.yaml")
    assert first["text"] == "x" and second["channel"] == "part"
    (tmp_path / "odd.docx").write_text("")
    (tmp_path / "bad.yaml").write_text("a: [")
    for name in ("odd.docx", "bad.yaml"):
        with pytest.raises(Invalid, match=name):
            read_templates(tmp_path / name)


def test_commands_save_show_and_delete(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    (tmp_path / "people.csv").write_text("id,name,email\naigul,Айгүл,aigul@example.org\n")
    assert run(["import", "people.csv"]) == 0
    (tmp_path / "hello.ru.txt").write_text(
        "---\nchannel: sms\n---\n{% include 'hi' %}, {{ contact.name }}! {{ trigger.n | number }}"
    )
    (tmp_path / "hi.txt").write_text("---\nchannel: part\n---\nЗдравствуйте")
    capsys.readouterr()
    assert run(["template", "put", "hello.ru.txt", "hi.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["variables"] == ["contact.name", "trigger.n"]
    asked = ["template", "preview", "hello", "--as", "aigul@example.org", "--trigger", '{"n": 5}']
    assert run([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "Здравствуйте, Айгүл! 5"
    assert run(asked) == 0
    assert "1 parts in ucs2" in capsys.readouterr().out
    (tmp_path / "hi.yaml").write_text(
        "cascade: hi\nclass: transactional\ntrigger: {event: x}\n"
        "steps: [{id: first, channel: sms, template: hello}]\n"
    )
    with reached("") as client:
        client.call(
            "PUT", "/cascades/hi", content=(tmp_path / "hi.yaml").read_bytes(), kind="application/yaml"
        )
    step = ["template", "step", "hi", "first", "--as", "aigul@example.org", "--trigger", '{"n": 5}']
    assert run([*step, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "Здравствуйте, Айгүл! 5"
    assert run(["template", "show", "hello"]) == 0
    assert "asks for contact.name, trigger.n" in capsys.readouterr().out
    assert run(["template", "list"]) == 0
    assert "hello" in capsys.readouterr().out
    assert run(["template", "delete", "hello", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": 1}
    assert run(["template", "show", "hello"]) == 1
    assert "There is no template 'hello'" in capsys.readouterr().err


def test_a_template_takes_files_and_an_appointment_along(api):
    calendar = {"title": "{{ trigger.title }}", "starts": "trigger.starts_at", "lasts": "90m", "uid": "a"}
    told = {"channel": "email", "language": "en", "subject": "s", "text": "t", "calendar": calendar,
            "attach": [{"file": "prices", "if": "contact.vip == true"}]}  # fmt: skip
    kept = api.put("/templates/invited", told)
    assert (kept["attach"], kept["calendar"]) == (["prices"], "{{ trigger.title }}")
    assert kept["variables"] == ["trigger.title"]
    for wrong in ({"calendar": {**calendar, "lasts": "soon"}}, {"attach": [{"file": "a", "if": "("}]},
                  {"calendar": {**calendar, "title": "{{ x"}}, {"html": "<script>x</script>"}):  # fmt: skip
        assert api.call("PUT", "/templates/invited", {**told, **wrong}).status_code == 422
    api.delete("/templates/invited")


def test_who_changed_a_template_is_kept_and_one_can_go_back(api, capsys):
    for text in ("one", "two"):
        api.put("/templates/note", {"channel": "sms", "language": "en", "text": text})
    found = api.get("/templates/note/history")["items"]
    assert [(one["number"], one["content"], one["saved_by"]) for one in found] == [
        (2, {"text": "two"}, "local"), (1, {"text": "one"}, "local")
    ]  # fmt: skip
    where = ["--db", api.service.db.name]
    assert run(["template", "history", "note", *where]) == 0
    shown = capsys.readouterr().out
    assert '-  "text": "one"' in shown and '+  "text": "two"' in shown
    assert run(["template", "restore", "note", "1", *where]) == 0
    assert api.get("/templates/note")["items"][0]["text"] == "one"
    assert api.get("/templates/note/history")["items"][0]["number"] == 3
    assert api.call("POST", "/templates/note/restore", {"number": 9}).status_code == 404
    api.delete("/templates/note")
