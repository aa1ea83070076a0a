"""The phones' pages: looking changes nothing, and one can be the person by plain forms."""

import re
import smtplib
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import httpx2
import pytest

from kaskad.sandbox.person import Person
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers import telegram, twilio
from support.world import ANN, BOB, Receiver, wait_for

BOT, VOICE = telegram.Keys(), twilio.Keys()
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def sandbox(start: Callable[..., Sandbox]) -> Sandbox:
    return start()


@pytest.fixture
def browser(sandbox: Sandbox) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=sandbox.http_url, follow_redirects=True, headers={"Accept-Language": "en"}
    ) as one:
        yield one


def mail_ann(sandbox: Sandbox, url: str) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "Shop <shop@example.org>", ANN.email
    message["Subject"] = f"Cart {EVIL}"
    message["List-Unsubscribe"] = f"<{url}/u/ann>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.add_alternative(
        f'<p onclick="x()">Hello</p>{EVIL}<a href="{url}/l/one">Cart</a><form action="/x"></form>'
        f'<img src="{url}/o/pixel" width="1" height="1">', subtype="html",
    )  # fmt: skip
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port) as client:
        client.send_message(message)


def chat(sandbox: Sandbox, text: str, **more: object) -> None:
    url = f"{sandbox.http_url}/telegram/bot{BOT.token}/sendMessage"
    assert httpx2.post(url, json={"chat_id": ANN.chat_id, "text": text, **more}).status_code == 200


def updates(sandbox: Sandbox) -> list[dict[str, object]]:
    answer = httpx2.get(f"{sandbox.http_url}/telegram/bot{BOT.token}/getUpdates")
    return list(answer.json()["result"])


def test_everybody_is_listed_and_found_in_both_languages(sandbox: Sandbox, browser: httpx2.Client) -> None:
    chat(sandbox, f"Hello {EVIL}")
    page = browser.get("/")
    assert ANN.name in page.text and BOB.name in page.text and "People" in page.text
    assert page.text.index(ANN.name) < page.text.index(BOB.name)  # something has just happened to her
    assert EVIL not in page.text and "&lt;script&gt;" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    found = browser.get("/?q=борис").text
    assert BOB.name in found and ANN.name not in found
    assert "Nobody found" in browser.get("/?q=zzz").text
    russian = browser.get("/?lang=ru").text
    assert "Люди" in russian and 'lang="ru"' in russian
    assert "Люди" in browser.get("/").text  # it is remembered


def test_many_people_come_in_pages(start: Callable[..., Sandbox]) -> None:
    crowd = [Person(f"p{number}", f"Person {number:03}") for number in range(120)]
    url = start(people=crowd).http_url
    pages = [httpx2.get(f"{url}/?page={number}").text for number in (1, 2, 3, 9)]
    assert [len(re.findall(r'id="p\d+"', page)) for page in pages] == [50, 50, 20, 20]


def test_looking_at_a_mail_opens_nothing_and_being_the_person_does(
    sandbox: Sandbox, browser: httpx2.Client, receiver: Receiver
) -> None:
    receiver.answers["/l/one"] = lambda _: (302, "https://shop.example.org/cart")
    mail_ann(sandbox, receiver.url)
    mail = sandbox.phones[0].mails[0]
    assert "You are only looking" in browser.get("/people/1/mails/1").text
    browser.get("/people/1/mails/1/body")
    browser.get("/people/1/mails/1/links/0")
    assert not mail.opened and not receiver.arrivals and not sandbox.phones[0].by_hand
    browser.post("/people/1/take")
    opened = browser.post("/people/1/mails/1/open")
    assert mail.opened and [one.path for one in receiver.arrivals] == ["/o/pixel"]
    assert "opened" in opened.text
    led = browser.post("/people/1/mails/1/follow", data={"url": f"{receiver.url}/l/one"})
    assert "it leads to https://shop.example.org/cart" in led.text
    assert "it leads to" in browser.get("/people/1/mails/1/links/0").text  # as a click in the frame does
    assert len(receiver.at("/l/one")) == 2 and sandbox.counts()["email"].reacted == 1
    browser.post("/people/1/mails/1/unsubscribe")
    assert receiver.at("/u/ann")[0].method == "POST"
    assert browser.post("/people/1/mails/1/follow", data={"url": "http://127.0.0.1:1/"}).status_code == 404


