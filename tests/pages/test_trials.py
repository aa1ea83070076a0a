"""Trials on their page: begun, shared anew, promoted; what it says to who may only look."""

import re

from kaskad.cli.root import run
from kaskad.store import cascades, trials, winners
from kaskad.store.winners import Detail, Figures

TEXT = """cascade: news
title: "<News> & more"
class: service
goal: {event: purchase}
holdout: 0%
trigger: {broadcast: all}
steps:
  - {id: chat, channel: telegram, text: "Other words", wait: 1h}
  - {id: letter, channel: [email, telegram], choose: learn, subject: News, text: "Hello", wait: 1h}
"""


def test_a_version_is_tried_and_promoted(visit, site):
    with site.client("viewer") as client:
        assert "Nothing to try yet" in client.get("/cascades/news/trials?lang=en").text
    site.api.put("/cascades/news", content=TEXT)
    eyes = visit("marketer", language="ru")
    page = eyes.goto("/cascades/news/trials")
    page.locator("details.more summary").click()
    page.locator("#f-by").select_option("reacted")
    page.locator("#f-opt_out").fill("0,2")
    page.locator("#f-share").fill("95,5")
    page.locator("#f-share").press("Enter")
    page.wait_for_selector("table")
    (begun,) = site.api.get("/cascades/news/trials")["items"]
    assert begun["arms"][1]["share"] == 95.5
    assert (begun["rule"]["by"], begun["rule"]["opt_out"], begun["rule"]["promote"]) == (
        "reacted",
        0.2,
        False,
    )
    assert "Основной её потом делает человек" in page.content()
    site.api.post("/cascades/news/launch", {"list": "vip"})
    figures = Figures("warm", 900, 90, 1), Figures("plain", 880, 40, 2)
    site.service.office.write(
        lambda tx: winners.put(tx, 1, 1, 0, "warm", Detail("goal", figures, (0.02,)), (9_500, 500), 1)
    )
    with site.service.office.read() as tx:
        (tried,) = trials.running(tx)
    figures = Figures("1", 900, 90, 1), Figures("2", 880, 140, 2)
    told = Detail("reacted", figures, (0.02,))
    site.service.office.write(lambda tx: winners.put_of_trial(tx, tried, 2, told, tried.shared_at + 1))
    for theme, width in (("light", "wide"), ("dark", "phone")):
        looked = visit("marketer", language="ru", theme=theme, width=width)
        looked.goto("/cascades/news/trials")
        assert looked.page.locator("section.panel").count() == 3, "trial, winners, channels"
        assert looked.page.locator("text=версия 2 лучшая").count() == 1
        looked.shoot(f"trials {width}")
        assert looked.axe() == [] and not looked.overflows()
    with site.client("marketer") as client:
        token = re.search(r'name="csrf" value="([^"]+)', client.get("/cascades/news/trials").text)[1]
        told = {"csrf": token, "version": "2", "share": "99.95"}
        refused = client.post("/cascades/news/trials/share?lang=en", data=told)
        assert refused.status_code == 422 and "Leave at least" in refused.text
        wrong = {"csrf": token, "version": "0", "share": "1", "by": "goal", "opt_out": "few"}
        refused = client.post("/cascades/news/trials?lang=en", data=wrong)
        assert refused.status_code == 422 and "What more may opt out" in refused.text
        told = {"csrf": token, "version": "2", "share": "60 %"}
        assert client.post("/cascades/news/trials/share", data=told).status_code == 303
    assert site.api.get("/cascades/news/trials")["items"][0]["arms"][1]["share"] == 60
    page.goto(f"{site.url}/cascades/news/trials")
    page.locator("[data-open^=promote-]").click()
    page.locator("dialog[open] input[name=why]").fill("так решили")
    page.locator("dialog[open] .dialog-foot button[type=submit]").click()
    page.wait_for_selector("text=так решили")
    eyes.shoot("trials over")
    assert site.api.get("/cascades/news")["version"] == 2
    with site.client("viewer") as client:
        assert 'name="share"' not in client.get("/cascades/news/trials").text


