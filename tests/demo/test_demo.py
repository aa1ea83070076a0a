"""The demo: people who cannot exist, and a folder in which cascades really run."""

import csv
import io
import json
import re
import time
from itertools import islice

import pytest
from rich.console import Console
from starlette.testclient import TestClient

from kaskad.cli.demo import _reads_russian
from kaskad.cli.root import run
from kaskad.cli.screens.demo import CHANNELS, Screen, as_panel, by_channel
from kaskad.config import load
from kaskad.demo.people import as_csv, invent
from kaskad.demo.play import MARK, PORT, SCENARIOS, Picture, Plan, _listener, playing, scenario
from kaskad.demo.shop import Shop, Visit
from kaskad.domain.errors import Conflict
from kaskad.domain.inside import read_inside
from kaskad.store.sqlite import held
from kaskad.web import soon
from kaskad.web.server import listen


def test_people_are_the_same_for_a_seed_and_can_be_nobody_s():
    people = invent(2_000, 7)
    assert people == invent(2_000, 7)
    assert people != invent(2_000, 8)
    emails = [person.email for person in people if person.email]
    phones = [person.phone for person in people if person.phone]
    assert len(set(emails)) == len(emails) and all(email.endswith("@example.org") for email in emails)
    assert len(set(phones)) == len(phones) and all(phone[:8] in ("+7700000", "+7900000") for phone in phones)
    assert all(person.email or person.phone for person in people)
    assert {person.country for person in people} == {"KZ", "RU"}
    rows = list(csv.DictReader(io.StringIO(as_csv(people, "https://shop.example.org/sale-").decode())))
    assert rows[0]["sale_url"] == f"https://shop.example.org/sale-{people[0].id}"


def test_the_shop_tells_of_a_purchase_when_its_button_is_pressed_and_not_when_it_is_looked_at():
    told = []
    shop = Shop(told.append)
    path = shop.open("cart-1", Visit("Корзина", "Купить", {"id": "bought-1"}))
    client = TestClient(shop.app)
    assert 'method="post"' in client.get(path).text
    assert told == []
    assert client.post(path).status_code == 200
    assert (told, shop.sold) == ([{"id": "bought-1"}], 1)
    assert client.get("/cart-2").status_code == 404


def test_titles_are_english_unless_the_environment_is_russian(monkeypatch):
    for slug in SCENARIOS:
        own, english = (scenario(slug, english=which) for which in (False, True))
        titles = [re.findall("(?m)^title: (.*)$", text) for text in (own, english)]
        assert len(titles[0]) == len(titles[1]) == 1 and not titles[0][0].isascii() and titles[1][0].isascii()
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert not _reads_russian()
    monkeypatch.setenv("LANG", "ru_RU.UTF-8")
    assert _reads_russian()
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert not _reads_russian()


def test_a_folder_that_is_not_the_demo_s_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(Conflict, match="--folder"), playing(Plan(tmp_path, 20), print):
        pass
    assert (tmp_path / "letter.txt").read_text() == "mine"
    assert run(["demo", "--folder", str(tmp_path), "--people", "20"]) == 1


