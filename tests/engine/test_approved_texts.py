"""Windows for free text, and texts that a service has approved: what leaves, what is skipped and why."""

import pytest

from kaskad.domain.prices import PriceRow
from kaskad.domain.terms import Channel, Kind, TemplateState
from kaskad.engine import approved, texts
from kaskad.engine.ingest import Ingest
from kaskad.providers import PROVIDERS
from kaskad.providers.approval import ServiceButton, ServiceTemplate, TemplateNews
from kaskad.providers.base import Inbound, Receipt, Request
from kaskad.providers.generic_webhook import GenericWebhook
from kaskad.store import opt_ins, prices
from support.stage import Stage

DAY_MS = 86_400_000
CASCADE = """
cascade: order
class: service
trigger: {event: ready}
goal: {event: bought}
steps:
  - id: chat
    channel: whatsapp
    text: "{{ contact.name }}, ready"
    approved:
      name: order_ready
      language: ru
      parameters: ["{{ contact.name }}", "{{ trigger.total }}"]
      buttons: ["{{ link(trigger.url) }}"]
    wait: 2h
  - {id: sms, channel: sms, text: "ready, {{ contact.name }}", wait: 2h}
"""
FREE = CASCADE[: CASCADE.index("    approved:")] + CASCADE[CASCADE.index("    wait:") :]
READY = ServiceTemplate(
    name="order_ready", language="ru", state=TemplateState.APPROVED, category="utility",
    body="{{1}}, ваш заказ на {{2}} готов", parameters=("1", "2"),
    buttons=(ServiceButton("url", "Open", "https://go.example.org/l/{{1}}"),),
)  # fmt: skip


class Windowed(GenericWebhook):
    """A service like WhatsApp: free text for a day after the person's message, approved texts always."""

    name = "windowed"
    capabilities = type(GenericWebhook.capabilities)(window_ms=DAY_MS, approved=True)

    def templates_request(self, account, cursor):
        return Request("GET", "https://provider.example.org/texts")


@pytest.fixture
def chatting(either, monkeypatch):
    monkeypatch.setitem(PROVIDERS, "windowed", Windowed())
    stage = Stage(either)
    number = stage.account(
        Channel.WHATSAPP, "whatsapp", provider="windowed", prices={"minor": 900, "currency": "USD"}
    )
    rows = [PriceRow("*", 10_000, category="utility"), PriceRow("*", 0, category="service")]
    with stage.db.write() as tx:
        prices.put(tx, number, "USD", "prices.csv", rows, stage.clock.now())
    stage.engine._load()
    return stage, number


def list_texts(stage, number, *listed):
    with stage.db.write() as tx:
        approved.keep(tx, stage.world, stage.world.accounts[number], listed)


def ready(stage, person):
    stage.event(person, "ready", total="12 000 ₸", url="https://shop.example.org/1")


def writes(stage, name="ann", at=None, number=None):
    """The person writes to the account."""
    account = stage.world.accounts.by_name["whatsapp"]
    told = Inbound(channel=Channel.WHATSAPP, address=f"{name}@whatsapp.example.org", kind=Kind.REPLIED,
                   at=stage.clock.now() if at is None else at, text="hello", raw=b"1")  # fmt: skip
    Ingest(stage.engine, stage.db).receipts(account, [told], {}, b"{}", None)
    stage.works()


def test_outside_of_a_dialogue_the_approved_text_is_sent_with_its_places_filled(chatting):
    stage, number = chatting
    list_texts(stage, number, READY)
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    ready(stage, ann)
    (parcel,) = stage.parcels
    told = parcel.outgoing.approved
    assert (told.name, told.language, told.parameters) == ("order_ready", "ru", ("ann", "12 000 ₸"))
    assert told.buttons[0] and "/" not in told.buttons[0]  # the service fixes what comes before
    assert parcel.outgoing.text == "" and parcel.outgoing.open_until == 0
    assert stage.passages(ann)[0].price == 1  # of the text's category
    body = stage.rows("body_of", contact_id=ann, run_id=parcel.run_id, step=0)[0][0]
    assert "ann, ваш заказ на 12 000 ₸ готов" in body and "https://shop.example.org/1" in body


def test_within_the_window_the_free_text_is_sent(chatting):
    stage, number = chatting
    list_texts(stage, number, READY)
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    writes(stage)
    at = stage.clock.now()
    stage.passes("23h")
    ready(stage, ann)
    (parcel,) = stage.parcels
    assert (parcel.outgoing.text, parcel.outgoing.approved) == ("ann, ready", None)
    assert parcel.outgoing.open_until == at + DAY_MS and stage.passages(ann)[0].price == 0


def test_the_window_closes_and_an_older_message_told_late_does_not_move_it(chatting):
    stage, number = chatting
    list_texts(stage, number, READY)
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    writes(stage)
    writes(stage, at=stage.clock.now() - 20 * 3_600_000)
    stage.passes("24h")
    ready(stage, ann)
    assert stage.parcels[0].outgoing.approved is not None


