"""Double opt-in: who asks, what is sent to whom, and when it becomes a consent."""

import re

import pytest

from kaskad.actions.form_texts import TEMPLATE, cascade_of, texts
from kaskad.domain.consent import Purpose
from kaskad.domain.form import Form, version_of
from kaskad.domain.policy import Policy, Wording
from kaskad.domain.terms import Channel
from kaskad.engine.ingest import Ingest
from kaskad.engine.retention import Keeping
from kaskad.engine.sign_up import Told
from kaskad.store import cards, contacts, forms, templates
from kaskad.store.contacts import Address, Contact
from support.stage import HASH_KEY, Stage
from support.tables import columns

WORDS = Wording("ru", "Согласен получать письма магазина о скидках.")
NEWS = Form(name="news", texts=(WORDS,), topics=("offers",), country="KZ", controller="ТОО Пример, БИН 1",
            channels=(Channel.EMAIL, Channel.SMS), purposes=(Purpose.ADVERTISING, Purpose.TRACKING),
            brand="north", valid_days=365)  # fmt: skip
WELCOME = """
cascade: welcome
class: advertising
holdout: 0%
brand: north
topic: offers
trigger: {event: signed_up, key: sign_up, if: 'trigger.form == "news"'}
steps: [{id: hello, channel: email, subject: Hello, text: hello}]
"""
MAIL, PHONE = "new@example.org", "+77000000001"


@pytest.fixture
def stage(db):
    made = Stage(db, policy=Policy.unlimited())
    with db.write() as tx:
        forms.put(tx, NEWS, made.clock.now())
        for channel, language, content, fallback in texts():
            code = {each.value: each.code for each in Channel}[channel]
            templates.put(tx, templates.Kept(TEMPLATE, code, language, fallback, content, 1))
    made.cascade(cascade_of(NEWS))
    made.cascade(WELCOME)
    made.ingest = Ingest(made.engine, db)
    return made


def asks(stage, value=MAIL, *, ip="192.0.2.7", name="", form=NEWS):
    channel = Channel.EMAIL if "@" in value else Channel.SMS
    told = {"text": WORDS.text, "version": version_of(WORDS.text), "language": "ru", "ip": ip,
            "agent": "Firefox", "source": "https://shop.example.org/"}  # fmt: skip
    future = stage.ingest.sign_up(Told(form, channel, value, "ru", name, ip, told))
    stage.works()
    return future.result(0)


def confirms(stage, **how):
    future = stage.ingest.confirm({"ip": "192.0.2.8", "agent": "Safari"}, **how)
    stage.works()
    return future.result(0)


def token(stage, parcel):
    words = parcel.outgoing.html
    return stage.world.signer.read_confirm(words.split("/c/")[1].split('"')[0])


def holder(stage, value=MAIL):
    channel = Channel.EMAIL if "@" in value else Channel.SMS
    with stage.db.read() as tx:
        row = tx.one("contact_by_address", channel=channel.code, value=value)
    return row and row[0]


def granted(stage, contact_id):
    with stage.db.read() as tx:
        return [row for row in cards.consents(tx, contact_id) if row.granted and row.topic != "sign-up"]


