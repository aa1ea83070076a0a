"""Steps that are due by a date: a forecast counts for whom they come too late as the engine does then."""

from datetime import UTC, datetime

import pytest

from engine.test_guards import directly
from kaskad.actions import forecast, launches
from kaskad.actions.audience import Audience
from kaskad.actions.simulate import Asked, prepared
from kaskad.domain.policy import HOUR
from kaskad.domain.terms import Channel
from kaskad.planning.scene import staged
from support.stage import Stage

EVERYBODY = Audience(everybody=True)
ENDING = """cascade: ending
class: service
trigger: {broadcast: all}
steps:
  - {id: hello, channel: email, subject: Hello, text: Hello, success: none}
  - {id: letter, channel: email, subject: s, text: Soon, at: {before: contact.ends, by: 24h}, success: none}
  - {id: last, channel: sms, text: Now, at: {before: contact.ends, by: 2h}, success: none}
  - {id: after, channel: email, subject: Over, text: Over, at: {after: contact.ends, by: 1h}, success: none}
"""


@pytest.fixture
def stage(either) -> Stage:
    return Stage(either)


def instant(stage, hours):
    return datetime.fromtimestamp((stage.clock.now() + hours * HOUR) / 1000, UTC).isoformat()


def sent(stage, steps):
    """Return how many messages of each step have gone."""
    return [len([one for one in stage.parcels if one.step == number]) for number in range(steps)]


def foretold(office, slug, **told):
    found = forecast.expect(office, slug, whom=EVERYBODY, **told)
    return found, [step.messages for step in found.steps]


def played(office, slug):
    ready = prepared(office, slug, Asked(whom=EVERYBODY))
    return [step.messages for step in staged(ready.scene).told.steps]


def test_whoever_has_no_date_or_one_that_is_over_is_not_expected_to_get_a_step(stage):
    """Forecast, simulation and engine say the same of everybody, step by step."""
    for number in range(24):
        ends = [None, -48, -1, 1, 12, 48, 72, 200][number % 8]
        attributes = {} if ends is None else {"ends": instant(stage, ends)}
        stage.person(f"p{number}", [Channel.EMAIL, Channel.SMS], attributes=attributes)
    stage.cascade(ENDING)
    office = directly(stage)
    told, expected = foretold(office, "ending")
    assert told.uncounted == () and told.messages == sum(expected)
    assert told.steps[1].passed["condition_false"] == 3, "who has no date"
    assert expected == played(office, "ending")
    launches.begin(office, "ending", EVERYBODY)
    stage.passes("12d")
    assert expected == sent(stage, 4)
