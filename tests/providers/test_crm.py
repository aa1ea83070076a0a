"""Conversations with CRMs, held by hand: what is asked, in which order, and what follows from the answers."""

import json

import pytest

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Request, Response
from kaskad.providers.crm import Changed, Customer, Entry, Keep, php_form
from providers.test_cases import account

NOW = 1_767_261_600_000
DEAL = {
    "ID": "759",
    "TITLE": "Окна",
    "STAGE_ID": "NEW",
    "OPPORTUNITY": "1500.50",
    "CONTACT_ID": "15",
    "UTM": None,
}
ANN = {
    "ID": "15", "NAME": "Анна", "LAST_NAME": "Ли", "PHONE": [{"VALUE": "+7 900 000-00-01"}],
    "EMAIL": [{"VALUE": "ann@example.org"}],
}  # fmt: skip


def answer(value, status=200):
    return Response(status, {}, json.dumps(value).encode())


def held(speaking, *answers):
    """Return what a conversation said, and what came of it."""
    said, given = [], iter(answers)
    try:
        one = next(speaking)
        while True:
            said.append(one)
            one = next(speaking) if isinstance(one, Keep) else speaking.send(next(given))
    except StopIteration as ended:
        return said, ended.value


def bitrix():
    return PROVIDERS["bitrix24"], account("bitrix24", "one")


def test_a_deal_is_asked_for_with_its_contact():
    provider, chosen = bitrix()
    changed = Changed(key="ONCRMDEALADD 759 1", name="ONCRMDEALADD", fields={"id": "759"}, at=NOW - 5)
    said, (event,) = held(
        provider.learn(changed, chosen, NOW), answer({"result": DEAL}), answer({"result": ANN})
    )
    assert [request.url.rpartition("/")[2] for request in said] == [
        "crm.deal.get.json",
        "crm.contact.get.json",
    ]
    assert [request.json() for request in said] == [{"id": "759"}, {"id": "15"}]
    assert event.name == "bitrix24_deal" and event.at == NOW - 5
    assert event.customer == Customer(
        external_id="bitrix24:contact:15", name="Анна Ли", email="ann@example.org", phone="+7 900 000-00-01"
    )
    assert event.properties["stage_id"] == "NEW" and event.properties["opportunity"] == 1500.5
    assert event.properties["crm"] == {"deal": "759"} and "utm" not in event.properties


def test_a_lead_has_no_contact_yet():
    provider, chosen = bitrix()
    changed = Changed(key="k", name="ONCRMLEADADD", fields={"id": "7"})
    said, (event,) = held(provider.learn(changed, chosen, NOW), answer({"result": {**ANN, "ID": "7"}}))
    assert len(said) == 1 and event.customer.external_id == "" and event.customer.phone
    assert event.properties["crm"] == {"lead": "7"} and event.at == NOW


@pytest.mark.parametrize("contact", [None, "", "0"])
def test_a_deal_of_nobody_is_no_event(contact):
    provider, chosen = bitrix()
    changed = Changed(key="k", name="ONCRMDEALADD", fields={"id": "759"})
    said, events = held(
        provider.learn(changed, chosen, NOW), answer({"result": {**DEAL, "CONTACT_ID": contact}})
    )
    assert len(said) == 1 and events == []


def test_a_text_from_a_card_is_an_event_without_a_question():
    provider, chosen = bitrix()
    fields = {"message_id": "65571", "message_to": "+79000000001", "message_body": "Готово", "deal": "759"}
    said, (event,) = held(
        provider.learn(Changed(key="message 65571", name="message", fields=fields), chosen, NOW)
    )
    assert said == [] and event.name == "bitrix24_message" and event.customer.phone == "+79000000001"
    assert event.properties == {
        "text": "Готово", "message_id": "65571", "crm": {"message_id": "65571", "deal": "759"},
    }  # fmt: skip


def test_the_limit_of_requests_ends_a_conversation_for_now():
    provider, chosen = bitrix()
    speaking = provider.learn(Changed(key="k", name="ONCRMDEALADD", fields={"id": "1"}), chosen, NOW)
    with pytest.raises(SendError) as error:
        held(speaking, answer({"error": "QUERY_LIMIT_EXCEEDED"}, 503))
    assert error.value.reason is Reason.RATE_LIMITED and error.value.accepted is False


def entry(**fields):
    return Entry(kind="message.sent", text="SMS: отправлено", customer=Customer(), **fields)


def test_a_touch_is_written_where_the_run_began():
    provider, chosen = bitrix()
    said, where = held(provider.journal(entry(about={"deal": "759"}), chosen, NOW), answer({"result": 999}))
    (request,) = said
    assert request.url.endswith("/crm.timeline.comment.add.json") and where == "deal 759"
    assert request.json() == {
        "fields": {"ENTITY_TYPE": "deal", "ENTITY_ID": "759", "COMMENT": "SMS: отправлено"}
    }


def test_a_touch_of_another_cascade_is_written_to_the_contact_and_one_of_a_stranger_nowhere():
    provider, chosen = bitrix()
    known = Entry(kind="message.sent", text="x", customer=Customer(external_id="bitrix24:contact:15"))
    said, where = held(provider.journal(known, chosen, NOW), answer({"result": 1}))
    assert where == "contact 15" and said[0].json()["fields"]["ENTITY_ID"] == "15"
    assert held(provider.journal(entry(), chosen, NOW)) == ([], "")


