"""Robot calls: Twilio's own client orders and looks at them, its validator checks what the sandbox signs."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.twilio import Keys
from support.twilio_client import client_of
from support.world import ANN, BOB, Arrival, Receiver, profile, wait_for

KEYS = Keys()
WORDS = "Здравствуйте. Нажмите 1, чтобы подтвердить, 9 — больше не звонить."
TWIML = (
    '<Response><Gather numDigits="1" action="{url}/hooks/keys" timeout="5"><Say>'
    + WORDS
    + "</Say></Gather></Response>"
)
EVENTS = ["initiated", "ringing", "answered", "completed"]
PRESSES = "{pick_up: {median: 1}, think: {median: 1}, presses: 1}"


def order(sandbox: Sandbox, receiver: Receiver, to: str = ANN.phone, **more: Any) -> Any:
    told = {
        "twiml": TWIML.format(url=receiver.url), "status_callback": f"{receiver.url}/hooks/status",
        "status_callback_event": EVENTS, **more,
    }  # fmt: skip
    return client_of(sandbox).calls.create(to=to, from_=KEYS.number, **told)


def statuses(receiver: Receiver) -> list[str]:
    """Return the statuses told, in the order of their sequence: callbacks may overtake each other."""
    told = sorted(
        (int(one.form["SequenceNumber"]), one.form["CallStatus"]) for one in receiver.at("/hooks/status")
    )
    return [status for _, status in told]


def ended(receiver: Receiver) -> bool:
    return bool({"completed", "busy", "no-answer", "failed", "canceled"} & set(statuses(receiver)))


def genuine(receiver: Receiver, one: Arrival) -> bool:
    signature = one.headers["x-twilio-signature"]
    url = receiver.url + one.path
    return bool(RequestValidator(KEYS.token).validate(url, one.form, signature))


def test_a_call_is_answered_heard_and_confirmed(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start(profile=profile(call=PRESSES), time_factor=20)
    receiver.answers["/hooks/keys"] = lambda _: (200, "<Response><Say>Спасибо</Say></Response>")
    call = order(sandbox, receiver)
    assert (call.status, call.to, call.price) == ("queued", ANN.phone, None)
    wait_for(lambda: ended(receiver))
    assert statuses(receiver) == ["queued", "ringing", "in-progress", "completed"]
    keys = receiver.at("/hooks/keys")[0]
    assert (keys.form["Digits"], keys.form["CallSid"]) == ("1", call.sid)
    assert all(genuine(receiver, one) for one in receiver.arrivals)
    assert sandbox.phones[0].calls[0].heard == [WORDS, "Спасибо"]
    after = client_of(sandbox).calls(call.sid).fetch()
    assert after.status == "completed" and int(after.duration) > 0 and after.price.startswith("-37.50")
    last = [one.form for one in receiver.at("/hooks/status") if one.form["CallStatus"] == "completed"]
    assert last[0]["CallDuration"] == after.duration
    assert (sandbox.counts()["robot_call"].received, sandbox.counts()["robot_call"].reacted) == (1, 1)


@pytest.mark.parametrize(
    ("habits", "status"),
    [
        ("{pick_up: {median: 1}, think: {median: 1}, busy: 1}", "busy"),
        ("{pick_up: {median: 1}, think: {median: 1}, no_answer: 1}", "no-answer"),
    ],
)
def test_who_does_not_answer_is_reported_so(
    start: Callable[..., Sandbox], receiver: Receiver, habits: str, status: str
) -> None:
    sandbox = start(profile=profile(call=habits), time_factor=100)
    call = order(sandbox, receiver, timeout=10)
    wait_for(lambda: ended(receiver))
    assert client_of(sandbox).calls(call.sid).fetch().status == status
    assert sandbox.counts()["robot_call"].received == 0


def test_a_number_of_nobody_fails(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start(time_factor=100)
    call = order(sandbox, receiver, to="+79000000999")
    wait_for(lambda: ended(receiver))
    assert client_of(sandbox).calls(call.sid).fetch().status == "failed"


MACHINE = "{pick_up: {median: 1}, think: {median: 1}, machine: 1}"


def test_a_machine_is_told_with_the_last_status_or_beside(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(profile=profile(call=MACHINE), time_factor=100)
    call = order(sandbox, receiver, machine_detection="Enable")
    wait_for(lambda: ended(receiver))
    assert client_of(sandbox).calls(call.sid).fetch().answered_by == "machine_start"
    completed = [one.form for one in receiver.at("/hooks/status") if one.form["CallStatus"] == "completed"]
    assert completed[0]["AnsweredBy"] == "machine_start"
    order(sandbox, receiver, to=BOB.phone, machine_detection="DetectMessageEnd", async_amd="true",
          async_amd_status_callback=f"{receiver.url}/hooks/amd")  # fmt: skip
    told = wait_for(lambda: receiver.at("/hooks/amd"))[0]
    assert told.form["AnsweredBy"] == "machine_end_beep" and genuine(receiver, told)


def test_words_may_come_from_an_address_and_lead_on(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(profile=profile(call=PRESSES), time_factor=100)
    receiver.answers["/twiml"] = lambda _: (
        200,
        "<Response><Say>Раз</Say><Redirect>/more</Redirect></Response>",
    )
    receiver.answers["/more"] = lambda _: (
        200,
        "<Response><Pause/><Say>Два</Say><Hangup/><Say>Три</Say></Response>",
    )
    call = client_of(sandbox).calls.create(to=ANN.phone, from_=KEYS.number, url=f"{receiver.url}/twiml")
    wait_for(lambda: client_of(sandbox).calls(call.sid).fetch().status == "completed")
    assert sandbox.phones[0].calls[0].heard == ["Раз", "Два"]
    assert all(genuine(receiver, one) for one in receiver.arrivals)


def test_a_call_can_be_cancelled_while_it_rings(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start()
    call = order(sandbox, receiver)
    wait_for(lambda: sandbox.phones[0].calls)
    assert client_of(sandbox).calls(call.sid).update(status="canceled").status == "canceled"
    wait_for(lambda: ended(receiver))
    assert statuses(receiver)[-1] == "canceled"
    with pytest.raises(TwilioRestException) as caught:
        client_of(sandbox).calls(call.sid).update(status="canceled")
    assert caught.value.code == 21220


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"to": "+7900"}, 21211),
        ({"from_": "+15005550001"}, 21210),
        ({"twiml": None}, 21205),
        ({"twiml": "<Response>" + "x" * 4000 + "</Response>"}, 21205),
        ({"status_callback": "hooks"}, 21609),
        ({"timeout": "soon"}, 20001),
        ({"status_callback_event": ["heard"]}, 21626),
    ],
)
def test_twilio_says_why_it_takes_no_call(
    start: Callable[..., Sandbox], given: dict[str, Any], code: int
) -> None:
    told = {"to": ANN.phone, "from_": KEYS.number, "twiml": "<Response/>", **given}
    with pytest.raises(TwilioRestException) as caught:
        client_of(start()).calls.create(**{name: value for name, value in told.items() if value is not None})
    assert (caught.value.status, caught.value.code) == (400, code)


def test_a_stranger_is_not_let_in_and_haste_is_refused(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start()
    with pytest.raises(TwilioRestException) as caught:
        client_of(sandbox, "f" * 32).calls.create(to=ANN.phone, from_=KEYS.number, twiml="<Response/>")
    assert (caught.value.status, caught.value.code) == (401, 20003)
    sandbox.set_faults(Fault("robot_call", "throttle", left=1))
    with pytest.raises(TwilioRestException) as caught:
        order(sandbox, receiver)
    assert (caught.value.status, caught.value.code) == (429, 20429)


def test_a_forged_callback_does_not_pass_the_validator(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(time_factor=100)
    sandbox.set_faults(Fault("robot_call", "bad_signature"))
    order(sandbox, receiver, timeout=5, status_callback_event=["completed"])
    wait_for(lambda: len(receiver.arrivals) == 2)
    assert [genuine(receiver, one) for one in receiver.arrivals] == [False, True]


def test_words_that_cannot_be_run_end_the_call_with_an_apology(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(profile=profile(call=PRESSES), time_factor=100)
    order(sandbox, receiver, twiml="<Response><Say>Раз</Say><Dance/></Response>")
    wait_for(lambda: ended(receiver))
    assert sandbox.phones[0].calls[0].heard == ["An application error has occurred. Goodbye."]


def test_an_unknown_call_is_not_found(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    url = f"{sandbox.http_url}/twilio/2010-04-01/Accounts/{KEYS.sid}/Calls/CA{'0' * 32}.json"
    answer = httpx2.get(url, auth=(KEYS.sid, KEYS.token))
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)
