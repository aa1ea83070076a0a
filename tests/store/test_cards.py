"""Contacts as they are shown and found, segments, lists and imports: the same on both databases."""

import pytest

from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.terms import Channel
from kaskad.store import cards, cascades, imports, lists
from kaskad.store.contacts import Address, Consent, Contact, as_known, known_ids, proof_text, save
from kaskad.store.db import Database, Transaction

KEY = b"k" * 32
NOW = 1_700_000_000_000


def person(tx: Transaction, name: str, **more: object) -> int:
    told = Contact(external_id=f"id-{name}", attributes={"name": name, **more})
    return save(tx, KEY, [told], NOW).ids[0]


def found(tx: Transaction, said: str, country: str = "") -> list[int]:
    return [card.id for card in cards.page(tx, said=said, country=country, after=0, limit=100)]


def test_names_are_found_whatever_their_case_and_alphabet(db: Database) -> None:
    with db.write() as tx:
        zoya = person(tx, "Зоя  КОСМОДЕМЬЯНСКАЯ")
        strauss = person(tx, "Strauß")
        oe = person(tx, "Åsa 100%_")
        assert found(tx, "зоя") == found(tx, "КОСМО") == found(tx, " зоя  космо") == [zoya]
        assert found(tx, "STRAUSS") == found(tx, "strauß") == [strauss]
        assert found(tx, "åsa") == found(tx, "100%_") == [oe]
        assert found(tx, "модемьянская") == found(tx, "%") == found(tx, "_") == []
        assert found(tx, "") == [zoya, strauss, oe]
        save(tx, KEY, [as_known(Contact(attributes={"name": None, "last_name": "Новая"}), zoya)], NOW)
        assert found(tx, "зоя") == [] and found(tx, "новая") == [zoya]


def test_addresses_and_external_ids_are_found_by_how_they_begin(db: Database) -> None:
    with db.write() as tx:
        ids = save(tx, KEY, [
            Contact(external_id="Ab-1", country="KZ", addresses=[Address(Channel.EMAIL, "ab@example.org")]),
            Contact(external_id="ab-2", country="RU", addresses=[Address(Channel.SMS, "+77010000001")]),
            Contact(external_id="B-3", addresses=[Address(Channel.EMAIL, "a-b@example.org")]),
        ], NOW).ids  # fmt: skip
        assert found(tx, "ab") == ids[:2] and found(tx, "ab-") == ids[1:2] and found(tx, "AB@") == ids[:1]
        assert found(tx, "Ab-1") == ids[:1], "the case of an external id counts"
        assert found(tx, "a") == ids and found(tx, "a-b@example.org") == ids[2:]
        assert found(tx, "+7 (701)") == found(tx, "7701") == ids[1:2] and found(tx, "701") == []
        assert found(tx, "a", "KZ") == ids[:1]
        assert [card.id for card in cards.page(tx, said="a", country="", after=ids[0], limit=1)] == ids[1:2]


FAR = {1, 30, 51, 53, 55, 58}  # those who are called so are not near one another


def _one_of_many(number: int) -> Contact:
    name = "Anna Kim" if number % 3 == 0 else "Kimberly" if number % 7 == 0 else "Bob"
    mail, phone = "kim" if number % 4 == 0 else "bob", "77" if number % 2 else "79"
    mail = "far" if number in FAR else mail
    own = "kim" if number % 5 == 0 else "77" if number % 6 == 2 else "x"
    return Contact(
        external_id=f"{own}-{number}", country="KZ" if number % 2 else "RU",
        attributes={"name": name},
        addresses=[Address(Channel.EMAIL, f"{mail}{number}@example.org"),
                   Address(Channel.SMS, f"+{phone}01000{number:04}")],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("near", "many", "crowd"), [(1, 3, 0), (7, 50, 5), (50, 10, 90), (4_096, 20_000, 20_000)]
)
def test_a_page_of_many_is_that_of_all_who_are_found(
    db: Database, near: int, many: int, crowd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "NEAR", near)
    monkeypatch.setattr(cards, "MANY", many)
    monkeypatch.setattr(cards, "CROWD", crowd)
    with db.write() as tx:
        ids = save(tx, KEY, [_one_of_many(number) for number in range(60)], NOW).ids
        tx.script(
            f"UPDATE contacts SET erased_at = 5 WHERE id = {ids[12]}; "
            f"INSERT INTO external_ids (external_id, contact_id) VALUES ('kim-of-old', {ids[1]})"
        )
    names = {n for n in range(60) if n % 3 == 0 or n % 4 == 0 or n % 5 == 0 or n % 7 == 0 or n == 1} - {12}
    sevens = {n for n in range(60) if n % 2 or (n % 5 and n % 6 == 2)}
    wanted = {"kim": names, "+77": set(range(1, 60, 2)), "77": sevens, "901": set(), "x-59": {59}, "far": FAR}
    with db.read() as tx:
        for said, numbers in wanted.items():
            for country in ("", "KZ", "DE"):
                own = sorted(ids[n] for n in numbers if not country or (n % 2 and country == "KZ"))
                for limit in (1, 3):
                    walked, after = [], 0
                    while some := cards.page(tx, said=said, country=country, after=after, limit=limit):
                        assert len(some) <= limit
                        walked, after = walked + [each.id for each in some], some[-1].id
                    assert walked == own == found(tx, said, country), said


