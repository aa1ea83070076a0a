"""Somebody is told of a version whose stored text no longer reads; pages and commands go on."""

import pytest

from kaskad.actions import cascades
from kaskad.actions.watch import Watch
from kaskad.cli.root import run

CASCADE = """
cascade: worn
title: Worn
class: service
trigger: {event: worn.joined}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello}
"""


@pytest.fixture
def worn(site):
    """A running cascade whose text was damaged before the engine started."""
    office = site.service.office
    cascades.put(office, "worn", CASCADE)
    cascades.activate(office, "worn")
    with office.read() as tx:
        version = tx.one("cascade_by_slug", slug="worn")[3]
    write(office, version, "later")
    yield version
    write(office, version, CASCADE)


def write(office, version, text):
    office.write(lambda tx: tx.script(f"UPDATE versions SET source = '{text}' WHERE id = {version}"))
    office.write(lambda tx: office.engine.world.versions.pop(version, None))
    office.reload()


def test_an_alarm_says_which_and_why_and_pages_still_open(site, worn, capsys):
    (alarm,) = [each for each in site.api.get("/alarms")["items"] if each["kind"] == "unread"]
    assert alarm["name"] == "worn/1" and "begin with a unique name" in alarm["detail"]
    with site.client("owner") as client:
        assert "Version 1 of worn does not read: its runs wait" in client.get("/").text
        for path in ("/cascades", "/cascades/worn/versions", "/settings/alarms", "/settings/health?look=now"):
            assert client.get(path).status_code == 200, path
        for path in ("/cascades/worn", "/cascades/worn/guard", "/cascades/worn/edit"):
            assert client.get(path).status_code < 500, path
    run(["doctor", "--db", str(site.service.office.db.name)])
    assert "the text of worn" in capsys.readouterr().out
    Watch(site.service.office).look()


def test_it_is_over_once_the_text_reads(site, worn):
    write(site.service.office, worn, CASCADE)
    assert not [each for each in site.api.get("/alarms")["items"] if each["kind"] == "unread"]
