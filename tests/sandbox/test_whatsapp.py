"""The WhatsApp Cloud API: pywa as its client, the 24 hours, approved texts, what is told of a message."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import pywa
from pywa import errors
from pywa.types import Button, URLButton
from pywa.types.templates import BodyText, QuickReplyButton, TemplateLanguage, TemplateStatus
from pywa.types.templates import URLButton as TemplateURLButton

from kaskad.domain.terms import Channel, Kind
from kaskad.providers.base import Account, Inbound, Receipt, Request, Response, TemplateNews
from kaskad.providers.whatsapp import WhatsApp as Adapter
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Phone
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.whatsapp import Keys, WhatsApp
from support.world import Arrival, Receiver, wait_for

KEYS = Keys()
ANN = "79000000001"
PRESSED = "ref" * 6 + ":yes"
ACCOUNT = Account(
    1, "whatsapp", "whatsapp", Channel.WHATSAPP, {"phone_number_id": KEYS.phone_number_id},
    {"app_secret": KEYS.app_secret},
)  # fmt: skip


@pytest.fixture
def world(start: Callable[..., Sandbox]) -> Sandbox:
    return start(servers=["whatsapp"], time_factor=50)


def client(sandbox: Sandbox, token: str = KEYS.access_token) -> pywa.WhatsApp:
    """Return pywa, whose calls to Meta go to the sandbox."""

    class Turned(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            turned = sandbox.http_url + "/whatsapp" + request.url.raw_path.decode()
            request.url = httpx.URL(turned)
            return super().handle_request(request)

    return pywa.WhatsApp(
        phone_id=KEYS.phone_number_id, token=token, session=httpx.Client(transport=Turned()),
        waba_id=KEYS.business_account_id, api_version=25.0,
    )  # fmt: skip


def ann(sandbox: Sandbox) -> Phone:
    return sandbox.phones[0]


def writes(sandbox: Sandbox, text: str = "Привет") -> None:
    """Ann writes to the business, which opens 24 hours."""
    sandbox.do(lambda deeds: deeds.write(ann(sandbox), "whatsapp", text))


def told(receiver: Receiver) -> list[Any]:
    """Return what Kaskad's own adapter reads in the webhooks that have come."""
    found: list[Any] = []
    for arrival in receiver.at("/hooks/whatsapp"):
        hook = Request("POST", "", arrival.headers, arrival.body)
        Adapter().verify_webhook(hook, ACCOUNT, 0)
        found += Adapter().read_webhook(hook, ACCOUNT)
    return found


def statuses(receiver: Receiver) -> list[str]:
    return [one.name for one in told(receiver) if isinstance(one, Receipt)]


def test_within_24_hours_pywa_sends_texts_files_and_buttons(world: Sandbox) -> None:
    writes(world)
    wa = client(world)
    assert wa.send_message(ANN, "Готово").id.startswith("wamid.")
    wa.send_image(ANN, "https://shop.example.org/1.jpg", caption="Корзина")
    wa.send_message(ANN, "Оформить?", buttons=[Button("Да", "yes"), Button("Нет", "no")])
    wa.send_message(ANN, "Сюда", buttons=URLButton("Открыть", "https://shop.example.org/"))
    shown = [bubble for bubble in ann(world).chats["whatsapp"].bubbles if not bubble.mine]
    assert [bubble.text for bubble in shown] == ["Готово", "Корзина", "Оформить?", "Сюда"]
    assert shown[1].media == (("image", "https://shop.example.org/1.jpg"),)
    assert [row[0].data for row in shown[2].buttons] == ["yes", "no"]
    assert shown[3].buttons[0][0].url == "https://shop.example.org/"


def test_a_free_text_to_who_has_not_written_fails_later(world: Sandbox, receiver: Receiver) -> None:
    client(world).send_message(ANN, "Готово", tracker="ref")
    failure = wait_for(lambda: told(receiver))[0]
    assert (failure.kind, failure.code, failure.reference) == (Kind.FAILED, "131047", "ref")
    assert ann(world).chats["whatsapp"].bubbles == []


def test_the_24_hours_end(world: Sandbox, receiver: Receiver) -> None:
    writes(world)
    chat = ann(world).chats["whatsapp"]
    world.call(lambda: setattr(chat, "said_at", chat.said_at - 24 * 3_600_000))
    client(world).send_message(ANN, "Готово")
    wait_for(lambda: [one for one in told(receiver) if getattr(one, "code", "") == "131047"])