def test_a_card_tells_everything(db: Database) -> None:
    with db.write() as tx:
        consent = Consent(granted=True, at=5, channels=2, topic="news", proof=proof_text({"b": 1, "a": 2}))
        told = Contact(external_id="x", zone="Asia/Almaty", language="kk", country="KZ", tracking=False,
                       attributes={"vip": True}, consents=[consent, Consent(granted=False, at=6)],
                       addresses=[Address(Channel.SMS, "+77010000001", 2)])  # fmt: skip
        saved = save(tx, KEY, [told, told], NOW)
        assert saved.new == {saved.ids[0]} and saved.ids[0] == saved.ids[1]
        assert save(tx, KEY, [told], NOW).new == frozenset()
        (contact_id, _), other = saved.ids, person(tx, "y")
        list_id = cascades.save_list(tx, "vip")
        cascades.add_members(tx, list_id, [contact_id])
        assert cards.card(tx, contact_id) == cards.Card(
            contact_id, "x", "Asia/Almaty", "kk", "KZ", False, {"vip": True}, NOW, 1, NOW
        )
        assert cards.card(tx, 99) is None
        address = cards.KnownAddress(Channel.SMS, "+77010000001", 0, False, 2, None)
        assert cards.addresses(tx, contact_id) == [address]
        assert cards.addresses_among(tx, [other, contact_id]) == {other: [], contact_id: [address]}
        assert cards.consents(tx, contact_id) == [
            cards.KnownConsent(True, 9, 2, "news", 5, None, {"a": 2, "b": 1}),
            cards.KnownConsent(False, 9, 0, "", 6, None, None),
        ]
        assert cards.lists(tx, contact_id) == ["vip"] and cards.lists(tx, other) == []
        assert [card.id for card in cards.members(tx, list_id, after=0, limit=5)] == [contact_id]
        assert [card.id for card in cards.among(tx, [other, contact_id])] == [contact_id, other]
        assert known_ids(tx, [told, Contact(external_id="z")]) == [contact_id, None]


def test_events_come_newest_first(db: Database) -> None:
    with db.write() as tx:
        tx.many(
            "put_events", [(1, "a", "seen", 5, "{}"), (1, "b", "seen", 7, '{"x": 1}'), (2, "c", "n", 6, "{}")]
        )
        assert [event.id for event in cards.events(tx, 1, until=9, limit=5)] == ["b", "a"]
        assert [event.id for event in cards.events(tx, 1, until=6, limit=5)] == ["a"]


def test_lists_are_emptied_piece_by_piece(db: Database) -> None:
    with db.write() as tx:
        list_id = cascades.save_list(tx, "vip")
        other = cascades.save_list(tx, "other")
        cascades.add_members(tx, list_id, [1, 2, 3, 4, 5])
        cascades.add_members(tx, other, [1, 2])
        assert lists.remove_members(tx, list_id, [2, 9]) == 1
        assert lists.page(tx, after="", limit=5) == [
            lists.KnownList(other, "other", 2), lists.KnownList(list_id, "vip", 4)
        ]  # fmt: skip
        assert [lists.clear(tx, list_id, 3) for _ in range(3)] == [3, 1, 0]
        lists.drop(tx, list_id)
        assert lists.find(tx, "vip") is None and lists.get(tx, "other").members == 2
        with pytest.raises(NotFound):
            lists.get(tx, "vip")
        cascades.launch(tx, 1, cascades.save_list(tx, "last"), 0, NOW)
        last = lists.get(tx, "last").id
        lists.drop(tx, last)
        assert cascades.save_list(tx, "next") == last + 1, "a launch still names the one that was forgotten"


def test_an_import_keeps_how_far_it_came(db: Database) -> None:
    with db.write() as tx:
        key = imports.add(
            tx,
            source="p.csv",
            owner="me",
            dry_run=False,
            size=9,
            columns={"id": "external_id", "tel": "sms"},
            shape="CSV, utf-8, commas",
            guessed=["tel"],
            header=["id", "tel"],
            digest="d",
            now=5,
            beat_at=6,
        )
        assert not imports.advance(tx, key, "me", seen=4, made=3, changed=1, rejected=0, counts={}, beat_at=7)
        found = imports.last_of(tx, "d")
        assert found is not None and found.seen == 4 and imports.last_of(tx, "other") is None
        assert imports.take_over(tx, found, "you", 7) and not imports.take_over(tx, found, "he", 7)
        with pytest.raises(Conflict, match="Another process"):
            imports.advance(tx, key, "me", seen=5, made=1, changed=0, rejected=0, counts={}, beat_at=7)
        imports.begin(tx, key, 7)
        counts = {"rejected": 1, "clean": 8}
        imports.advance(tx, key, "you", seen=9, made=2, changed=2, rejected=1, counts=counts, beat_at=8)
        imports.note(tx, key, [imports.Note(3, "bad", True, "rejected")])
        imports.reject(tx, key, [imports.Reject(3, "bad", ["", "12"])])
        imports.end(tx, key, "me", imports.FAILED, "too late", 9)
        imports.end(tx, key, "you", imports.DONE, "", 9)
        assert imports.get(tx, key) == imports.Import(
            1,
            "p.csv",
            "you",
            "done",
            False,
            9,
            {"id": "external_id", "tel": "sms"},
            9,
            5,
            3,
            1,
            [imports.Note(3, "bad", True, "rejected")],
            "",
            5,
            8,
            9,
            "CSV, utf-8, commas",
            ["tel"],
            ["id", "tel"],
            {"rejected": 1, "clean": 8},
            False,
            7,
            4,
        )
        assert [each.notes for each in imports.page(tx, before=9, limit=2)] == [[]]  # fmt: skip
        imports.drop_rejects(tx, 5)
        assert imports.rejects(tx, key) == [imports.Reject(3, "bad", ["", "12"])]
        imports.drop_rejects(tx, 6)
        assert imports.rejects(tx, key) == []
        with pytest.raises(NotFound):
            imports.get(tx, 2)
