"""Who is in a segment: SQL and the matcher of one contact say the same, on both databases."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaskad.domain.condition import Kept
from kaskad.domain.condition_kept import OUTCOMES, REACTIONS, span
from kaskad.domain.errors import Invalid
from kaskad.domain.rfm import RfmRule
from kaskad.domain.segment import Equals, circle, of_attributes, read
from kaskad.domain.terms import Channel, Kind
from kaskad.engine import counting
from kaskad.store import cascades, courses, deed_columns, run_columns, segment_base, segment_blocks, segments
from kaskad.store import settings as settings_store
from kaskad.store.contacts import Address, Consent, Contact, proof_text, save
from kaskad.store.db import Database, Transaction
from kaskad.store.segment_base import making
from kaskad.store.segment_columns import Ahead, Live, Packed
from support.examples import tries

KEY = b"k" * 32
DAY = 86_400_000
NOW = 20_000 * DAY + 5 * 3_600_000
VALUES = (
    *("Алматы", "almaty", "Алматы и", "5", "05", "5.5", " 5", "1e1", "true", "no", "", "x\"y\\z"),
    *("2026-01-31", 5, 5.5, 0, -3, 10, True, False, None, [5], {"a": 5}, "9" * 20),
)  # fmt: skip
NAMES = ("city", "level", "vip", "first name", 'odd"\\')
EVENTS = ("purchase", "view")


def people(tx: Transaction, count: int = 60) -> list[int]:
    """Make people with all that a segment can ask about, the same each time."""
    chance = random.Random(5)
    proof = proof_text({"act": "form"})
    ids = save(tx, KEY, [_person(chance, number, proof) for number in range(count)], NOW).ids
    tx.script("UPDATE addresses SET health = 1 WHERE contact_id % 3 = 0;")
    told = []
    for number, contact_id in enumerate(ids):
        for place in range(chance.choice((0, 1, 2, 5))):
            at = NOW - chance.choice((-DAY, 0, 1, DAY, 2 * DAY, 2 * DAY + 1, 30 * DAY, 300 * DAY))
            amount = chance.choice((100, 2.5, "40", "none", None, True))
            properties = msgspec.json.encode({"amount": amount}).decode()
            told.append((contact_id, f"{number}-{place}", chance.choice(EVENTS), at, properties))
    tx.many("put_events", told)
    for name in ("staff", "friends"):
        list_id = cascades.save_list(tx, name)
        tx.many("add_members", [(list_id, each) for each in ids if chance.random() < 0.3])
    tx.script("INSERT INTO cascades (id, slug, changed_at) VALUES (1, 'sale', 0), (2, 'order', 0);")
    for contact_id in ids:
        for cascade in (1, 2):
            if chance.random() < 0.5:
                _passage(tx, chance, contact_id, cascade)
    return ids


def _person(chance: random.Random, number: int, proof: str) -> Contact:
    reach = [
        Address(channel, value)
        for channel, value in (
            (Channel.EMAIL, f"p{number}@example.org"),
            (Channel.SMS, f"+7900000{number:04}"),
        )
        if chance.random() < 0.6
    ]
    consents = [
        Consent(
            granted=chance.random() < 0.6, at=NOW - chance.choice((-DAY, 1, 5, DAY)),
            expires_at=chance.choice((None, None, NOW, NOW + DAY)), purpose=chance.choice((9, 9, 3, 2, 1)),
            channels=chance.choice((0, 0, 1 << Channel.EMAIL.code, 1 << Channel.SMS.code)),
            topic=chance.choice(("", "", "news")), proof=chance.choice((None, proof, proof)),
        )
        for _ in range(chance.choice((0, 0, 1, 2, 3)))
    ]  # fmt: skip
    attributes = {name: chance.choice(VALUES) for name in NAMES if chance.random() < 0.7}
    return Contact(
        external_id=f"e{number}", attributes=attributes, addresses=reach, consents=consents,
        language=chance.choice((None, "kk", "ru")), zone=chance.choice((None, "Asia/Almaty Asia/Omsk")),
    )  # fmt: skip


def _passage(tx: Transaction, chance: random.Random, contact_id: int, cascade: int) -> None:
    at = NOW - chance.choice((1, DAY, 40 * DAY))
    ended = chance.choice((None, 1, 2, 3))
    rest = "NULL, NULL, 1" if ended is None else f"{NOW - 1}, {ended}, 3"
    kind = chance.choice((Kind.CLICKED, Kind.REPLIED, Kind.MACHINE_CLICKED)).value
    wake = NOW if ended is None else "NULL"
    tx.script(
        f"""INSERT INTO runs (contact_id, id, seq, cascade_id, version_id, slot, wake_at, due_at, entered_at,
                              phase, step, finished_at, outcome, state)
            VALUES ({contact_id}, {cascade}, 1, {cascade}, 1, 0, {wake}, {at}, {at}, 0, 0,
                    {rest});
            INSERT INTO messages (contact_id, run_id, submitted_at, step, channel, state)
            VALUES ({contact_id}, {cascade}, {at}, 0, 1, {chance.choice((3, 4, 6, 11))});
            INSERT INTO facts (contact_id, run_id, step, kind, at, event)
            VALUES ({contact_id}, {cascade}, 0, {kind}, {at}, 'x');"""
    )


texts = st.sampled_from([each for each in VALUES if isinstance(each, str)]).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
numbers = st.sampled_from(["5", "5.5", "0", "-3", "-4", "10", "40", "102.5", "9007199254740993"])
literals = st.one_of(texts, numbers, st.sampled_from(["true", "false", "null"]))
attributes = st.sampled_from(
    [
        *(f'contact["{name}"]' for name in NAMES[:4]),
        'contact["odd\\"\\\\"]',
        "contact.level.a",
        "contact.none",
        "contact.language",
        "contact.zone",
        "contact.country",
    ]
)
orders = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
spans = st.sampled_from(["1d", "2d", "30d", "90d", "0d", "1s"])
windows = st.one_of(st.just(""), spans)
events = st.builds(
    lambda name, aggregate: f'event("{name}").{aggregate}',
    st.sampled_from((*EVENTS, "none")),
    st.one_of(
        st.builds(lambda word, window: f"{word}({window})" if window else word,
                  st.sampled_from(("count", "first", "last")), windows),
        st.builds(lambda window: f'sum("amount"{", " + window if window else ""})', windows),
    ),
)  # fmt: skip
instants = st.one_of(
    st.builds(lambda sign, span: f"now {sign} {span}", st.sampled_from("+-"), spans),
    st.sampled_from(["now", 'date("2024-10-03")', 'date("2024-10-04T05:00")']),
)
kept = st.one_of(
    st.sampled_from(['in_list("staff")', 'in_list("none")', 'segment("inner")', 'segment("none")']),
    st.sampled_from([f'reachable("{each}")' for each in ("email", "sms", "vk", "any")]),
    st.builds(
        lambda purpose, channel, topic: f'consent("{purpose}", "{channel}"{topic})',
        st.sampled_from(("emergency", "transactional", "service", "advertising")),
        st.sampled_from(("email", "sms", "any")),
        st.sampled_from(("", ', "news"', ', "other"')),
    ),
    st.builds(
        lambda slug, word, window: f'cascade("{slug}").{word}' + (f"({window})" if window else ""),
        st.sampled_from(("sale", "order", "none", "any")),
        st.sampled_from(
            (
                "entered",
                "sent",
                "sent_before",
                "reacted",
                "clicked",
                "replied",
                "opened",
                "converted",
                "responded",
                "exhausted",
                "failed",
            )
        ),
        windows,
    ),
)
leaves = st.one_of(
    st.builds("{} {} {}".format, attributes, orders, literals),
    st.builds("{} {} {}".format, literals, orders, attributes),
    st.builds("{} in [{}, {}]".format, attributes, literals, literals),
    st.builds("{} contains {}".format, attributes, texts),
    st.builds("{} exists".format, attributes),
    attributes,
    st.builds("{} {} {}".format, events, orders, st.one_of(numbers, instants, literals)),
    st.builds("{} exists".format, events),
    events,
    kept,
    st.builds("{} {} {}".format, st.sampled_from(["rfm.r", "rfm.f", "rfm.m"]), orders, numbers),
    st.sampled_from(["rfm.r == rfm.f", "rfm.m exists", "rfm.r + rfm.f >= 6"]),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=5,
)


@pytest.fixture(params=["as they stand", "made and changed", "patched"])
def peopled(
    db: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[Database, list[int]]:
    with db.write() as tx:
        ids = people(tx)
        segments.put(tx, "inner", 'contact.city == "Алматы" or event("view").count > 1', NOW)
    with db.write() as tx:
        rule = RfmRule(("purchase", "view"), "amount", 60)
        settings_store.put(tx, segments.RFM, segment_base.edges(tx, rule, NOW))
    if request.param != "as they stand":
        assert list(making(db, NOW)) == [(1, 1)] and list(making(db, NOW)) == []
        assert list(run_columns.making(db)) == [(1, 1)] and list(run_columns.making(db)) == []
    if request.param in ("made and changed", "patched"):
        change(db, ids)
        happens(db, ids)
    if request.param == "patched":
        with monkeypatch.context() as patch:
            patch.delattr(segment_base, "_whole")  # reads all of a block: it is not needed
            assert list(making(db, NOW)) == [(1, 1)] and list(making(db, NOW)) == []
        with db.read() as tx:
            assert segment_blocks.standing(tx).touched == 0 and segment_blocks.standing(tx).made == 1
    return db, ids


def change(db: Database, ids: list[int]) -> None:
    """Change people in every way that a segment can see, each by its own tables; one is erased."""
    with db.write() as tx:
        save(
            tx,
            KEY,
            [Contact(external_id=f"e{n}", attributes={"city": "Алматы", "level": 10}) for n in (3, 4)],
            NOW,
        )
        save(tx, KEY, [Contact(external_id="new", attributes={"vip": True})], NOW)
        save(tx, KEY, [Contact(external_id=f"e{n}", language="kk", country="KZ") for n in (15, 16)], NOW)
        tx.many("put_events", [(ids[5], "late", "view", NOW - 9 * DAY, '{"amount": 40}')])
        tx.script(f"""UPDATE events SET contact_id = {ids[6]} WHERE contact_id = {ids[7]} AND id LIKE '%-1';
            DELETE FROM events WHERE contact_id = {ids[8]};
            UPDATE addresses SET health = 2 WHERE contact_id IN ({ids[9]}, {ids[10]});
            DELETE FROM addresses WHERE contact_id = {ids[11]};
            DELETE FROM consents WHERE contact_id IN ({ids[12]}, {ids[13]});""")
        consents = [Consent(granted=False, at=NOW - 1, purpose=9)]
        save(tx, KEY, [Contact(external_id="e14", consents=consents)], NOW)
    with db.read() as tx:
        assert segment_blocks.standing(tx).touched >= 8


def happens(db: Database, ids: list[int]) -> None:
    """Let runs end, messages leave and people react: of some that is counted since, of others due."""
    for some in (ids[17:30], ids[30:43]):
        with db.write() as tx:
            tx.script(f"""UPDATE runs SET outcome = 2, finished_at = {NOW - 3}, wake_at = NULL, phase = 3,
                       state = 3
                 WHERE contact_id IN ({", ".join(map(str, some[::3]))});
                UPDATE messages SET submitted_at = {NOW - DAY}, state = 4
                 WHERE contact_id IN ({", ".join(map(str, some[1::3]))});
                INSERT INTO facts (contact_id, run_id, step, kind, at, event)
                SELECT contact_id, id, 0, 6, {NOW - 2}, 'again' FROM runs
                 WHERE contact_id IN ({", ".join(map(str, some[2::3]))});""")
            for contact_id in some:
                courses.due_again(tx, contact_id)
            if some[0] == ids[17]:
                assert counting.count(tx, 1_000)
    with db.read() as tx:
        assert tx.all("touched_runs") and courses.waiting(tx, 1_000)


@settings(max_examples=tries(50), suppress_health_check=list(HealthCheck))
@given(text=conditions)
def test_arithmetic_and_the_matcher_agree(peopled: tuple[Database, list[int]], text: str) -> None:
    db, ids = peopled
    condition = read(text)
    with db.read() as tx:
        truth = sorted(segments.judged(tx, condition, range(1, ids[-1] + 2), NOW))
        assert segments.matching(tx, condition, NOW) == truth
        assert segments.count(tx, condition, NOW) == len(truth)
        several = [condition, read("rfm.r >= 3 and rfm.m <= 4"), condition]
        shown: list[int] = []
        together = segment_base.everybody_of(
            tx,
            [segments.question(tx, each, NOW) for each in several],
            [lambda block, counts, _: shown.extend(block.ids[counts].tolist())],
        )
        assert [each.tolist() for each in together] == [segments.matching(tx, each, NOW) for each in several]
        assert sorted(shown) == segments.matching(tx, read("true"), NOW), "each is shown once"
        assert segments.matching(tx, condition, NOW, after=ids[20]) == [
            each for each in truth if each > ids[20]
        ]
        for after, until in ((0, ids[10]), (ids[5], ids[20]), (ids[-1], 1 << 62)):
            met = segments.matching(tx, condition, NOW, after=after, until=until)
            assert met == [each for each in truth if after < each <= until]


@pytest.mark.parametrize(
    "word", ["entered", "sent", "sent_before(1d)", "reacted", "clicked(1d)", "responded"]
)
def test_what_cascades_did_is_told_by_columns(peopled: tuple[Database, list[int]], word: str) -> None:
    db, ids = peopled
    with db.read() as tx:
        if not tx.all("run_blocks"):
            return
        deeds = deed_columns.Deeds(tx)
        for slug in ("sale", "any", "none"):
            condition = read(f'cascade("{slug}").{word}')
            assert isinstance(condition.tree, Kept)
            after, until, name = span(condition.tree, NOW)
            found = deeds.doers(slug, name, -(2**61) if after is None else after, until)
            assert found is not None
            assert np.flatnonzero(found).tolist() == sorted(
                segments.judged(tx, condition, range(1, ids[-1] + 2), NOW)
            )
            for now in range(NOW - 4 * DAY, NOW, DAY // 2):  # some of what was done was later than that
                after, until, _ = span(condition.tree, now)
                after = now - 2 * DAY if after is None and name != "sent" else after
                since = -(2**61) if after is None else after
                found = deeds.doers(slug, name, since, until)
                asked = {"slug": slug, "after": since, "until": until}
                assert found is not None and np.flatnonzero(found).tolist() == _by_tables(tx, name, asked)


def _by_tables(tx: Transaction, word: str, asked: Mapping[str, Any]) -> list[int]:
    statements = {"entered": "segment_entered", "sent": "segment_sent"}
    more: dict[str, int] = {}
    if word in REACTIONS:
        statement, more = "segment_reacted", {"kinds": REACTIONS[word]}
    elif word in OUTCOMES:
        statement, more = "segment_ended", {"outcome": OUTCOMES[word].code}
    else:
        statement = statements[word]
    row = tx.one(statement, **asked, **more)
    return sorted(map(int, row[0].split(","))) if row and row[0] else []


def _found(db: Database, text: str) -> set[int]:
    with db.read() as tx:
        return set(segments.matching(tx, read(text), NOW))


def test_a_contact_s_own_language_and_country_are_asked_like_attributes(
    peopled: tuple[Database, list[int]],
) -> None:
    db, ids = peopled
    changed = _found(db, 'contact.country == "KZ"')  # since columns were made, where they were
    with db.read() as tx:
        kazakh = {row[0] for row in tx.among("look_contacts", ids) if row[2] == "kk"}
        almaty = {row[0] for row in tx.among("look_contacts", ids) if row[1]}
    assert kazakh and _found(db, 'contact.language == "kk"') == kazakh >= changed
    assert almaty and _found(db, 'contact.zone == "Asia/Almaty"') == almaty


def test_a_column_is_read_for_several_blocks_at_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {block: Packed("<u1", bytes([block])) for block in (0, 1, 15, 16, 40, 41)}
    key, encode = ("attribute", "ahead", ""), msgspec.msgpack.encode
    with db.write() as tx:
        tx.many("put_columns", [(block, *key, encode(packed)) for block, packed in kept.items()])
    asked, every = [], type(tx).all
    with db.read() as tx:
        monkeypatch.setattr(type(tx), "all", lambda *told, **more: asked.append(more) or every(*told, **more))
        ahead = Ahead(tx, 40)
        found = {block: ahead.column(block, *key) for block in range(41)}
    assert {block: packed for block, packed in found.items() if packed is not None} == {
        block: packed for block, packed in kept.items() if block < 41
    }
    assert [(one["first"], one["last"]) for one in asked] == [(0, 15), (16, 31), (32, 40)]


def test_nothing_of_who_is_erased_stays_in_columns(db: Database) -> None:
    with db.write() as tx:
        (one,) = save(tx, KEY, [Contact(external_id="a", attributes={"city": "Алматы"})], NOW).ids
    list(making(db, NOW))
    city = {"kind": "attribute", "name": "city", "property": "", "first": 0, "last": 0}
    with db.write() as tx:
        assert tx.one("segment_column", **city) is not None
        ((generation,),) = tx.all("begin_block", block=0, first=1)
        tx.script(f"UPDATE contacts SET erased_at = 1, attributes = '{{}}' WHERE id = {one};")
        assert tx.one("segment_column", **city) is None
        assert not tx.run("end_block", block=0, generation=generation, now=NOW), "begun before the erasure"
    with db.read() as tx:
        assert segment_blocks.standing(tx).stale and segments.matching(tx, read("true"), NOW) == []


def test_who_is_being_changed_while_a_block_is_made_for_the_first_time_is_not_missed(db: Database) -> None:
    with db.write() as tx:
        (one,) = save(tx, KEY, [Contact(external_id="a")], NOW).ids
    told, made = threading.Event(), threading.Event()

    def change() -> None:
        with db.write() as tx:
            tx.many("put_events", [(one, "e", "purchase", NOW - 1, "{}")])
            told.set()
            made.wait(0.3)  # no block is there yet for the trigger, and nothing is committed

    changing = threading.Thread(target=change)
    changing.start()
    told.wait(30)
    list(making(db, NOW))
    made.set()
    changing.join()
    with db.read() as tx:
        assert segments.matching(tx, read('event("purchase").count == 1'), NOW) == [one]


def test_what_attributes_equal_is_a_condition_too(db: Database) -> None:
    with db.write() as tx:
        ids = save(tx, KEY, [
            Contact(external_id="a", attributes={"city": "Алматы", "level": 1, "vip": True}),
            Contact(external_id="b", attributes={"city": "Алматы", "level": 1.0, "vip": False}),
            Contact(external_id="c", attributes={"city": "almaty"}),
        ], NOW).ids  # fmt: skip
        told = (Equals("city", "Алматы"), Equals("vip", True))
        segments.put(tx, "almaty", told, NOW)
        known = segments.find(tx, "almaty")
        assert known is not None and known.equals == told
        assert known.condition.text == 'contact["city"] == "Алматы" and contact["vip"] == true'
        assert list(segments.matching(tx, known.condition, NOW)) == ids[:1]
        assert list(segments.matching(tx, of_attributes((Equals("level", 1),)), NOW)) == ids[:2]
        assert list(segments.matching(tx, of_attributes((Equals('a"b\\', "x"),)), NOW)) == []
        assert segments.page(tx, after="", limit=5) == [known]
        assert segments.drop(tx, "almaty") and not segments.drop(tx, "almaty")


def test_a_segment_that_names_itself_is_seen() -> None:
    texts = {"a": 'segment("b")', "b": 'not segment("a")', "c": 'segment("a")'}
    named = {name: read(text) for name, text in texts.items()}
    assert circle("a", named) and circle("b", named) and not circle("c", named)


@pytest.mark.parametrize(
    "text", ["trigger.total > 5", "steps.a.sent", 'consent("news", "email")', 'cascade("x")']
)
def test_what_says_nothing_of_a_contact_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read(text)


def test_a_block_is_read_as_its_contacts_one_by_one(db: Database) -> None:
    with db.write() as tx:
        for number in range(1, 7):
            erased = "5" if number == 4 else "NULL"
            tx.script(
                "INSERT INTO contacts (id, created_at, seed, erased_at, attributes) VALUES "
                f"({number}, 0, {number == 2:d}, {erased}, '{{\"level\": {number}}}'); "
                "INSERT INTO events (contact_id, id, name, at, properties) VALUES "
                f"({number}, 'a', 'bought', {10 - number}, '{{\"total\": {number}}}'), "
                f"({number}, 'b', 'bought', 3, '{{}}'), ({number}, 'c', 'left', 3, '{{\"total\": 1}}')"
            )
    for amounts_first in (False, True):
        with db.read() as tx:
            one, whole = Live(tx, [2, 3, 4, 5]), Live(tx, block=(2, 5))
            assert whole.ids.tolist() == one.ids.tolist() == [2, 3, 5]
            assert whole.seeds.tolist() == one.seeds.tolist() == [True, False, False]
            assert whole.attribute("level").values == one.attribute("level").values == [2, 3, 5]
            if amounts_first:
                assert whole.amounts("bought", "total") is not None is not one.amounts("left", "total")
            for name in ("bought", "left", "none"):
                happened, wanted = whole.events(name), one.events(name)
                assert happened.places.tolist() == wanted.places.tolist()
                assert happened.at.tolist() == wanted.at.tolist()
                amounts, known = whole.amounts(name, "total"), one.amounts(name, "total")
                assert (amounts is None) == (known is None)
                assert amounts is None or known is None or amounts.tolist() == known.tolist()
            amounts = whole.amounts("bought", "total")
            assert amounts is not None and amounts.tolist() == [0, 2, 0, 3, 0, 5]
