"""The texts that WhatsApp approves: the pages that list them, and the webhooks that tell their changes."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Reason, TemplateState
from kaskad.providers import whatsapp_templates as templates
from kaskad.providers.base import Account, Response, ServiceButton

ACCOUNT = Account(
    1, "wa", "whatsapp", Channel.WHATSAPP, {"business_account_id": "102290129340398"}, {"access_token": "EAA"}
)
PROMO = {  # https://github.com/facebook/openapi: GET /{WABA-ID}/message_templates
    "category": "MARKETING",
    "components": [
        {"format": "TEXT", "text": "Fall Sale", "type": "HEADER"},
        {
            "example": {"body_text": [["Mark", "FALL25"]]},
            "text": "Hi {{1}}, our Fall Sale is on! Use promo code {{2}} Get an extra 25% off!",
            "type": "BODY",
        },
        {"text": "Not interested? Tap Stop Promotions", "type": "FOOTER"},
        {"buttons": [{"text": "Stop promotions", "type": "QUICK_REPLY"}], "type": "BUTTONS"},
    ],
    "id": "920070352646140",
    "language": "en_US",
    "name": "2023_april_promo",
    "status": "APPROVED",
}
RESERVATION = {  # the same list as the page on template management shows it, with named places
    "name": "reservation_confirmation",
    "parameter_format": "NAMED",
    "components": [
        {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://example.org/1.jpg"]}},
        {"type": "BODY", "text": "Your reservation for {{number_of_guests}} on {{day}}, {{day}} it is."},
        {"type": "BUTTONS", "buttons": [
            {"type": "URL", "text": "Change it", "url": "https://k.example.org/l/{{1}}"},
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "15550100"},
        ]},
    ],
    "language": "en_US",
    "status": "PENDING",
    "category": "UTILITY",
    "id": "1",
}  # fmt: skip


def read(*data, status=200, **more):
    return templates.read_templates(Response(status, {}, json.dumps({"data": data, **more}).encode()))


def test_the_first_page_is_asked_for_and_the_next_by_its_cursor():
    first = templates.templates_request(ACCOUNT, "")
    assert first.method == "GET" and first.headers == {"Authorization": "Bearer EAA"} and first.body == b""
    address = urlsplit(first.url)
    assert address.path == "/v25.0/102290129340398/message_templates"
    assert parse_qs(address.query) == {"fields": [templates.FIELDS], "limit": ["100"]}
    second = templates.templates_request(ACCOUNT, "MjQZD==&x")
    assert parse_qs(urlsplit(second.url).query)["after"] == ["MjQZD==&x"]


def test_an_account_that_does_not_name_its_business_is_not_asked():
    assert templates.templates_request(Account(1, "wa", "whatsapp", Channel.WHATSAPP), "") is None


def test_a_page_tells_texts_and_where_the_next_begins():
    paging = {"cursors": {"before": "MA", "after": "Mj"}, "next": "https://graph.facebook.com/…"}
    (promo, reservation), cursor = read(PROMO, RESERVATION, paging=paging)
    assert cursor == "Mj"
    assert (promo.name, promo.language, promo.category) == ("2023_april_promo", "en_US", "marketing")
    assert promo.state is TemplateState.APPROVED and promo.word == "APPROVED"
    assert (promo.header, promo.header_text, promo.header_parameters) == ("text", "Fall Sale", ())
    assert promo.parameters == ("1", "2") and not promo.named
    assert promo.footer.startswith("Not") and promo.buttons == (
        ServiceButton("quick_reply", "Stop promotions"),
    )
    assert reservation.state is TemplateState.PENDING and reservation.header == "image"
    assert reservation.parameters == ("number_of_guests", "day") and reservation.named
    assert reservation.buttons[0] == ServiceButton("url", "Change it", "https://k.example.org/l/{{1}}")


def test_the_last_page_has_a_cursor_but_no_next():
    assert read(PROMO, paging={"cursors": {"before": "MA", "after": "Mj"}})[1] == ""
    assert read() == ([], "")


def test_numbered_places_come_by_number_and_each_once():
    told = {**PROMO, "components": [{"type": "BODY", "text": "{{10}} {{2}} {{ 1 }} {{2}}"}]}
    assert read(told)[0][0].parameters == ("1", "2", "10")


def test_a_word_that_we_do_not_know_is_certainly_no_approval():
    (told,), _ = read({**PROMO, "status": "SOMETHING_NEW"})
    assert told.state is None and told.word == "SOMETHING_NEW"


@pytest.mark.parametrize(("status", "body", "reason", "accepted"), [
    (401, {"error": {"message": "ended", "type": "OAuthException", "code": 190}}, Reason.AUTH, False),
    (400, {"error": {"message": "too many", "code": 4}}, Reason.RATE_LIMITED, False),
    (500, {"error": {"message": "oh", "code": 2}}, Reason.AMBIGUOUS, None),
    (200, ["no list of texts"], Reason.AMBIGUOUS, None),
])  # fmt: skip
def test_a_refused_list_is_an_error(status, body, reason, accepted):
    with pytest.raises(SendError) as caught:
        templates.read_templates(Response(status, {}, json.dumps(body).encode()))
    assert (caught.value.reason, caught.value.accepted) == (reason, accepted)


def news(**more):
    told = {"message_template_id": 1689556908129832, "message_template_name": "order_confirmation"}
    return json.dumps({**told, "message_template_language": "en-US", **more}).encode()


def test_a_changed_state_is_told_with_its_reason():
    told = templates.state_news(
        news(event="REJECTED", reason="INVALID_FORMAT", message_template_category="MARKETING",
             rejection_info={"reason": "Two places side by side.", "recommendation": "Part them."}),
        7, b"raw",
    )  # fmt: skip
    assert (told.name, told.language) == ("order_confirmation", "en_US")  # as the list writes it
    assert (told.state, told.word, told.category) == (TemplateState.REJECTED, "REJECTED", "marketing")
    assert told.detail == "INVALID_FORMAT; Two places side by side.; Part them."
    assert (told.at, told.raw) == (7, b"raw")


def test_a_reason_of_none_is_no_reason():
    told = templates.state_news(news(event="APPROVED", reason="NONE"), None, b"")
    assert told.state is TemplateState.APPROVED and told.detail == ""
    assert templates.state_news(news(event="DELETED", reason=None), None, b"").state is TemplateState.DISABLED


@pytest.mark.parametrize("event", ["LOCKED", "UNARCHIVED", "SOMETHING_NEW", ""])
def test_what_says_nothing_of_sending_has_no_state(event):
    assert templates.state_news(news(event=event), None, b"").state is None


def test_a_changed_category_is_told_and_one_that_will_change():
    changed = news(previous_category="UTILITY", new_category="MARKETING")
    told = templates.category_news(changed, None, b"")
    assert (told.state, told.category, told.detail) == (None, "marketing", "")
    coming = news(correct_category="MARKETING", new_category="UTILITY", category_update_timestamp=1)
    told = templates.category_news(coming, None, b"")
    assert (told.category, told.detail) == ("utility", "becomes marketing within a day")


def test_news_of_no_text_are_unreadable():
    with pytest.raises(ValueError, match="names no template"):
        templates.state_news(b"{}", None, b"")