def test_an_approved_text_arrives_at_any_time_well_filled(world: Sandbox, receiver: Receiver) -> None:
    client(world).send_template(
        ANN, "order_ready", TemplateLanguage.RUSSIAN, tracker="ref",
        params=[BodyText.params("Анна", "12 000 ₸"), TemplateURLButton.params(index=0, url_variable="t")],
    )  # fmt: skip
    (bubble,) = ann(world).chats["whatsapp"].bubbles
    assert bubble.text == "Анна, ваш заказ на 12 000 ₸ готов."
    assert bubble.buttons[0][0].url == f"{receiver.url}/l/t"
    wait_for(lambda: statuses(receiver) == ["sent", "delivered"])
    world.do(lambda deeds: deeds.read(ann(world), bubble))
    wait_for(lambda: statuses(receiver) == ["sent", "delivered", "read"])
    first = told(receiver)[0]
    assert (first.reference, first.detail) == ("ref", "utility, regular")


def test_answers_in_the_window_are_free(world: Sandbox, receiver: Receiver) -> None:
    writes(world)
    client(world).send_message(ANN, "Да")
    wait_for(lambda: "delivered" in statuses(receiver))
    report = next(one for one in told(receiver) if isinstance(one, Receipt))
    assert report.detail == "service, free_customer_service"


@pytest.mark.parametrize(("name", "language", "params", "wanted"), [
    ("no_such_text", TemplateLanguage.RUSSIAN, [], errors.TemplateNotExists),
    ("order_ready", TemplateLanguage.GERMAN, [], errors.TemplateNotExists),
    ("new_year", TemplateLanguage.RUSSIAN, [BodyText.params("Анна")], errors.TemplateNotExists),
    ("order_ready", TemplateLanguage.RUSSIAN, [BodyText.params("Анна")], errors.TemplateParamCountMismatch),
    ("order_ready", TemplateLanguage.RUSSIAN, [BodyText.params("a", "1")], errors.MissingRequiredParameter),
    ("autumn_sale", TemplateLanguage.RUSSIAN, [BodyText.params("Анна")], errors.TemplatePaused),
    ("visit", TemplateLanguage.ENGLISH_US, [BodyText.params(name="a", other="b")],
     errors.TemplateParamFormatMismatch),
])  # fmt: skip
def test_what_is_not_approved_or_wrongly_filled_is_refused(
    world: Sandbox, name: str, language: Any, params: list[Any], wanted: type[Exception]
) -> None:
    with pytest.raises(wanted):
        client(world).send_template(ANN, name, language, params=params)


def test_named_places_are_filled_by_their_names(world: Sandbox) -> None:
    params = [BodyText.params(day="Monday", name="Ann")]
    client(world).send_template(ANN, "visit", TemplateLanguage.ENGLISH_US, params=params)
    assert ann(world).chats["whatsapp"].bubbles[0].text == "Ann, see you on Monday."


def test_the_texts_are_listed_in_pages_to_pywa_and_to_kaskad(world: Sandbox) -> None:
    listed = {(text.name, str(text.language)) for text in client(world).get_templates()}
    assert ("order_ready", "ru") in listed and ("visit", "en_US") in listed
    settings = {"business_account_id": KEYS.business_account_id, "base_url": f"{world.http_url}/whatsapp"}
    account = Account(1, "w", "whatsapp", Channel.WHATSAPP, settings, {"access_token": KEYS.access_token})
    found, cursor = [], ""
    for _ in range(20):
        request = Adapter().templates_request(account, cursor)
        assert request is not None
        answer = httpx.get(request.url.replace("limit=100", "limit=4"), headers=dict(request.headers))
        page, cursor = Adapter().read_templates(_response(answer))
        found += page
        if not cursor:
            break
    assert {(text.name, text.language) for text in found} == listed
    ready = next(text for text in found if (text.name, text.language) == ("order_ready", "ru"))
    assert ready.parameters == ("1", "2") and ready.buttons[0].url.endswith("/l/{{1}}")


def _response(answer: httpx.Response) -> Response:
    return Response(answer.status_code, dict(answer.headers), answer.content)


