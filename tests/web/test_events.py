"""Events over HTTP: who may send them, what is taken, and how problems are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from kaskad.domain.errors import Unavailable
from kaskad.domain.event import ContactRef, EventIn
from kaskad.web import events
from kaskad.web.auth import Keys, Unknown

NOW = 1_790_000_000_000
BEARER = {"Authorization": "Bearer a-key-of-twenty-characters"}
CART = {"id": "e1", "name": "cart_abandoned", "contact": {"email": "ann@example.org"}}


def post(site, value, headers=BEARER):
    body = value if isinstance(value, bytes) else json.encode(value)
    return site.call("POST", "/api/v1/events", body, headers)


def pointers(answer):
    return [problem.get("pointer", "") for problem in answer.json()["problems"]]


def test_a_single_event_is_taken_with_its_instant_in_milliseconds(site):
    event = {**CART, "at": "2026-11-22T15:00:00.5+05:00", "properties": {"total": 12.5, "имя": ["ё", None]}}
    answer = post(site, event)
    assert (answer.status, answer.json()) == (202, {"accepted": 1})
    (taken,) = site.intake.told[0][1]
    assert taken == EventIn(
        "e1", "cart_abandoned", ContactRef(email="ann@example.org"), 1_795_341_600_500,
        {"total": 12.5, "имя": ["ё", None]},
    )  # fmt: skip


def test_an_event_without_an_instant_is_of_now(site):
    post(site, CART)
    assert site.intake.told[0][1][0].at == NOW


def test_many_events_are_taken_at_once_and_stored_together(site):
    answer = post(site, [{**CART, "id": str(number)} for number in range(1000)])
    assert (answer.status, answer.json()) == (202, {"accepted": 1000})
    assert len(site.intake.told) == 1
    assert post(site, []).json() == {"accepted": 0}
    assert post(site, [CART] * 10_001).status == 422


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a-key-of-twenty-character"},
        {"Authorization": "Basic a-key-of-twenty-characters"},
        {"Authorization": "Bearer \xff"},
    ],
)
def test_without_the_right_key_nothing_is_taken(site, headers):
    answer = post(site, CART, headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert site.intake.told == []


def test_without_a_key_in_the_settings_the_api_is_closed():
    closed = Keys(None, "")
    for header in ("Bearer ", "Bearer x", ""):
        with pytest.raises(Unknown):
            closed.check(header, "events:write")


def test_every_problem_of_every_event_is_told_with_its_place_and_nothing_is_taken(site):
    answer = post(
        site,
        [
            CART,
            {"id": "", "contact": {"email": 3, "who": "x"}, "at": "2026-11-22T15:00:00"},
            "event",
            {**CART, "properties": [], "naem": "x", "contact": None},
        ],
    )
    assert answer.status == 422
    assert sorted(pointers(answer)) == [
        "/1/at", "/1/contact/email", "/1/contact/who", "/1/id", "/1/name",
        "/2",
        "/3/contact", "/3/naem", "/3/properties",
    ]  # fmt: skip
    assert all(problem["detail"] for problem in answer.json()["problems"])
    assert site.intake.told == []


def test_a_contact_that_is_not_named_and_a_text_that_cannot_be_stored_are_refused(site):
    answer = post(site, [{**CART, "contact": {}}, {**CART, "properties": {"a": [{"b\0": 1}]}}])
    assert (answer.status, pointers(answer)) == (422, ["/0/contact", "/1"])
    assert post(site, {**CART, "properties": {"a": "\\u0000"}}).status == 202


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"id": "\\ud800"}', b"nul", b"[" * 100_000])
def test_what_is_no_json_is_refused_in_words(site, body):
    answer = post(site, body)
    assert answer.status in (400, 422)
    assert b"JSON" in answer.body
    assert site.intake.told == []


def test_events_that_the_engine_refuses_are_named_and_the_others_are_taken(site):
    site.intake.refusals = {"e2": "There is no such contact."}
    answer = post(site, [CART, {**CART, "id": "e2"}])
    assert (answer.status, answer.json()) == (
        202,
        {"accepted": 1, "refused": [{"index": 1, "id": "e2", "detail": "There is no such contact."}]},
    )
    answer = post(site, {**CART, "id": "e2"})
    assert (answer.status, pointers(answer)) == (422, [""])


def test_events_that_could_not_be_stored_are_not_answered_2xx(site):
    site.intake.error = Unavailable("locked")
    assert post(site, CART).status == 503


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*events.Event.__struct_fields__, *CART["contact"], "x/~y"]), inner, max_size=6
        )
    ),
    max_leaves=12,
)


@given(TREES)
def test_a_body_is_either_read_or_has_problems_to_tell(value):
    body = json.encode(value)
    try:
        events.read_events(body)
    except events.msgspec.ValidationError:
        assert events.find_problems(body)
    else:
        assert events.find_problems(body) == []