def test_the_fate_of_a_cards_text_is_reported_and_the_new_tokens_are_kept():
    provider, chosen = bitrix()
    tokens = answer({"access_token": "new", "expires_in": 3600, "refresh_token": "next"})
    said, done = held(
        provider.journal(entry(about={"message_id": "65571"}), chosen, NOW), tokens, answer({"result": True})
    )
    asked, kept, told = said
    assert isinstance(asked, Request) and asked.url.startswith("https://oauth.bitrix.info/oauth/token/?")
    assert kept == Keep(
        {"access_token": "new", "access_until": str(NOW + 3_600_000), "refresh_token": "next"}
    )
    assert told.url == "https://some-domain.bitrix24.com/rest/messageservice.message.status.update.json"
    assert told.json() == {"CODE": "cascade", "MESSAGE_ID": "65571", "STATUS": "sent", "auth": "new"}
    assert done == "sent"


def test_a_lead_of_amocrm_is_asked_for_with_its_main_contact():
    provider, chosen = PROVIDERS["amocrm"], account("amocrm", "one")
    fields = {"id": "5", "action": "status", "old_status_id": "1"}
    changed = Changed(key="lead status 5 1", name="lead", fields=fields)
    lead = {"id": 5, "status_id": 142, "price": 900,
            "_embedded": {"contacts": [{"id": 8, "is_main": False}, {"id": 9, "is_main": True}]}}  # fmt: skip
    person = {"id": 9, "name": "Анна", "custom_fields_values": [
        {"field_code": "PHONE", "values": [{"value": "+79000000001", "enum_code": "WORK"}]},
        {"field_code": "EMAIL", "values": [{"value": "ann@example.org"}]},
    ]}  # fmt: skip
    said, (event,) = held(provider.learn(changed, chosen, NOW), answer(lead), answer(person))
    assert [request.url.rpartition("/api/v4/")[2] for request in said] == [
        "leads/5?with=contacts",
        "contacts/9",
    ]
    assert event.name == "amocrm_lead" and event.customer == Customer(
        external_id="amocrm:contact:9", name="Анна", email="ann@example.org", phone="+79000000001"
    )
    assert event.properties == {
        **fields, "status_id": 142, "price": 900, "crm": {"lead": "5"},
    }  # fmt: skip


def test_a_lead_that_is_gone_is_no_event():
    provider, chosen = PROVIDERS["amocrm"], account("amocrm", "one")
    changed = Changed(key="k", name="lead", fields={"id": "5"})
    said, events = held(provider.learn(changed, chosen, NOW), Response(204, {}, b""))
    assert len(said) == 1 and events == []


def test_a_note_of_amocrm():
    provider, chosen = PROVIDERS["amocrm"], account("amocrm", "one")
    said, where = held(provider.journal(entry(about={"lead": "5"}), chosen, NOW), answer({"_embedded": {}}))
    assert where == "leads/5" and said[0].url == "https://example.amocrm.ru/api/v4/leads/5/notes"
    assert json.loads(said[0].body) == [{"note_type": "common", "params": {"text": "SMS: отправлено"}}]


def test_a_form_nests_by_brackets():
    assert php_form(b"a[b][0][id]=1&a[b][1][id]=2&c=3&a%5Bd%5D=%D1%84") == {
        "a": {"b": {"0": {"id": "1"}, "1": {"id": "2"}}, "d": "\u0444"}, "c": "3",
    }  # fmt: skip
    assert php_form(b"a=1&a[b]=2&a=3") == {"a": {"b": "2"}}
    assert php_form(b"&[&]=&a[=1") == {
        "": {"": ""},
        "]": "",
        "a": {"": "1"},
    }  # whatever comes, it is no error


def test_two_changes_in_one_second_are_two_events_and_one_told_twice_is_one():
    provider, chosen = bitrix()
    changed = Changed(key="ONCRMDEALUPDATE 759 1", name="ONCRMDEALUPDATE", fields={"id": "759"}, at=NOW)
    keys = [
        held(provider.learn(changed, chosen, NOW), answer({"result": deal}), answer({"result": ANN}))[1][
            0
        ].key
        for deal in (DEAL, DEAL, {**DEAL, "STAGE_ID": "WON"})
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_page_of_people_that_is_no_list_is_not_their_end():
    for name, body in (
        ("bitrix24", {}),
        ("bitrix24", {"result": {}}),
        ("amocrm", {}),
        ("amocrm", {"error": 1}),
    ):
        with pytest.raises(SendError, match="no list of people"):
            held(PROVIDERS[name].people("", account(name, "one")), answer(body))


def test_fields_of_people_come_as_cells_of_a_table_have_them():
    """What an import reads: days instead of instants, yes and no, all values of a list."""
    ivan = {
        "ID": "7",
        "UF_CRM_AGREED": True,
        "UF_CRM_TAGS": ["vip", "b2b"],
        "UF_CRM_SUM": 1.5,
        "UF_CRM_X": [],
    }
    _, page = held(PROVIDERS["bitrix24"].people("", account("bitrix24", "one")), answer({"result": [ivan]}))
    told = {"uf_crm_agreed": "yes", "uf_crm_tags": "vip; b2b", "uf_crm_sum": "1.5"}
    assert page.rows == [{"id": "bitrix24:contact:7", **told}]
    midnights = (638395200, 638409600, 638427600)  # 26 March 1990 in Moscow, in London, in New York
    for midnight in midnights:
        fields = [
            {"field_name": "День рождения", "field_type": "birthday", "values": [{"value": midnight}]},
            {"field_name": "Согласие", "field_type": "checkbox", "values": [{"value": False}]},
        ]
        person = {"id": 7, "custom_fields_values": fields}
        told = {"_embedded": {"contacts": [person]}}
        _, page = held(PROVIDERS["amocrm"].people("", account("amocrm", "one")), answer(told))
        assert page.rows == [{"id": "amocrm:contact:7", "День рождения": "1990-03-26", "Согласие": "no"}]
