"""Approval of texts: nothing is activated that only its author has seen, and any other word waits again."""

import pytest

from kaskad.cli.root import run

CASCADE = """cascade: carts
title: Carts
class: transactional
trigger: {event: left}
steps:
  - {id: letter, channel: email, template: cart}
  - id: note
    channel: sms
    variants:
      - {id: a, weight: 50, text: "A"}
      - {id: b, weight: 50, text: "B"}
"""
MJML = "<mjml><mj-body><mj-section><mj-column>{}</mj-column></mj-section></mj-body></mjml>"
YAML = {"Content-Type": "application/yaml"}


@pytest.fixture
def people(api):
    """Return the keys of who writes and of who approves."""
    for name, provider in (
        ("mail", {"provider": "smtp", "settings": {"host": "h.example.org", "sender": "a@example.org"}}),
        (
            "sms",
            {
                "provider": "generic_webhook",
                "channel": "sms",
                "settings": {"url": "https://sms.example.org/"},
                "secrets": {"secret": "swordfish-swordfish"},
            },
        ),
    ):
        api.put(f"/accounts/{name}", provider)
    write = ["cascades:read", "cascades:write"]
    return (
        api.post("/keys", {"name": "ann", "scopes": [*write, "texts:approve"]})["key"],
        api.post("/keys", {"name": "bob", "scopes": ["cascades:read", "texts:approve"]})["key"],
        api.post("/keys", {"name": "cid", "scopes": write})["key"],
    )


def test_what_nobody_else_has_approved_is_not_activated(api, people, capsys, tmp_path):
    ann, bob, cid = people
    texts = "/cascades/carts/approvals"

    def put(words: str = CASCADE) -> None:
        assert api.put("/cascades/carts", content=words.encode(), headers=YAML, key=ann)["ok"]

    def letter(words: str) -> None:
        api.put(
            "/templates/cart", {"channel": "email", "language": "ru", "subject": "s", "mjml": words}, key=ann
        )

    def waits() -> list[str]:
        return [one["title"] for one in api.get(texts)["texts"] if not one["approved"]]

    api.put("/templates/head", {"channel": "part", "text": "<mj-text>Shop</mj-text>"})
    letter(MJML.format("{% include 'head' %}"))
    put()
    assert api.get(texts)["required"] is False and api.get("/approvals/waiting")["items"] == []
    assert api.post("/cascades/carts/plan")["ok"]
    api.call("PATCH", "/policy", {"approval": "required"})
    put(CASCADE.replace("Carts", "Baskets"))  # saved again: from now on it is noted who writes
    letter(MJML.format("<mj-text>Hi</mj-text>{% include 'head' %}"))
    all_three = ["template cart (email, ru)", "step note, variant a", "step note, variant b"]
    assert waits() == all_three
    assert api.get("/approvals/waiting")["items"] == [{"cascade": "carts", "texts": 3}]
    plan = api.post("/cascades/carts/plan")
    told = [(one["path"], one["line"]) for one in plan["problems"]]
    assert not plan["ok"] and ("steps[0].template", 6) in told and ("steps[1].variants[1]", 11) in told
    refused = api.call("POST", "/cascades/carts/activate")
    assert refused.status_code == 422 and "kaskad approval give carts" in refused.text

    ids = {"texts": [one["id"] for one in api.get(texts)["texts"]]}
    assert api.call("POST", texts, ids, key=cid).status_code == 403
    own = api.call("POST", texts, ids, key=ann)
    assert own.status_code == 409 and "ann has written" in own.text and waits() == all_three
    done = api.post(texts, {**ids, "note": "as legal says"}, key=bob)["texts"]
    assert [(one["author"], one["approved_by"], one["note"]) for one in done] == [
        ("ann", "bob", "as legal says")
    ] * 3
    assert api.post("/cascades/carts/activate")["version"] == 1

    put(CASCADE.replace('"B"', '"B!"'))
    assert waits() == ["step note, variant b"]
    stale = api.call("POST", texts, ids, key=bob)
    assert stale.status_code == 409 and "says something else by now" in stale.text
    put()
    assert waits() == [], "an earlier text is approved already"
    api.put("/templates/head", {"channel": "part", "text": "<mj-text>Store</mj-text>"})
    assert waits() == ["template cart (email, ru)"], "a part is a part of the text"

    where = ["--db", api.service.db.name]
    file = tmp_path / "carts.yaml"
    file.write_text(CASCADE)
    assert run(["apply", str(file), "--yes", *where]) == 1
    assert "saved as a draft" in capsys.readouterr().out
    assert run(["approval", "list", "carts", *where]) == 1
    assert run(["approval", "give", "carts", "--yes", *where]) == 0
    assert "approved by local" in capsys.readouterr().out
    assert run(["approval", "list", *where]) == 0
    note = [one["id"] for one in api.get(texts)["texts"] if one["variant"] == "a"]
    assert run(["approval", "take-back", "carts", *note, "--note", "typo", *where]) == 0
    assert waits() == ["step note, variant a"]
    assert run(["approval", "history", *where]) == 0
    assert "taken back  carts: step note, variant a" in capsys.readouterr().out
    history = api.get("/approvals")["items"]
    assert [one["by"] for one in history] == ["local", "local", "bob", "bob", "bob"]
    template = api.get("/templates/cart/approvals")["texts"]
    assert [one["approved_by"] for one in template] == ["local"]