def test_a_new_text_is_reviewed_and_a_paused_one_is_told(world: Sandbox, receiver: Receiver) -> None:
    url = f"{world.http_url}/whatsapp/v25.0/{KEYS.business_account_id}/message_templates"
    headers = {"Authorization": f"Bearer {KEYS.access_token}"}
    body = {"name": "spring", "language": "ru", "category": "marketing",
            "components": [{"type": "BODY", "text": "{{1}}, весна!"}]}  # fmt: skip
    assert httpx.post(url, json=body, headers=headers).json()["status"] == TemplateStatus.PENDING
    news = [one for one in wait_for(lambda: told(receiver)) if isinstance(one, TemplateNews)]
    assert [(one.name, one.word) for one in news] == [("spring", "APPROVED")]
    client(world).send_template(ANN, "spring", TemplateLanguage.RUSSIAN, params=[BodyText.params("Анна")])
    server = world.server(WhatsApp)
    world.call(lambda: server.review("spring", "ru", "PAUSED"))
    wait_for(lambda: [one for one in told(receiver) if getattr(one, "word", "") == "PAUSED"])
    with pytest.raises(errors.TemplatePaused):
        client(world).send_template(ANN, "spring", TemplateLanguage.RUSSIAN, params=[BodyText.params("Анна")])


def test_presses_and_words_come_with_the_message_that_they_answer(world: Sandbox, receiver: Receiver) -> None:
    wa = client(world)
    sent = wa.send_template(
        ANN, "cart_reminder", TemplateLanguage.RUSSIAN,
        params=[BodyText.params("Анна", "чайник"), QuickReplyButton.params(index=0, callback_data=PRESSED)],
    )  # fmt: skip
    (bubble,) = ann(world).chats["whatsapp"].bubbles
    world.do(lambda deeds: deeds.press(ann(world), bubble, bubble.buttons[0][0]))
    world.do(lambda deeds: deeds.write(ann(world), "whatsapp", "Да", answers=bubble))
    acts = (Kind.CLICKED, Kind.REPLIED)
    wait_for(lambda: len([one for one in told(receiver) if one.kind in acts]) == 2)
    press, reply = sorted((one for one in told(receiver) if one.kind in acts), key=lambda one: one.kind)
    assert (press.reference, press.key, press.provider_id) == ("ref" * 6, "yes", sent.id)
    assert isinstance(reply, Inbound) and (reply.text, reply.provider_id) == ("Да", sent.id)
    wa.send_message(ANN, "Пишу, раз вы ответили")  # the press has opened the 24 hours
    assert ann(world).chats["whatsapp"].bubbles[-1].text == "Пишу, раз вы ответили"


def test_a_link_of_wa_me_opens_the_chat_with_its_text(world: Sandbox, receiver: Receiver) -> None:
    settings = {"phone": KEYS.phone}
    link = Adapter().opt_in_link(Account(1, "w", "whatsapp", Channel.WHATSAPP, settings), "a" * 32)
    server = world.server(WhatsApp)
    payload = server.start_of(link)
    assert payload == f"/start {'a' * 32}" and server.start_of("https://wa.me/1?text=x") is None
    world.do(lambda deeds: deeds.start(ann(world), "whatsapp", payload, server))
    (started,) = wait_for(lambda: told(receiver))
    assert (started.kind, started.text) == (Kind.STARTED, "a" * 32)