def test_an_address_is_asked_and_its_owner_s_yes_is_kept_with_all_its_proof(stage):
    assert asks(stage, name="Anna") == "asked"
    (question,) = stage.parcels
    assert question.outgoing.to == MAIL and "Подтвердите" in question.outgoing.subject
    assert question.outgoing.message_class.value == "transactional"
    ann = holder(stage)
    assert granted(stage, ann) == [], "nothing is agreed to yet"
    stage.passes("1h")
    asked = token(stage, question)
    assert confirms(stage, asked=asked) == "done"
    ads, tracking = sorted(granted(stage, ann), key=lambda row: row.purpose)
    assert (ads.purpose, ads.topic, ads.brand) == (Purpose.ADVERTISING.code, "offers", "north")
    assert ads.channels == 1 << Channel.EMAIL.code, "a phone was not proven"
    assert ads.expires_at - ads.at == 365 * 86_400_000
    assert tracking.purpose == Purpose.TRACKING.code
    proof = ads.proof
    assert proof["text"] == WORDS.text and proof["version"] == version_of(WORDS.text)
    assert (proof["ip"], proof["agent"], proof["source"]) == (
        "192.0.2.7",
        "Firefox",
        "https://shop.example.org/",
    )
    assert (proof["confirmed_ip"], proof["confirmed_agent"]) == ("192.0.2.8", "Safari")
    assert (proof["jurisdiction"], proof["basis"], proof["controller"]) == (
        "KZ",
        "consent",
        "ТОО Пример, БИН 1",
    )
    assert proof["requested_at"] < proof["confirmed_at"] == ads.at and proof["sent_at"] <= ads.at
    assert proof["message"].startswith(f"run_{ann}_") and proof["address"] == MAIL
    assert [parcel.outgoing.subject for parcel in stage.parcels][1:] == ["Hello"], "the welcome begins"
    with stage.db.read() as tx:
        assert cards.card(tx, ann).attributes == {"name": "Anna"}

    assert confirms(stage, asked=asked) == "done", "the same once more"
    assert len(granted(stage, ann)) == 2 and len(stage.parcels) == 2
    stage.passes("2d")
    assert asks(stage) == "asked", "the same answer to whoever asks for somebody that has agreed"
    assert len(stage.parcels) == 2, "and nothing is sent"


def test_nobody_is_flooded_and_what_a_stranger_types_changes_nobody(stage):
    with stage.db.write() as tx:
        known = Contact(
            external_id="ann", attributes={"name": "Ann"}, language="en",
            addresses=[Address(Channel.EMAIL, "best@example.org", 1), Address(Channel.EMAIL, MAIL)],
        )  # fmt: skip
        (ann,) = contacts.upsert(tx, HASH_KEY, [known], stage.clock.now())
    assert [asks(stage, name="Evil") for _ in range(3)] == ["asked"] * 3
    assert [parcel.outgoing.to for parcel in stage.parcels] == [MAIL], "once a minute, to the address given"
    assert "Please confirm" in stage.parcels[0].outgoing.subject, "in the language that is known of her"
    for _ in range(5):
        stage.passes("2m")
        asks(stage)
    assert len(stage.parcels) == 3, "and three times a day"
    assert holder(stage) == ann
    with stage.db.read() as tx:
        assert cards.card(tx, ann).attributes == {"name": "Ann"}
    stage.passes("2h")
    answers = [asks(stage, f"p{number}@example.org", ip="192.0.2.99") for number in range(22)]
    assert answers == ["asked"] * 20 + ["limited"] * 2, "one machine asks for twenty an hour"
    assert confirms(stage, asked=token(stage, stage.parcels[0])) == "done"
    with stage.db.read() as tx:
        assert cards.card(tx, ann).attributes == {"name": "Ann"}


def test_a_code_goes_to_a_phone_and_can_be_guessed_five_times(stage):
    asks(stage, PHONE)
    (question,) = stage.parcels
    code = question.outgoing.text.split()[0]
    assert len(code) == 6 and code.isdigit() and question.outgoing.to == PHONE
    wrong = "000000" if code != "000000" else "111111"
    assert confirms(stage, by_code=("news", PHONE, wrong)) == "wrong"
    nobody = [("other", PHONE, code), ("news", "+77000000009", code)]  # are told what who has asked is told
    assert [confirms(stage, by_code=each) for each in nobody] == ["wrong", "wrong"]
    assert confirms(stage, by_code=("news", PHONE, code)) == "done"
    (ads, _) = sorted(granted(stage, holder(stage, PHONE)), key=lambda row: row.purpose)
    assert ads.channels == 1 << Channel.SMS.code
    other = "+77000000002"
    asks(stage, other)
    code = stage.parcels[-1].outgoing.text.split()[0]
    for _ in range(5):
        confirms(stage, by_code=("news", other, "x"))
    assert confirms(stage, by_code=("news", other, code)) == "wrong"
    late = "+77000000003"
    asks(stage, late)
    code = stage.parcels[-1].outgoing.text.split()[0]
    stage.passes("61m")
    assert confirms(stage, by_code=("news", late, wrong)) == "wrong"
    assert confirms(stage, by_code=("news", late, code)) == "expired"
    assert granted(stage, holder(stage, other)) == granted(stage, holder(stage, late)) == []


