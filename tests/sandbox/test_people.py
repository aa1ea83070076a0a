"""What people do: by the profile's shares, the same for the same seed, never when played by hand."""

import random
import time
from collections.abc import Callable

import httpx2
import pytest

from kaskad.domain.errors import Invalid
from kaskad.sandbox.person import Person, Sms
from kaskad.sandbox.profile import default_profile, draw_temper, read_profile
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.telegram import Keys
from kaskad.sandbox.twiml import offered_keys
from support.world import Receiver, profile, wait_for

TOKEN = Keys().token
MANY = [Person(f"p{number}", f"Person {number}", chat_id=str(5000 + number)) for number in range(200)]
REACT = "{{react: {{median: 1}}, {}}}"


def write(sandbox: Sandbox, chat_id: str, **more: object) -> None:
    told = {"chat_id": chat_id, "text": "Ваша корзина ждёт", **more}
    httpx2.post(f"{sandbox.http_url}/telegram/bot{TOKEN}/sendMessage", json=told)


def updates(sandbox: Sandbox) -> list[dict[str, object]]:
    answer = httpx2.get(f"{sandbox.http_url}/telegram/bot{TOKEN}/getUpdates")
    return list(answer.json()["result"])


def who_reacts(sandbox: Sandbox) -> set[str]:
    with httpx2.Client() as client:
        url = f"{sandbox.http_url}/telegram/bot{TOKEN}/sendMessage"
        for person in MANY:
            client.post(url, json={"chat_id": person.chat_id, "text": "Ждёт", "reply_markup": KEYBOARD})
    wanted = sandbox.counts
    last = -1
    while last != (last := wanted()["telegram"].reacted):
        wait_for(lambda: updates(sandbox) or True)
    return {
        phone.person.key
        for phone in sandbox.phones
        if phone.chats["telegram"].bubbles and phone.chats["telegram"].bubbles[0].reacted
    }


KEYBOARD = {"inline_keyboard": [[{"text": "Да", "callback_data": "yes"}]]}


def test_the_same_seed_moves_the_same_people_and_as_many_as_the_profile_says(
    start: Callable[..., Sandbox],
) -> None:
    half = profile(chat=REACT.format("reacts: 0.5"))
    everybody = {"people": MANY, "profile": half, "time_factor": 1000}
    first, second = who_reacts(start(**everybody)), who_reacts(start(**everybody))
    assert first == second
    assert 75 <= len(first) <= 125  # 100 of 200, give or take three and a half deviations
    assert who_reacts(start(**everybody, seed=2)) != first


def test_a_press_comes_as_a_callback_query(start: Callable[..., Sandbox]) -> None:
    sandbox = start(profile=profile(chat=REACT.format("reacts: 1")), time_factor=10)
    write(sandbox, "1001", reply_markup=KEYBOARD)
    query = wait_for(lambda: updates(sandbox))[0]["callback_query"]
    assert (query["data"], query["from"]["id"], query["message"]["chat"]["id"]) == ("yes", 1001, 1001)


def test_stop_and_a_block_are_no_reactions(start: Callable[..., Sandbox]) -> None:
    stops = start(profile=profile(chat=REACT.format("says_stop: 1")), time_factor=10)
    write(stops, "1001")
    assert wait_for(lambda: updates(stops))[0]["message"]["text"] == "STOP"  # Ann reads English
    blocks = start(profile=profile(chat=REACT.format("blocks: 1")), time_factor=10)
    write(blocks, "1002")
    member = wait_for(lambda: updates(blocks))[0]["my_chat_member"]
    assert (member["old_chat_member"]["status"], member["new_chat_member"]["status"]) == ("member", "kicked")
    for sandbox in (stops, blocks):
        counts = sandbox.counts()["telegram"]
        assert (counts.received, counts.reacted, counts.stopped) == (1, 0, 1)