def test_refusals_are_those_of_the_service(world: Sandbox) -> None:
    with pytest.raises(errors.ExpiredAccessToken):
        client(world, "another").send_message(ANN, "a")
    url = f"{world.http_url}/whatsapp/v25.0/{KEYS.phone_number_id}/messages"
    headers = {"Authorization": f"Bearer {KEYS.access_token}"}
    for body, code in (
        ({"messaging_product": "whatsapp", "to": ANN, "type": "text"}, 131008),
        ({"messaging_product": "whatsapp", "to": ANN, "type": "poll", "poll": {}}, 131051),
        ({"messaging_product": "whatsapp", "to": ANN, "type": "text", "text": {"body": "я" * 4097}}, 131009),
        ({"messaging_product": "whatsapp", "to": ANN, "type": "interactive", "interactive": {
            "type": "button", "body": {"text": "?"}, "action": {"buttons": []}}}, 131009),
    ):  # fmt: skip
        answer = httpx.post(url, json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text
    assert httpx.post(url, content=b"[", headers=headers).json()["error"]["code"] == 100
    other = httpx.post(url.replace(KEYS.phone_number_id, "7"), json={}, headers=headers).json()["error"]
    assert (other["code"], other["error_subcode"]) == (100, 33)


def test_a_file_gets_an_id_that_a_message_may_name(world: Sandbox) -> None:
    writes(world)
    url = f"{world.http_url}/whatsapp/v25.0/{KEYS.phone_number_id}/media"
    headers = {"Authorization": f"Bearer {KEYS.access_token}"}
    files = {"file": ("1.jpg", b"\xff\xd8", "image/jpeg")}
    media = httpx.post(url, data={"messaging_product": "whatsapp"}, files=files, headers=headers).json()["id"]
    client(world).send_image(ANN, media)
    assert ann(world).chats["whatsapp"].bubbles[-1].media == (("image", media),)


def test_an_address_is_taken_once_it_answers_the_challenge(world: Sandbox, receiver: Receiver) -> None:
    settings = {name: str(value) for name, value in WhatsApp.settings(world.place).items()}
    account = Account(1, "whatsapp", "whatsapp", Channel.WHATSAPP, settings)
    url = f"{receiver.url}/hooks/whatsapp"

    def set_up() -> httpx.Response:
        (request,) = Adapter().setup_requests(account, url)
        return httpx.post(request.url, content=request.body, headers=dict(request.headers))

    assert set_up().json()["error"]["code"] == 2200  # the receiver answers with nothing
    receiver.answers["/hooks/whatsapp"] = lambda arrival: (200, _challenge(arrival, account))
    assert set_up().json() == {"success": True}
    assert world.server(WhatsApp).addresses == [url]


def _challenge(arrival: Arrival, account: Account) -> str:
    return Adapter().answer_look(Request("GET", f"http://k.example.org{arrival.path}"), account)[1].decode()


def test_who_is_not_on_whatsapp_or_has_blocked_us_is_told_later(world: Sandbox, receiver: Receiver) -> None:
    client(world).send_template("15550177", "hello_world", TemplateLanguage.ENGLISH_US)
    world.do(lambda deeds: deeds.block(ann(world), "whatsapp"))
    client(world).send_template(ANN, "hello_world", TemplateLanguage.ENGLISH_US)
    wait_for(lambda: [one.code for one in told(receiver)] == ["131026", "131026"])


@pytest.mark.parametrize(("kind", "wanted"), [
    ("throttle", errors.RateLimitHit), ("error", errors.UnknownError), ("reject", errors.InvalidParameter),
])  # fmt: skip
def test_faults_answer_in_the_services_words(world: Sandbox, kind: str, wanted: type[Exception]) -> None:
    world.set_faults(Fault("whatsapp", kind, left=1))
    with pytest.raises(wanted):
        client(world).send_template(ANN, "hello_world", TemplateLanguage.ENGLISH_US)


def test_a_rejected_advertisement_is_the_limit_of_advertising(world: Sandbox, receiver: Receiver) -> None:
    world.set_faults(Fault("whatsapp", "reject", left=1))
    client(world).send_template(
        ANN, "cart_reminder", TemplateLanguage.RUSSIAN, params=[BodyText.params("Анна", "чайник")]
    )
    wait_for(lambda: [one.code for one in told(receiver)] == ["131049"])
    assert ann(world).chats["whatsapp"].bubbles == []


def test_reports_come_twice_late_and_badly_signed(world: Sandbox, receiver: Receiver) -> None:
    world.set_faults(Fault("whatsapp", "duplicate", left=1), Fault("whatsapp", "bad_signature", left=1))
    receiver.answers["/hooks/whatsapp"] = lambda arrival: (200, "")
    client(world).send_template(ANN, "hello_world", TemplateLanguage.ENGLISH_US)
    arrivals = wait_for(lambda: (found := receiver.at("/hooks/whatsapp")) and len(found) == 4 and found)
    bodies = [
        json.loads(each.body)["entry"][0]["changes"][0]["value"]["statuses"][0]["status"] for each in arrivals
    ]
    assert sorted(bodies) == ["delivered", "delivered", "sent", "sent"]
    good = [each.headers["x-hub-signature-256"] for each in arrivals]
    assert len(set(good)) == 3  # sent twice alike; delivered once wrongly and once rightly