def test_a_mail_is_shown_without_what_could_harm(sandbox: Sandbox, browser: httpx2.Client) -> None:
    mail_ann(sandbox, "http://127.0.0.1:9")
    body = browser.get("/people/1/mails/1/body")
    assert "<p>Hello</p>" in body.text and "Cart</a>" in body.text
    assert not re.search(r"script|onclick|<form|/o/pixel|127\.0\.0\.1:9", body.text)
    policy = body.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-top-navigation-by-user-activation; default-src 'none'")
    assert EVIL not in browser.get("/people/1/mails/1").text


def test_one_presses_writes_and_blocks_as_the_person(sandbox: Sandbox, browser: httpx2.Client) -> None:
    keyboard = {
        "inline_keyboard": [
            [{"text": "Yes", "callback_data": "y"}, {"text": "Shop", "url": "https://shop.example.org"}]
        ]
    }
    chat(sandbox, "Ready?", reply_markup=keyboard)
    number = str(sandbox.phones[0].chats["telegram"].bubbles[0].id)
    browser.post("/people/1/chats/telegram/press", data={"number": number, "row": "0", "place": "0"})
    page = browser.post("/people/1/chats/telegram/press", data={"number": number, "row": "0", "place": "1"})
    assert "leads outside, to shop.example.org" in page.text
    page = browser.post("/people/1/chats/telegram/write", data={"text": "Later"})
    assert "Later" in page.text and "You are this person" in page.text
    assert "blocked" in browser.post("/people/1/chats/telegram/block").text
    kinds = [next(key for key in update if key != "update_id") for update in updates(sandbox)]
    assert kinds == ["callback_query", "message", "my_chat_member"]
    wrong = browser.post("/people/1/chats/telegram/press", data={"number": number, "row": "7", "place": "0"})
    assert wrong.status_code == 404


def test_one_answers_a_call_and_presses_a_key(
    sandbox: Sandbox, browser: httpx2.Client, receiver: Receiver
) -> None:
    browser.post("/people/1/take")
    receiver.answers["/keys"] = lambda _: (200, "<Response><Say>Thanks</Say></Response>")
    words = (
        f'<Response><Gather numDigits="1" action="{receiver.url}/keys"><Say>Press 1</Say></Gather></Response>'
    )
    httpx2.post(
        f"{sandbox.http_url}/twilio/2010-04-01/Accounts/{VOICE.sid}/Calls.json",
        auth=(VOICE.sid, VOICE.token),
        data={"To": ANN.phone, "From": VOICE.number, "Twiml": words},
    )
    call = wait_for(lambda: sandbox.phones[0].calls)[0]
    page = browser.get("/people/1?tab=robot_call").text
    assert "is calling" in page and "Decline" in page
    path = f"/people/1/calls/{call.sid}"
    browser.post(path, data={"deed": "answer"})
    wait_for(lambda: call.listening)
    assert "Hang up" in browser.get("/people/1").text
    browser.post(path, data={"deed": "1"})
    assert wait_for(lambda: receiver.at("/keys"))[0].form["Digits"] == "1"
    wait_for(lambda: call.status == "completed")
    page = browser.get("/people/1").text
    assert "pressed 1" in page and "Thanks" in page


def test_an_sms_is_answered_and_the_phone_given_back(
    sandbox: Sandbox, browser: httpx2.Client, receiver: Receiver
) -> None:
    browser.post("/people/1/sms", data={"text": "СТОП"})
    assert wait_for(lambda: receiver.at("/hooks/sms"))[0].form["mes"] == "СТОП"
    assert sandbox.phones[0].by_hand
    assert "The simulation plays this person" in browser.post("/people/1/release").text
    assert not sandbox.phones[0].by_hand


def test_another_site_cannot_play_people_and_nothing_else_is_there(
    sandbox: Sandbox, browser: httpx2.Client
) -> None:
    forged = browser.post("/people/1/chats/telegram/block", headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403 and not sandbox.phones[0].chats["telegram"].blocked
    for path in ("/people/9", "/people/1/mails/9", "/static/serve.py", "/people/1/calls/CA0"):
        assert browser.get(path).status_code in (404, 405)
    assert browser.get("/static/phones.css").headers["content-type"].startswith("text/css")
