"""What somebody new does without having read anything: copies, types durations as one says them."""

import pytest

from kaskad.domain.definition import edit
from kaskad.web.pages.spoken import amount, span, spoken


def tree(site, slug):
    return edit.tree_of(site.api.get(f"/cascades/{slug}")["draft"]["source"])


def form_of(page):
    """Return the token and the revision that a page of the editor has."""
    return {
        "csrf": page.partition('name="csrf" value="')[2].partition('"')[0],
        "revision": page.partition('data-revision="')[2].partition('"')[0],
    }


@pytest.mark.parametrize(
    ("said", "meant"),
    [("7 дней", "7d"), ("2 ч", "2h"), ("30 мин.", "30m"), ("5 секунд", "5s"), ("1 неделя", "1w"),
     ("2 hours", "2h"), ("3 месяца", "3mo"), ("1 day", "1d"), ("24h", "24h"), ("1d 12h", "1d 12h"),
     ("P1D", "P1D"), ("", ""), ("завтра", "завтра"), ("7 котов", "7 котов")],
)  # fmt: skip
def test_a_duration_in_words_is_one(said, meant):
    assert span(said) == meant


def test_an_amount_is_in_the_brands_currency_where_none_is_written():
    assert [amount(each, "KZT") for each in ("50000", "50 000,50", "7 RUB", "much", "")] == [
        "50000 KZT", "50 000,50 KZT", "7 RUB", "much", "",
    ]  # fmt: skip
    assert amount("5", "") == "5"
    told = {"budget_total": "5", "holdout": "10", "goal_within": "7 дней", "text": "7 дней", "weight": "5"}
    assert spoken(told, "KZT") == {**told, "budget_total": "5 KZT", "holdout": "10%", "goal_within": "7d"}


def test_a_cascade_is_copied_with_one_press(site):
    with site.client("marketer", headers={"Accept-Language": "ru"}, follow_redirects=True) as client:
        for page in ("/cascades", "/cascades/news"):
            assert 'action="/cascades/news/copy"' in client.get(page).text
        token = form_of(client.get("/cascades/news/edit").text)["csrf"]
        made = client.post("/cascades/news/copy", data={"csrf": token})
        assert made.url.path == "/cascades/news-2/edit"
    copied, whole = tree(site, "news-2"), edit.tree_of(site.api.get("/cascades/news/versions/1")["source"])
    assert copied == {**whole, "cascade": "news-2", "title": "<News> & more (копия)"}
    with site.client("viewer") as client:
        assert client.post("/cascades/news/copy", data={"csrf": token}).status_code == 403


def test_what_is_active_and_is_launched_says_so_and_leads_to_its_launch(site):
    with site.client("marketer") as client:
        active, copied = client.get("/cascades/news/edit").text, client.get("/cascades/draft/edit").text
    assert 'href="/cascades/news/launch"' in active and 'id="to-plan"' not in active
    assert "/launch" not in copied and 'id="to-plan"' in copied


def test_the_forms_of_the_editor_take_what_one_says(site):
    site.api.put("/brand", {"name": "Polka", "currency": "KZT"})
    with site.client("marketer") as client:
        form = form_of(client.get("/cascades/draft/edit").text)
        top = {**form, "do": "top", "goal_event": "purchase", "goal_within": "7 дней",
               "budget_total": "50000", "holdout": "5"}  # fmt: skip
        assert client.post("/cascades/draft/edit", data=top).status_code == 303
        form = form_of(client.get("/cascades/draft/edit").text)
        step = {**form, "do": "step", "at": "0", "channel": "telegram", "variants_shown": "1",
                "variant_0_id": "", "variant_0_text": "One",
                "variant_1_id": "", "variant_1_text": "Two"}  # fmt: skip
        assert client.post("/cascades/draft/edit", data=step).status_code == 303
        shown = client.get("/cascades/draft/edit?panel=top").text
    told = tree(site, "draft")
    assert told["goal"] == {"event": "purchase", "within": "7d"} and told["holdout"] == "5%"
    assert told["budget"] == {"total": "50000 KZT"} and 'value="50000 KZT"' in shown
    assert [(each["id"], each["text"]) for each in told["steps"][0]["variants"]] == [
        ("a", "One"),
        ("b", "Two"),
    ]


def test_a_list_with_a_name_in_russian_can_be_launched_for(site):
    site.api.post("/lists", {"name": "Постоянные клиенты"})
    with site.client("marketer") as client:
        form = form_of(client.get("/cascades/draft/edit").text)
        top = {**form, "do": "top", "trigger_kind": "broadcast", "trigger_broadcast": "Постоянные клиенты"}
        assert client.post("/cascades/draft/edit", data=top).status_code == 303
        shown = client.get("/cascades/draft/edit?panel=top").text
    assert tree(site, "draft")["trigger"] == {"broadcast": "Постоянные клиенты"}
    assert '<option value="Постоянные клиенты" selected>' in shown and '<option value="all">' in shown
    assert "small Latin" not in shown
