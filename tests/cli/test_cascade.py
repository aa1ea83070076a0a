"""Cascades by commands: looked at, applied, launched, held, ended, reported and explained."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from kaskad.cli.root import run
from kaskad.config import Settings, load
from kaskad.domain.terms import Channel
from kaskad.store.courses import due
from kaskad.store.runs import of_contacts
from kaskad.web.service import Service, serving
from support.faults import until
from support.shop import equip, people, taking

CASCADE = """cascade: news
title: The news
class: service
goal: {event: purchase}
holdout: 0%
trigger: {broadcast: all}
steps:
  - {id: letter, channel: email, subject: News, text: "Hello {{ contact.name }}", wait: 1h}
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KASKAD_DATABASE", raising=False)
    (tmp_path / "news.yaml").write_text(CASCADE)
    assert run(["init"]) == 0
    return tmp_path


def here() -> Settings:
    return replace(load(), listen="127.0.0.1:0")


@pytest.fixture
def service(home) -> Iterator[Service]:
    with taking() as taker, serving(here(), "kaskad serve") as service:
        equip(service, taker.url, Channel.EMAIL)
        people(service, "ann", "bob", listed="vip")
        yield service


def said(capsys, *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == code
    shown = capsys.readouterr()
    return " ".join((shown.out + shown.err).split())


def told(capsys, *arguments: str, code: int = 0):
    capsys.readouterr()
    assert run([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_launch_is_planned_changed_and_called_off(service, capsys):
    said(capsys, "apply", "news.yaml", "--yes")
    at = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT10:00")
    assert "say when" in said(capsys, "launch", "news", "--list", "vip", "--own-clock", code=2)
    assert "That time is over" in said(
        capsys, "launch", "news", "--list", "vip", "--at", "2020-01-01T10:00", code=1
    )
    made = told(capsys, "launch", "news", "--list", "vip", "--at", at)
    change = ("launch", "news", "--change", made["id"], "--list", "vip", "--at", at, "--own-clock")
    assert f"{made['id']}: news begins at {at} by each person's own clock" in said(capsys, *change)
    assert "nobody enters by it any more" in said(capsys, "launch", "news", "--stop", made["id"])
    said(capsys, *change, code=1)


def test_a_cascade_goes_from_file_to_report(service, capsys):
    assert "There are no cascades" in said(capsys, "cascades")
    plan = said(capsys, "plan", "news.yaml")
    assert "+title: The news" in plan and "news becomes version 1." in plan
    assert told(capsys, "cascades") == []
    assert "give --yes" in said(capsys, "apply", "news.yaml", code=2)
    assert "news is at version 1." in said(capsys, "apply", "news.yaml", "--yes")
    assert "news runs just so already, as version 1." in said(capsys, "plan", "news.yaml")
    assert "Say whom it is for" in said(capsys, "launch", "news", code=1)
    begun = said(capsys, "launch", "news", "--list", "vip", "--pace", "100000/h", "--wait")
    assert begun.startswith("launch_1: news for 2 contacts")
    until(lambda: [line["sent"] for line in told(capsys, "report", "news")["lines"]] == [2])
    report = said(capsys, "report", "news")
    assert "The news" in report and "Entered 2 · 2 under way" in report
    assert "letter (email) 2 0 0 0 0 ₸30" in report and "Reach people" in report
    assert "news active 1 2 2 email" in said(capsys, "cascades")

    (first, second) = told(capsys, "runs", "list", "--cascade", "news")
    assert first["id"] in said(capsys, "runs", "list", "--contact", "ann")
    assert "… and more" in said(capsys, "runs", "list", "--limit", "1")
    assert "letter email email sent" in said(capsys, "runs", "show", first["id"])
    assert f"{first['id']} is cancelled." in said(capsys, "runs", "cancel", first["id"])
    assert "has ended already" in said(capsys, "runs", "cancel", first["id"], code=1)
    explained = said(capsys, "explain", first["id"], "--inputs")
    assert "letter (email by email) handed over" in explained and "ended, cancelled" in explained
    assert said(capsys, "explain", "bob@email.example.org").count("run_") == 1
    assert told(capsys, "explain", second["id"])[0]["doing"] == "sent"
    asked = said(capsys, "explain", "ann", "--cascade", "news")
    assert "address ann@email.example.org" in asked and "would not enter now: cooldown" in asked
    assert told(capsys, "explain", "bob", "--cascade", "news")["entry"] == "already in"

    assert "news is paused; 1 run keeps its place." in said(capsys, "pause", "news")
    assert "news goes on; 0 runs" in said(capsys, "resume", "news")
    assert "give --yes" in said(capsys, "stop", "news", code=2)
    assert "news is stopped; 1 run was cancelled." in said(capsys, "stop", "news", "--yes")
    assert "cancelled" in said(capsys, "report", "news", "--watch")  # it is over: the last report stands


def test_what_cannot_be_activated_ends_with_code_1(home, capsys):
    refused = said(capsys, "plan", "news.yaml", code=1)
    assert "uses email, which has no account" in refused
    assert "uses email, which has no account" in said(capsys, "apply", "news.yaml", "--yes", code=1)
    assert told(capsys, "cascades") == []
    (home / "news.yaml").write_text(CASCADE.replace("class: service", "class: servce"))
    assert "news.yaml:3:" in said(capsys, "plan", "news.yaml", code=1)
    for command in (["plan", "news.yaml"], ["apply", "news.yaml", "--yes"]):
        found = told(capsys, *command, code=1)
        assert found["ok"] is False and found["problems"][0]["line"] == 3
    assert "There is no cascade 'news': `kaskad cascades` shows them" in said(
        capsys, "report", "news", code=1
    )
    assert "There is no cascade 'news'" in said(capsys, "pause", "news", code=1)
    assert "`kaskad list show` shows them" in said(capsys, "list", "show", "nobodies", code=1)
    assert "`kaskad segment list` shows them" in said(capsys, "segment", "count", "nobodies", code=1)
    assert "nobody.yaml" in said(capsys, "plan", "nobody.yaml", code=2)


def test_without_a_server_what_is_asked_for_waits_for_one(home, capsys):
    with taking() as taker:
        with serving(here(), "kaskad serve") as service:
            equip(service, taker.url, Channel.EMAIL)
            people(service, "ann", listed="vip")
        assert "news is at version 1." in said(capsys, "apply", "news.yaml", "--yes")
        waits = said(capsys, "launch", "news", "--list", "vip")
        assert "it begins as soon as `kaskad serve` runs" in waits
        assert told(capsys, "runs", "list") == [] and taker.messages == []
        with serving(here(), "kaskad serve"):
            until(lambda: taker.messages)
        (only,) = told(capsys, "runs", "list")
        assert "will be cancelled as soon as" in said(capsys, "runs", "cancel", only["id"])
        with serving(here(), "kaskad serve"):
            until(lambda: told(capsys, "runs", "list", "--outcome", "cancelled"))


def test_counts_that_nobody_brings_up_to_date_are_told_to_be_old(home, capsys, monkeypatch):
    with taking() as taker, serving(here(), "kaskad serve") as service:
        equip(service, taker.url, Channel.EMAIL)
        people(service, "ann", "bob", listed="vip")
        said(capsys, "apply", "news.yaml", "--yes")
        said(capsys, "launch", "news", "--everybody")
        until(lambda: " 1 2 2 " in said(capsys, "cascades"))
        assert "not counted yet" not in said(capsys, "cascades")
        with service.db.read() as tx:
            runs = {(run.contact_id, run.id) for runs in of_contacts(tx, [1, 2]).values() for run in runs}
        service.engine.write(lambda tx: due(tx, runs)).result()
        monkeypatch.setattr("kaskad.analytics.courses.PIECE", 1)
        monkeypatch.setattr("kaskad.engine.counting._may_count", lambda tx: False)
        assert "2 runs or more have changed, and are not counted yet." in said(capsys, "cascades")
    assert "2 runs or more have changed, and are not counted yet: `kaskad serve` counts them." in said(
        capsys, "cascades"
    )