def test_people_move_through_the_channels_and_reach_goals(tmp_path, monkeypatch):
    monkeypatch.setattr(soon, "SOON_S", 0.0)  # on a slow machine a forecast is not there at once
    folder = tmp_path / "demo"
    with playing(Plan(folder, 80, 20_000.0), print) as play:
        for _ in range(120):
            time.sleep(0.5)
            picture = play.picture()
            channels = {line.channel: line for _, line in by_channel(picture.reports)}
            enough = channels["email"].sent > 20 and channels["telegram"].sent and channels["sms"].sent
            if enough and picture.goals:
                break
        assert channels["email"].sent > 20 and channels["telegram"].sent and channels["sms"].sent
        assert picture.goals and sum(report.outcomes.get("converted", 0) for report in picture.reports)
        assert "spent" in drawn(picture, 140) and picture.reports[0].title in drawn(picture, 140)
        assert "…" not in drawn(picture, 80) and "share" in drawn(picture, 80)  # no figure is cut
        (launch,) = picture.foretold  # what was expected before stands beside what has come
        figures = {one.figure: one for one in launch.figures}
        assert 0 < figures["reached"].between.low <= figures["reached"].expected
        assert "Launch: reactivation" in drawn(picture, 80) and "├──" in drawn(picture, 140)
    assert all((folder / f"{slug}.yaml").exists() for slug in SCENARIOS)
    opened = read_inside(load({}, folder).private_webhooks)
    assert opened.opens("127.0.0.1", ["127.0.0.1"]) and opened.opens("localhost", ["::1"])
    assert not opened.opens("10.0.0.1", ["10.0.0.1"])
    with playing(Plan(folder, 20, 20_000.0), print) as play:  # what the earlier one left is replaced
        assert play.picture().people == 20
        with (
            pytest.raises(Conflict, match=r"in use by kaskad demo, process \d+"),
            playing(Plan(folder), print),
        ):
            pass
        assert play.picture().people == 20 and (folder / "people.csv").exists(), "nothing was taken from it"
    assert (folder / MARK).exists()


def test_what_an_earlier_demo_left_is_not_replaced_while_somebody_serves_it(tmp_path):
    (tmp_path / MARK).touch()
    with (
        held(tmp_path / "kaskad.db", "kaskad serve"),
        pytest.raises(Conflict, match="in use by kaskad serve"),
        playing(Plan(tmp_path), print),
    ):
        pass


def test_what_an_earlier_demo_left_stays_where_the_port_is_refused(tmp_path):
    (tmp_path / MARK).touch()
    (tmp_path / "kaskad.db").write_text("of before")
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(Conflict, match="Cannot listen on"),
        playing(Plan(tmp_path, 20, port=taken.getsockname()[1]), print),
    ):
        pass
    assert (tmp_path / "kaskad.db").read_text() == "of before"


def test_demos_begun_at_once_listen_at_ports_of_their_own():
    """Whoever has found a port keeps it: no other finds it free until it listens."""
    first, second = _listener(0), _listener(0)
    with first, second:
        one, other = first.getsockname()[1], second.getsockname()[1]
        assert one != other and other != PORT
        with pytest.raises(Conflict, match="Cannot listen on"):
            _listener(one)


def drawn(picture, width):
    console = Console(width=width, file=io.StringIO())
    console.print(as_panel(picture, width))
    return console.file.getvalue()


def test_the_command_ends_by_itself_and_says_where_everything_is(tmp_path, capsys):
    folder = tmp_path / "demo"
    assert run(["demo", "--folder", str(folder), "--people", "20", "--seconds", "2"]) == 0
    told = capsys.readouterr().out
    assert "under way" in told and f"cd {folder}" in told


def test_each_look_is_an_object_on_a_line_for_a_program(tmp_path, capsys):
    arguments = ["--folder", str(tmp_path / "demo"), "--people", "20", "--seconds", "2", "--json"]
    assert run(["demo", *arguments]) == 0
    looks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(looks) > 1
    assert list(looks[-1]["channels"]) == list(CHANNELS)
    assert {"sent", "reacted", "cost"} <= looks[-1]["channels"]["email"].keys()
    assert [each["cascade"] for each in looks[-1]["cascades"]] == list(SCENARIOS)
    assert looks[-1]["goals"] >= 0 and looks[-1]["people"] == 20
    assert "/sign-in?token=" in looks[0]["addresses"]["Status and reports"]


def test_a_log_gets_a_line_when_something_has_changed_and_ever_more_seldom(capsys):
    def picture(now, goals):
        return Picture(now, 3_600.0, [], 20, [], [], goals)

    screen = Screen()
    with screen.watching() as show:
        for now, goals in ((0, 0), (60_000, 0), (120_000, 1), (180_000, 1)):
            show(picture(now, goals))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["Thu 01 Jan 00:00 UTC", "Thu 01 Jan 00:02 UTC"]
    pauses_s = [*islice(screen.pauses_s(), 100)]
    assert pauses_s[0] == 5.0 and pauses_s == sorted(pauses_s) and pauses_s[-1] == 60.0