def test_without_an_approved_text_the_step_is_skipped_and_the_next_one_follows(chatting):
    stage, _ = chatting
    stage.cascade(FREE)
    ann = stage.person("ann")
    ready(stage, ann)
    assert stage.states(ann)["chat"] == "no_template"
    assert [parcel.outgoing.channel for parcel in stage.parcels] == [Channel.SMS]
    assert any("has not written lately" in row[2] for row in decisions(stage, ann))


def test_a_press_on_a_button_opens_the_window_too(chatting):
    stage, number = chatting
    list_texts(stage, number, READY)
    stage.cascade(
        CASCADE.replace("wait: 2h", "success: none\n    wait: 2h", 1).replace(
            "id: sms, channel: sms", "id: again, channel: whatsapp"
        )
    )
    ann = stage.person("ann")
    ready(stage, ann)
    reference, at = stage.parcels[0].outgoing.reference, stage.clock.now()
    pressed = Receipt(kind=Kind.CLICKED, event="e1", reference=reference, at=at)
    Ingest(stage.engine, stage.db).receipts(stage.world.accounts[number], [pressed], {}, b"{}", None)
    stage.works()
    stage.passes("8h")
    assert stage.parcels[-1].outgoing.text == "ready, ann"
    assert stage.parcels[-1].outgoing.open_until == at + DAY_MS


def test_the_start_by_an_opt_in_link_opens_the_window_of_the_chat_that_it_binds(chatting):
    stage, number = chatting
    stage.cascade(FREE)
    ann = stage.person("ann", [Channel.EMAIL])
    with stage.db.write() as tx:
        opt_ins.put(tx, "token", opt_ins.OptIn(ann, number, stage.clock.now() + DAY_MS), stage.clock.now())
    started = Inbound(channel=Channel.WHATSAPP, address="+77010000001", kind=Kind.STARTED, text="token",
                      at=stage.clock.now(), raw=b"1")  # fmt: skip
    Ingest(stage.engine, stage.db).receipts(stage.world.accounts[number], [started], {}, b"{}", None)
    stage.works()
    ready(stage, ann)
    assert (stage.parcels[0].outgoing.to, stage.parcels[0].outgoing.text) == ("+77010000001", "ann, ready")


@pytest.mark.parametrize("state", [TemplateState.PAUSED, TemplateState.DISABLED])
def test_a_text_that_is_paused_or_disabled_by_a_webhook_skips_its_steps_with_the_reason(chatting, state):
    stage, number = chatting
    list_texts(stage, number, READY)
    stage.cascade(CASCADE)
    news = TemplateNews(name="order_ready", language="ru", state=state, word="PAUSED", detail="low quality")
    Ingest(stage.engine, stage.db).receipts(stage.world.accounts[number], [news], {}, b"{}", None)
    stage.works()
    ann = stage.person("ann")
    ready(stage, ann)
    assert stage.states(ann)["chat"] == "no_template"
    assert any(f"order_ready (ru) is {state.value}" in row[2] for row in decisions(stage, ann))
    with stage.db.read() as tx:
        assert texts.load(tx)[number]["order_ready", "ru"].why == "low quality"


def test_a_text_that_the_service_no_longer_lists_is_not_sent(chatting):
    stage, number = chatting
    list_texts(stage, number, READY)
    list_texts(stage, number)
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    ready(stage, ann)
    assert stage.states(ann)["chat"] == "no_template"


def test_accounts_of_one_business_share_its_texts(chatting):
    stage, number = chatting
    second = stage.account(Channel.WHATSAPP, "second", provider="windowed", priority=5)
    list_texts(stage, number, READY)
    assert ("order_ready", "ru") in stage.world.accounts.approved[second]


def test_of_accounts_that_share_a_channel_the_one_in_a_dialogue_goes_on(chatting):
    stage, number = chatting
    stage.account(Channel.WHATSAPP, "second", provider="windowed")
    stage.cascade(FREE)
    people = [stage.person(f"p{place}") for place in range(12)]
    for place in range(12):
        writes(stage, f"p{place}")
    for person in people:
        ready(stage, person)
    assert {(one.account_id, one.outgoing.text) for one in stage.parcels} == {
        (number, f"p{place}, ready") for place in range(12)
    }


def test_other_channels_know_nothing_of_windows(chatting):
    stage, _ = chatting
    stage.cascade(CASCADE.replace("channel: whatsapp", "channel: telegram"))
    ann = stage.person("ann")
    ready(stage, ann)
    assert stage.parcels[0].outgoing.text == "ann, ready"


def decisions(stage, person):
    return stage.rows("decisions_of_run", contact_id=person, run_id=stage.run(person).id)