def test_a_winner_is_taken_back_and_an_earlier_version_is_made_the_draft(visit, site, capsys):
    text = TEXT.replace("cascade: news", "cascade: words").replace(
        'text: "Other words"', "variants: [{id: warm, text: A}, {id: plain, text: B}], winner: {by: goal}"
    )
    site.api.put("/cascades/words", content=text)
    site.api.post("/cascades/words/activate")
    figures, office = (Figures("warm", 900, 90, 1), Figures("plain", 880, 40, 2)), site.service.office
    with office.read() as tx:
        row = cascades.by_slug(tx, "words")
    told = Detail("goal", figures, (0.02,))
    office.write(lambda tx: winners.put(tx, row.id, row.version_id, 0, "warm", told, (9_500, 500), 1))
    office.reload()
    eyes = visit("marketer", language="ru")
    page = eyes.goto("/cascades/words/trials")
    page.get_by_role("button", name="Снова делить все").first.click()
    assert eyes.axe() == []
    page.locator("dialog[open] .dialog-foot button[type=submit]").click()
    page.wait_for_selector("text=Возвращено")
    assert [one["undone"] for one in site.api.get("/cascades/words/winners")["items"]] == [True]
    where = ["--db", str(office.db.name)]
    assert run(["winners", "words", "--undo", "chat", *where]) == 0
    assert "warm won by goal, which was taken back." in capsys.readouterr().out
    assert run(["winners", "words", "--undo", "letter", *where]) == 1
    assert "No variant of step 'letter' has won" in capsys.readouterr().err

    site.api.put("/cascades/words", content=text.replace("text: A", "text: C"))
    site.api.post("/cascades/words/activate")
    page = eyes.goto("/cascades/words/versions")
    eyes.shoot("versions")
    site.api.put("/cascades/words", content=text.replace("text: A", "text: D"))  # by somebody else, meanwhile
    page.get_by_role("button", name="Сделать черновиком").click()
    page.locator("dialog[open] .dialog-foot button[type=submit]").click()
    page.wait_for_selector("text=Пока вы работали")
    eyes.wrong[:] = [each for each in eyes.wrong if "409" not in each]  # the browser logs that answer
    assert "text: D" in office_draft(site, "words")
    page = eyes.goto("/cascades/words/versions")
    page.get_by_role("button", name="Сделать черновиком").first.click()
    page.locator("dialog[open] .dialog-foot button[type=submit]").click()
    page.wait_for_url("**/cascades/words/edit")
    assert site.api.get("/cascades/words")["drafted"]
    with site.client("viewer") as client:
        assert "Make it the draft" not in client.get("/cascades/words/versions?lang=en").text
    assert "text: A" in office_draft(site, "words")


def office_draft(site, slug):
    """Return the text of a cascade's draft."""
    with site.service.office.read() as tx:
        return cascades.draft(tx, cascades.by_slug(tx, slug).id).source


def test_where_versions_are_tried_the_page_says_which_steps_stay_paused(site):
    text = TEXT.replace("cascade: news", "cascade: held").replace("broadcast: all", "event: left")
    site.api.put("/cascades/held", content=text)
    site.api.post("/cascades/held/activate")
    site.api.post("/cascades/held/steps/chat/pause", {})
    with site.client("marketer") as client:
        for way, told in (("trials", {"share": "5"}), ("activate", {"canary": "5%", "canary_people": "9"})):
            site.api.put("/cascades/held", content=text + f"# {way}\n")
            page = client.get("/cascades/held/edit?panel=plan&lang=en").text
            assert "stays paused: people wait at it" in page
            token = re.search(r'name="csrf" value="([^"]+)', page)[1]
            done = client.post(f"/cascades/held/{way}?lang=en", data={"csrf": token, **told})
            assert done.status_code == 303
            assert "stays paused: people wait at it" in client.get(done.headers["location"]).text
            site.api.post(f"/cascades/held/{'trials/end' if way == 'trials' else 'canaries/stop'}", {})
