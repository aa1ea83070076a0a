"""The routes of cascades and runs over PostgreSQL, with every large table in parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kaskad.actions import sign_in
from kaskad.config import Settings
from kaskad.domain.terms import Channel
from kaskad.store.db import open_database
from kaskad.store.migrate import upgrade
from kaskad.web.service import serving
from support.api import Api
from support.faults import until
from support.postgres import PostgresServer
from support.shop import equip, people, taking

CASCADE = """cascade: news
class: service
goal: {event: purchase}
holdout: 0%
trigger: {broadcast: all}
steps:
  - {id: chat, channel: telegram, text: "Hello", wait: 1h}
  - {id: letter, channel: email, subject: News, text: "Hello", wait: 1h}
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("installation")
    url = postgres.create()
    with taking() as taker:
        db = open_database(url)
        upgrade(db, partitions=4)
        db.close()
        settings = Settings(database=url, listen="127.0.0.1:0", secret_key=f"{folder}" + "k" * 40)
        taker.refusing.add("bob@telegram.example.org")
        with serving(settings, "the tests") as service:
            equip(service, taker.url, Channel.EMAIL, Channel.TELEGRAM)
            people(service, "ann", "bob", "cid", listed="vip")
            yield Api(service)
    postgres.drop(url)


@pytest.fixture(scope="module")
def begun(api: Api) -> dict[str, Any]:
    """Return the launch of a cascade whose first messages are sent, and what was told of it then."""
    assert api.put("/cascades/news", content=CASCADE)["ok"]
    assert api.post("/cascades/news/plan")["version"] == 1
    assert api.post("/cascades/news/activate")["version"] == 1
    launch: dict[str, Any] = api.post("/cascades/news/launch", {"list": "vip", "pace": "100000/h"})

    def sent() -> dict[str, int]:
        return {line["id"]: line["sent"] for line in api.get("/cascades/news/report")["lines"]}

    until(lambda: sent() == {"chat": 2, "letter": 1}, 60)
    return {
        **launch,
        "launches": api.get("/cascades/news/launches")["items"],
        "in_flight": api.post("/cascades/news/plan")["in_flight"],
    }


def test_a_cascade_goes_its_whole_way(api, begun):
    assert api.raw("GET", "/f/%00").status_code == 404  # which no text of PostgreSQL holds
    (launch,) = begun["launches"]
    assert (launch["id"], launch["enrolled"], launch["audience"]) == (begun["id"], 3, "list vip")
    assert begun["in_flight"] == [
        {"version": 1, "step": "chat", "runs": 2},
        {"version": 1, "step": "letter", "runs": 1},
    ]
    assert [each["entered"] for each in api.get("/cascades")["items"]] == [3]


def test_runs_and_messages_are_found_and_have_pages(api, begun):
    first = api.get("/cascades/news/runs?limit=2")
    second = api.get(f"/cascades/news/runs?limit=2&cursor={first['next']}")
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
    (bob,) = api.get("/cascades/news/runs?step=letter&state=active")["items"]
    for who in ("bob", "bob@email.example.org", bob["contact"], bob["contact"].removeprefix("con_")):
        assert api.get(f"/runs?contact={who}")["items"] == [bob]
    assert [each["step"] for each in api.get(f"/messages?run={bob['id']}")["items"]] == ["chat", "letter"]
    page = api.get("/messages?contact=bob&limit=1")
    (letter,) = api.get(f"/messages?contact=bob&cursor={page['next']}")["items"]
    assert api.get(f"/messages/{bob['id']}/letter")["body"]["subject"] == "News"
    assert letter["state"] == "sent" and api.get(f"/runs/{bob['id']}/explain")["decisions"]
    assert api.post(f"/runs/{bob['id']}/cancel")["outcome"] == "cancelled"
    assert api.post("/cascades/news/pause")["runs"] == 2
    assert api.post("/cascades/news/resume")["runs"] == 0
    assert api.post("/cascades/news/stop")["runs"] == 2

    asked = api.raw("GET", sign_in.link(api.service.office))
    cookie = {"Cookie": asked.headers["set-cookie"].split(";")[0]}
    assert "news" in api.raw("GET", "/cascades", headers=cookie).text
    assert "stopped" in api.raw("GET", "/cascades/news", headers=cookie).text


def test_contacts_are_kept_found_and_told_about(api, begun):
    csv = "id,name,email,phone,city\nk1,Әсел Қали,asel@example.org,+77010000011,Алматы\nk2,Бек,,,Астана\n"
    report = api.post("/contacts/import", content=csv.encode(), params={"list": "csv", "source": "p.csv"})
    assert (report["state"], report["new"]) == ("done", 2)
    for said in ("ӘСЕЛ", "қали", "ASEL@", "+7 701 000 00 11", "k1"):
        assert [each["external_id"] for each in api.get("/contacts", params={"q": said})["items"]] == ["k1"]
    api.put("/segments/almaty", {"all": [{"attribute": "city", "equals": "Алматы"}]})
    assert api.get("/segments/almaty/count") == {"contacts": 1}
    assert api.get("/lists/csv") == {"name": "csv", "members": 2}
    kinds = {entry["kind"] for entry in api.get("/contacts/bob/timeline")["items"]}
    assert kinds >= {"run", "message", "receipt", "decision", "consent"}
    api.post("/contacts/k1/suppress", {"reason": "manual"})
    assert {each["health"] for each in api.get("/contacts/k1")["addresses"]} == {"suppressed"}
    api.call("POST", "/contacts/k1/consents", {"granted": False, "topic": "news"})
    assert api.get("/contacts/k1")["consents"][-1]["topic"] == "news"
    api.delete("/lists/csv")
    assert api.get("/contacts/k2")["lists"] == []


def test_people_sign_in(api):
    made = api.post("/users", {"email": "ann@example.org", "role": "viewer"})
    token = made["link"].partition("token=")[2]
    assert (
        api.raw("POST", "/invitation", data={"token": token, "password": "four words are good"}).status_code
        == 303
    )
    wrong = {"email": "ann@example.org", "password": "something else"}
    assert api.raw("POST", "/sign-in", data=wrong).status_code == 401
    entered = api.raw("POST", "/sign-in", data={**wrong, "password": "four words are good"})
    cookie = {"Cookie": entered.headers["set-cookie"].split(";")[0]}
    assert "ann@example.org" in api.raw("GET", "/account", headers=cookie).text
    assert api.raw("GET", "/settings/people", headers=cookie).status_code == 403
    api.delete("/users/ann@example.org")
    assert api.raw("GET", "/account", headers=cookie).status_code == 303
