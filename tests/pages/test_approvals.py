"""Approvals: who may approve finds what waits, with its words, and nobody approves their own."""

import re

import pytest
from playwright.sync_api import expect

CASCADE = """cascade: {slug}
title: Carts
class: transactional
trigger: {{event: left}}
steps:
  - {{id: letter, channel: email, subject: Your cart, text: "{words}"}}
  - id: note
    channel: telegram
    variants:
      - {{id: a, weight: 50, text: "A"}}
      - {{id: b, weight: 50, text: "B"}}
"""
COUNT = "a[href='/approvals'] .count"


@pytest.fixture
def asked(site):
    """Have the policy ask for approvals during a test."""
    site.api.put("/policy", {"approval": "required"})
    yield
    site.api.put("/policy", {"approval": "none"})


def write(site, slug, words, who="marketer"):
    """Save a cascade's draft in the editor, as somebody."""
    with site.client(who) as client:
        page = client.get(f"/cascades/{slug}/edit?panel=text").text
        form = {
            "csrf": re.findall(r'name="csrf" value="([^"]+)"', page)[0], "do": "text",
            "revision": re.findall(r'name="revision" value="([^"]*)"', page)[0],
            "source": CASCADE.format(slug=slug, words=words),
        }  # fmt: skip
        assert client.post(f"/cascades/{slug}/edit", data=form).status_code == 303


def waiting(site, slug):
    return [
        one["title"] for one in site.api.get(f"/cascades/{slug}/approvals")["texts"] if not one["approved"]
    ]


def test_an_approver_reads_what_waits_and_approves_it(site, visit, asked):
    site.api.put("/cascades/carts", content=CASCADE.format(slug="carts", words="Hi"))
    write(site, "carts", "Your cart is waiting")
    opened = visit("approver", language="ru", width="phone")
    page = opened.goto("/approvals")
    part = page.locator("section", has=page.get_by_role("link", name="Carts"))
    expect(part.get_by_text("Your cart is waiting")).to_be_visible()
    expect(part.get_by_text("marketer@example.org").first).to_be_visible()
    assert opened.axe() == [] and not opened.overflows()
    opened.shoot("approvals-ru-phone")
    letter = part.locator("article", has=page.get_by_text("Your cart is waiting"))
    letter.get_by_label("Примечание").fill("сверено")
    letter.get_by_role("button", name="Одобрить").click()
    expect(page.get_by_text("1 текст согласован.")).to_be_visible()
    expect(page.get_by_role("cell", name="carts: шаг letter")).to_be_visible()
    assert waiting(site, "carts") == ["step note, variant a", "step note, variant b"]
    part.get_by_role("button", name="Одобрить все").click()
    page.get_by_role("dialog").get_by_role("button", name="Одобрить все").click()
    expect(page.get_by_text("2 текста согласованы.")).to_be_visible()
    assert waiting(site, "carts") == []
    page = opened.goto("/approvals/carts")
    page.locator("article", has=page.get_by_text("Your cart is waiting")).get_by_role("button").click()
    expect(page.get_by_text("отозвано")).to_be_visible()
    assert waiting(site, "carts") == ["step letter"]


def test_the_menu_counts_what_waits_where_the_policy_asks(site, visit, asked):
    site.api.put("/cascades/counted", content=CASCADE.format(slug="counted", words="Hi"))
    slugs = [each["cascade"] for each in site.api.get("/approvals/waiting")["items"]]
    texts = [one for slug in slugs for one in site.api.get(f"/cascades/{slug}/approvals")["texts"]]
    wait = len({one["id"] for one in texts if not one["approved"]})
    opened = visit("approver", language="en")
    page = opened.goto("/")
    expect(page.locator(COUNT)).to_have_text(str(wait))
    opened.shoot("approvals-menu-en")
    site.api.post("/cascades/counted/stop")
    expect(page.locator(COUNT)).to_have_text(str(wait - 3))  # it cannot be activated again
    for role, there in (("owner", True), ("marketer", False), ("agent", False), ("viewer", False)):
        with site.client(role) as client:
            assert ('href="/approvals"' in client.get("/account").text) == there, role
    site.api.put("/policy", {"approval": "none"})
    with site.client("approver") as client:
        assert 'href="/approvals"' not in client.get("/account").text
        assert "No approvals are asked for" in client.get("/approvals").text


def test_nobody_approves_what_they_wrote_or_what_was_changed_since(site, asked):
    site.api.put("/cascades/own", content=CASCADE.format(slug="own", words="Hi"))
    write(site, "own", "Mine", "owner")
    with site.client("owner") as client:
        page = client.get("/approvals/own").text
        assert "You have written it" in page and 'value="own' not in page
        texts = [
            one["id"]
            for one in site.api.get("/cascades/own/approvals")["texts"]
            if one["author"].startswith("owner")
        ]
        form = {"csrf": re.findall(r'name="csrf" value="([^"]+)"', page)[0], "text": texts, "back": "list"}
        client.post("/approvals/own", data=form)
        assert "has written" in client.get("/approvals").text
        assert "step letter" in waiting(site, "own")
    write(site, "own", "Others", "owner")
    with site.client("approver") as client:
        page = client.get("/approvals/own").text
        form["csrf"] = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        client.post("/approvals/own", data=form)
        assert "says something else by now" in client.get("/approvals").text
    with site.client("viewer") as client:
        page = client.get("/approvals/own").text
        assert "Others" in page and "Approve" not in page.replace("Approvals", "")
    with site.client("agent") as client:
        assert client.get("/approvals").status_code == 403
