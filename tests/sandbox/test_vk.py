"""VK's API: `vk_api` as its client, the Callback API, and the real adapter over real sockets."""

import json
from collections.abc import Callable

import httpx2
import pytest
import vk_api
from vk_api.exceptions import ApiError
from vk_api.keyboard import VkKeyboard

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.vk import Keys
from support.world import Receiver, wait_for

KEYS = Keys()
HOOK = "/hooks/vk"
TYPELESS = '{"buttons":[[{"action":{"type":"text"}}]]}'


class Session(vk_api.VkApi):
    """Theirs, at the sandbox's address."""

    def __init__(self, sandbox: Sandbox, token: str = KEYS.token) -> None:
        super().__init__(token=token, api_version="5.199")
        http, place = self.http, sandbox.http_url
        post = http.post

        def here(url: str, *args: object, **more: object) -> object:
            assert url.startswith("https://api.vk.")
            return post(f"{place}/vk/method/" + url.partition("/method/")[2], *args, **more)

        http.post = here


@pytest.fixture
def sandbox(start: Callable[..., Sandbox], receiver: Receiver) -> Sandbox:
    def answer(arrival):
        kind = json.loads(arrival.body)["type"]
        return 200, KEYS.confirmation if kind == "confirmation" else "ok"

    receiver.answers[HOOK] = answer
    return start(servers=("vk",))


def events(receiver: Receiver, kind: str) -> list[dict]:
    told = [json.loads(each.body) for each in receiver.at(HOOK)]
    return [each for each in told if each["type"] == kind]


def test_vk_api_sends_a_message_and_hears_of_its_read_and_press(sandbox: Sandbox, receiver: Receiver) -> None:
    vk, ann = Session(sandbox).get_api(), sandbox.phones[0]
    keyboard = VkKeyboard(inline=True)
    keyboard.add_callback_button("Да", payload={"ack": 1})
    sent = vk.messages.send(peer_ids=2001, random_id=5, message="Готово?", keyboard=keyboard.get_keyboard())
    assert (sent[0]["peer_id"], sent[0]["conversation_message_id"]) == (2001, 1)
    bubble = ann.chats["vk"].bubbles[0]
    sandbox.do(lambda deeds: deeds.press(ann, bubble, bubble.buttons[0][0]))
    (press,) = wait_for(lambda: events(receiver, "message_event"))
    assert (press["object"]["payload"], press["secret"]) == ({"ack": 1}, KEYS.secret)
    (read,) = wait_for(lambda: events(receiver, "message_read"))
    assert (read["object"]["conversation_message_id"], read["object"]["from_id"]) == (1, 2001)
    assert len(events(receiver, "confirmation")) >= 1
    told = {"event_id": press["object"]["event_id"], "user_id": 2001, "peer_id": 2001}
    assert vk.messages.sendMessageEventAnswer(**told, event_data='{"type":"show_snackbar","text":"Да"}') == 1
    assert bubble.toast == "Да"


def test_the_same_random_id_brings_no_second_message(sandbox: Sandbox) -> None:
    vk = Session(sandbox).get_api()
    first, again = (vk.messages.send(peer_id=2001, random_id=77, message="x") for _ in range(2))
    other = vk.messages.send(peer_id=2001, random_id=78, message="x")
    assert first == again != other
    assert len(sandbox.phones[0].chats["vk"].bubbles) == 2


@pytest.mark.parametrize("told, code", [
    ({"peer_id": 2001, "message": "x"}, 100), ({"peer_id": 2001, "random_id": 1}, 100),
    ({"peer_id": 2001, "random_id": 1, "message": "x" * 9001}, 914),
    ({"peer_id": 2001, "random_id": 1, "message": "x", "keyboard": "{"}, 911),
    ({"peer_id": 2001, "random_id": 1, "message": "x", "keyboard": TYPELESS},
     911), ({"peer_id": 555, "random_id": 1, "message": "x"}, 901),
])  # fmt: skip
def test_what_the_service_refuses_is_refused(sandbox: Sandbox, told: dict, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        Session(sandbox).method("messages.send", told)
    assert caught.value.code == code


def test_a_wrong_token_and_a_missing_version_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ApiError) as caught:
        Session(sandbox, "other").method("messages.send", {"peer_id": 2001, "random_id": 1, "message": "x"})
    assert caught.value.code == 5
    asked = httpx2.post(f"{sandbox.http_url}/vk/method/messages.send", data={"access_token": KEYS.token})
    assert asked.json()["error"]["error_code"] == 8


def test_nobody_is_written_to_who_has_not_come_or_has_left(sandbox: Sandbox, receiver: Receiver) -> None:
    vk, ann = Session(sandbox).get_api(), sandbox.phones[0]
    sandbox.do(lambda deeds: deeds.block(ann, "vk"))
    wait_for(lambda: events(receiver, "message_deny"))
    sent = vk.messages.send(peer_ids="2001,2002", random_id=5, message="x")
    assert [one.get("error", {}).get("code") for one in sent] == [901, None]
    assert vk.messages.isMessagesFromGroupAllowed(group_id=KEYS.group_id, user_id=2001) == {"is_allowed": 0}
    sandbox.do(lambda deeds: deeds.start(ann, "vk", "Tok-1"))
    (new,) = wait_for(lambda: events(receiver, "message_new"))
    assert (new["object"]["message"]["ref"], new["object"]["message"]["text"]) == ("Tok-1", "Начать")
    assert vk.messages.send(peer_id=2001, random_id=6, message="x")


def test_an_event_is_told_until_it_is_answered_ok(sandbox: Sandbox, receiver: Receiver) -> None:
    usual, refusals = receiver.answers[HOOK], iter([(500, ""), (200, "")])
    receiver.answers[HOOK] = lambda arrival: (
        usual(arrival) if b'"confirmation"' in arrival.body else next(refusals, (200, "ok"))
    )
    ann = sandbox.phones[0]
    sandbox.do(lambda deeds: deeds.write(ann, "vk", "Привет"))
    wait_for(lambda: len(events(receiver, "message_new")) == 3)
    assert len({each["event_id"] for each in events(receiver, "message_new")}) == 1


@pytest.mark.parametrize("kind, code", [("throttle", 6), ("error", 10), ("reject", 914)])
def test_faults_are_told_in_the_services_words(sandbox: Sandbox, kind: str, code: int) -> None:
    sandbox.set_faults(Fault("vk", kind, left=1))
    answer = httpx2.post(f"{sandbox.http_url}/vk/method/messages.send", data={
        "access_token": KEYS.token, "v": "5.199", "peer_id": "2001", "random_id": "1", "message": "x",
    })  # fmt: skip
    assert answer.json()["error"]["error_code"] == code


def test_a_forged_event_comes_first_where_that_is_asked_for(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.set_faults(Fault("vk", "bad_signature", left=1))
    sandbox.do(lambda deeds: deeds.write(sandbox.phones[0], "vk", "Привет"))
    told = wait_for(lambda: len(events(receiver, "message_new")) == 2 and events(receiver, "message_new"))
    assert [each["secret"] for each in told] == ["another", KEYS.secret]