def test_who_is_played_by_hand_does_nothing_alone(start: Callable[..., Sandbox]) -> None:
    sandbox = start(profile=profile(chat="{react: {median: 4, least: 4}, reacts: 1}"), time_factor=2)
    ann, bob = sandbox.phones
    write(sandbox, "1001")
    sandbox.call(lambda: setattr(ann, "by_hand", True))  # taken over while she thinks, two seconds
    write(sandbox, "1002")
    wait_for(lambda: bob.chats["telegram"].bubbles[0].reacted)
    time.sleep(2)  # far longer than she thinks
    assert [update["message"]["from"]["id"] for update in updates(sandbox)] == [1002]
    assert not ann.chats["telegram"].bubbles[0].reacted


def test_people_never_leave_the_machine(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start()
    reaches = sandbox.deeds.outbox.reaches
    assert reaches(f"{receiver.url}/l/1") and reaches("http://127.0.0.1:1/") and reaches("http://localhost/")
    assert (
        not reaches("https://shop.example.org/cart") and not reaches("ftp://127.0.0.1/") and not reaches("x")
    )
    assert not reaches("http://127.0.0.1.example.org/") and not reaches("http://10.0.0.1/")


def test_the_default_profile_is_that_of_the_articles_and_says_so() -> None:
    found = default_profile()
    assert (round(found.mail.clicks + found.mail.replies, 3), found.chat.reacts) == (0.2, 0.5)
    assert found.sms.reacts == 0.375
    call = found.call  # 40 % confirm, or listen to the end
    away = call.busy + call.no_answer + call.machine + call.refuses + call.hangs_up
    assert round(1 - away, 3) == 0.4


def test_tempers_follow_their_shares() -> None:
    usual = default_profile()
    found = [draw_temper(usual, random.Random(f"1:{number}"))[0] for number in range(4000)]
    scanned = sum(temper.scanned for temper in found)
    assert 140 <= scanned <= 260  # 5 %
    assert 15 <= sum(temper.mailbox == "missing" for temper in found) <= 70  # 1 %


def test_all_problems_of_a_profile_are_told() -> None:
    text = """
mail: {open: {median: 0}, click: {median: 1}, opens: 0.9, clicks: 0.2}
chat: {react: {median: 1}, reacts: 2}
sms: {deliver: {median: 1}, react: {median: 1}}
call: {pick_up: {median: 1}, think: {median: 1}}
"""
    with pytest.raises(Invalid) as caught:
        read_profile(text, "mine.yaml")
    assert [problem.partition(": ")[2].partition(":")[0] for problem in caught.value.problems] == [
        "mail.open", "chat.reacts", "mail", "chat"
    ]  # fmt: skip
    with pytest.raises(Invalid, match="unknown field `open_rate`"):
        read_profile(text.replace("opens: 0.9", "open_rate: 1"), "mine.yaml")


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (
            "Нажмите 1, чтобы подтвердить, 2, чтобы поговорить с человеком, 9, чтобы больше не звонили.",
            ("1", "9"),
        ),
        ("Press 1 and we keep it, 2 to talk to a person, 9 never to be called again.", ("1", "9")),
        ("Здравствуйте. Ваш заказ 15 готов.", ("", "")),
        ("Нажмите один, чтобы подтвердить.", ("", "")),
    ],
)
def test_a_listener_knows_which_keys_are_offered(words: str, keys: tuple[str, str]) -> None:
    assert offered_keys(words) == keys


def test_a_link_to_the_bot_starts_it_and_nobody_is_written_to_before(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(people=[Person("eve", "Eve", "eve@example.org", "+79000000003")])
    eve = sandbox.phones[0]
    write(sandbox, eve.chats["telegram"].address)
    assert eve.chats["telegram"].bubbles == []
    receiver.answers["/l/1"] = lambda _: (302, "https://t.me/kaskad_sandbox_bot?start=tok-1")
    sms = Sms(1, 0, f"Напишите нам: {receiver.url}/l/1", "Shop")
    eve.texts.append(sms)
    sandbox.do(lambda deeds: deeds.follow(eve, sms, f"{receiver.url}/l/1"))
    message = updates(sandbox)[0]["message"]
    assert (message["text"], str(message["chat"]["id"])) == ("/start tok-1", eve.chats["telegram"].address)
    write(sandbox, eve.chats["telegram"].address)
    assert [bubble.mine for bubble in eve.chats["telegram"].bubbles] == [True, False]
