"""Double opt-in: who asks, what is sent to whom, and when it becomes a consent."""

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
    assert asked[0] == ann
    assert confirms(stage, number=asked[1]) == "done"
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

    assert confirms(stage, number=asked[1]) == "done", "the same once more"
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
    assert confirms(stage, number=token(stage, stage.parcels[0])[1]) == "done"
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
    assert confirms(stage, number=token(stage, stage.parcels[0])[1]) == "done"
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
    assert confirms(stage, number=asked[1]) == "expired"
    with stage.db.write() as tx:
        kept.run(tx, stage.clock.now())
        assert tx.all("card_sign_ups", contact_id=ann) == tx.all("card_sign_ups", contact_id=old) == []
        assert cards.card(tx, ann) is None and cards.card(tx, old) is not None
        assert MAIL not in str(tx.among("run_data_of", [ann]))
    assert holder(stage) is None
    sent = len(stage.parcels)
    assert asks(stage) == "asked" and len(stage.parcels) == sent + 1
    assert holder(stage) not in (None, ann)