def test_who_has_said_stop_can_be_asked_once_they_ask_themselves(stage):
    stage.person("ann", addresses={Channel.EMAIL: MAIL})
    stage.says(Channel.EMAIL, MAIL, "stop")
    stage.passes("1m")
    asks(stage)
    assert [parcel.outgoing.to for parcel in stage.parcels] == [MAIL]
    assert confirms(stage, asked=token(stage, stage.parcels[0])) == "done"
    assert [parcel.outgoing.subject for parcel in stage.parcels][1:] == ["Hello"]


def test_who_never_confirms_is_forgotten_after_seven_days_and_may_ask_again(stage):
    old = stage.person("old", addresses={Channel.EMAIL: "old@example.org"}, consented=False)
    asks(stage)
    asks(stage, "old@example.org")
    ann, asked = holder(stage), token(stage, stage.parcels[0])
    kept = Keeping()
    stage.passes("P6D")
    with stage.db.write() as tx:
        kept.run(tx, stage.clock.now())
    assert holder(stage) == ann
    stage.passes("P1D")
    stage.passes("1m")
    assert confirms(stage, asked=asked) == "expired"
    with stage.db.write() as tx:
        kept.run(tx, stage.clock.now())
        assert tx.all("card_sign_ups", contact_id=ann) == tx.all("card_sign_ups", contact_id=old) == []
        assert cards.card(tx, ann) is None and cards.card(tx, old) is not None
        assert MAIL not in str(tx.among("run_data_of", [ann]))
    assert holder(stage) is None
    sent = len(stage.parcels)
    assert asks(stage) == "asked" and len(stage.parcels) == sent + 1
    assert holder(stage) not in (None, ann)


def whole(stage):
    """Return all texts of all tables."""
    with stage.db.read() as tx:
        found = [list(tx._connection.execute(f"SELECT * FROM {name}")) for name in columns(stage.db)]
        return "\n".join(str(value) for rows in found for row in rows for value in row)


def test_what_confirms_stands_in_the_message_alone_and_in_no_table(stage):
    halves = "{{ trigger.code | slice: 0, 3 }}-{{ trigger.code | slice: 3, 3 }}"  # texts do what they like
    stage.cascade(cascade_of(NEWS).replace(
        "channel: sms\n    template: sign-up", f"channel: sms\n    text: '{halves}'"))  # fmt: skip
    asks(stage, PHONE)
    first, last = stage.parcels[0].outgoing.text.split("-")
    assert (first + last).isdigit() and len(first + last) == 6
    assert confirms(stage, by_code=("news", PHONE, first + last)) == "done"
    kept = whole(stage)
    assert "•••-•••" in kept, "the message is kept, without its secret"
    assert not re.search(rf"(?<!\d)({first}{last}|{first}-{last})(?!\d)", kept)
    stage.cascade(cascade_of(NEWS))
    asks(stage)
    link = stage.parcels[-1].outgoing.html.split("/c/")[1].split('"')[0]
    kept = whole(stage)
    assert MAIL in kept and "/c/•" in kept and link not in kept


def test_a_question_that_somebody_else_tells_of_leads_nowhere(stage):
    asks(stage)
    sent = len(stage.parcels)
    eve, ann = stage.person("eve", addresses={Channel.EMAIL: "eve@example.org"}), holder(stage)
    number, _ = token(stage, stage.parcels[0])
    for who, told in (
        (eve, {"to": "eve@example.org", "sign_up": str(number)}),  # her own letter, about Ann's request
        (ann, {"to": "eve@example.org", "sign_up": str(number)}),  # Ann's, to an address that is not Ann's
        (eve, {"to": "eve@example.org", "sign_up": "1 OR 1"}),
    ):
        stage.event(who, "sign_up_requested", form="news", channel="email", **told)
        stage.works()
    assert len(stage.parcels) == sent


def test_a_link_of_a_forgotten_request_confirms_no_later_one_of_its_number(stage):
    asks(stage)
    asked = token(stage, stage.parcels[0])
    stage.passes("P8D")
    with stage.db.write() as tx:
        Keeping().run(tx, stage.clock.now())
    asks(stage, "other@example.org")
    later = token(stage, stage.parcels[-1])
    assert confirms(stage, asked=(later[0], asked[1])) == "expired"
    assert granted(stage, holder(stage, "other@example.org")) == []
