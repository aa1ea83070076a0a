"""Templates as they are sent: each in the contact's language and zone, and as they were at activation."""

import pytest

from kaskad.domain.cascade import Content
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel
from kaskad.store import templates
from kaskad.store.templates import Kept
from support.stage import Stage

CASCADE = """
cascade: visits
class: transactional
trigger: {event: booked}
steps:
  - {id: text, channel: sms, template: visit, wait: 1h}
  - {id: again, channel: sms, text: "{{ trigger.at | date: 'd MMMM' }}", wait: 1h}
"""
RUSSIAN = "{{ contact.name }}: {{ trigger.at | date: 'd MMMM HH:mm' }}, {{ trigger.total | money: 'KZT' }}"
KAZAKH = "{{ contact.name }}, {{ trigger.at | date: 'd MMMM HH:mm' }}"
TOLD = {"at": "2026-12-31T21:30:00Z", "total": 12500}


def keep(stage, language, text, *, fallback=False):
    with stage.db.write() as tx:
        templates.put(tx, Kept("visit", Channel.SMS.code, language, fallback, Content(text=text), 1))


@pytest.fixture
def stage(either):
    stage = Stage(either)
    keep(stage, "ru", RUSSIAN, fallback=True)
    keep(stage, "kk", KAZAKH)
    stage.cascade(CASCADE)
    return stage


def texts(stage):
    return [parcel.outgoing.text for parcel in stage.parcels]


def test_each_reads_their_own_language_and_clock_and_others_the_fallback(stage):
    people = {
        "anna": ("ru", "Asia/Almaty"), "aigul": ("kk", "Asia/Almaty"), "john": ("en", "Europe/London"),
        "nobody": ("", None),
    }  # fmt: skip
    said = {}
    for name, (language, zone) in people.items():
        stage.parcels.clear()
        stage.event(stage.person(name, language=language, zone=zone), "booked", **TOLD)
        said[name] = texts(stage)
    assert said == {
        "anna": ["anna: 1 января 02:30, 12\u00a0500\u00a0₸"],
        "aigul": ["aigul, 1 қаңтар 02:30"],
        "john": ["john: 31 декабря 21:30, 12\u00a0500\u00a0₸"],
        "nobody": ["nobody: 31 декабря 21:30, 12\u00a0500\u00a0₸"],
    }


def test_a_step_s_own_words_are_in_the_reader_s_language_too(stage):
    stage.event(stage.person("aigul", language="kk", zone="Asia/Almaty"), "booked", **TOLD)
    stage.passes("1h")
    assert texts(stage)[1:] == ["1 қаңтар"]


def test_runs_keep_the_words_of_their_version(stage):
    ann = stage.person("ann", language="ru")
    keep(stage, "ru", "changed", fallback=True)
    stage.event(ann, "booked", **TOLD)
    assert texts(stage)[0].startswith("ann: ")
    stage.cascade(CASCADE)
    stage.parcels.clear()
    stage.event(stage.person("bob", language="ru"), "booked", **TOLD)
    assert texts(stage) == ["changed"]


def test_nothing_is_activated_without_its_template(either):
    stage = Stage(either)
    with pytest.raises(Invalid, match=r"steps\[0\].template: there is no template 'visit' for sms"):
        stage.cascade(CASCADE)
