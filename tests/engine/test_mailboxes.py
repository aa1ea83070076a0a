"""Mail by who keeps the mailboxes and day, on both databases, counted of messages that were put there."""

from kaskad.analytics.mailboxes import Mails, counted
from kaskad.domain.mailboxes import service_of
from kaskad.domain.terms import Kind, MessageState, Reason
from kaskad.store.db import Database

DAY = 86_400_000
AT = 20_000 * DAY + 5_000
WEEK = 7 * DAY


def test_mails_are_counted_with_who_keeps_the_mailbox(either: Database) -> None:
    people = [  # address, seed, day, account, state, reason, a fact and how long after it came
        ("ann@gmail.com", 0, 0, 1, MessageState.DELIVERED, None, Kind.UNSUBSCRIBED, WEEK),
        ("bob@bk.ru", 0, 0, 1, MessageState.DELIVERED, None, Kind.COMPLAINED, 1_000),
        ("eve@mail.ru", 0, 0, 1, MessageState.READ, None, Kind.COMPLAINED, WEEK + 1),  # too late
        (
            "dan@mail.ru",
            0,
            1,
            1,
            MessageState.SENT,
            None,
            None,
            0,
        ),  # its service tells of deliveries: it waits
        ("kim@shop.example.org", 0, 1, 2, MessageState.SENT, None, None, 0),  # that one does not
        ("lee@mail.ru", 0, 1, 1, MessageState.FAILED, Reason.INVALID_ADDRESS, None, 0),
        ("max@mail.ru", 0, 1, 1, MessageState.FAILED, Reason.OTHER, None, 0),
        ("sam@mail.ru", 1, 1, 1, MessageState.DELIVERED, None, Kind.COMPLAINED, 5),  # a seed
        ("old@mail.ru", 0, -1, 1, MessageState.DELIVERED, None, None, 0),
    ]
    with either.write() as tx:
        blob = "BYTEA" if tx.dialect == "postgresql" else "BLOB"
        for name, tells in (("tells", Kind.DELIVERED.bit), ("silent", 0)):
            tx.script(
                "INSERT INTO accounts (id, name, provider, channel, settings, secrets, priority, limits, "
                "prices, enabled, weight, tells) SELECT coalesce(max(id), 0) + 1, "
                f"'{name}', 'x', 1, '{{}}', CAST('' AS {blob}), 0, '{{}}', '{{}}', 1, 1, {tells} "
                "FROM accounts;"
            )
        for number, (address, seed, day, account, state, reason, kind, after) in enumerate(people, 1):
            at, mask = AT + day * DAY, 0 if kind is None else kind.bit
            tx.script(
                f"INSERT INTO contacts (id, created_at, seed) VALUES ({number}, 0, {seed});"
                f"INSERT INTO addresses (contact_id, channel, value) VALUES ({number}, 1, '{address}');"
                f"INSERT INTO messages (contact_id, run_id, step, channel, account_id, state, reason, mask, "
                f"submitted_at) VALUES ({number}, 1, 0, 1, {account}, {state.code}, "
                f"{'NULL' if reason is None else reason.code}, {mask}, {at});"
            )
            if kind is not None:
                tx.script(f"INSERT INTO facts (contact_id, run_id, step, kind, at, event) "
                          f"VALUES ({number}, 1, 0, {kind.value}, {at + after}, 'x');")  # fmt: skip
        tx.script(
            "INSERT INTO addresses (contact_id, channel, value, preferred) VALUES (2, 1, 'b@mail.ru', 1);"
        )
        tx.script("INSERT INTO addresses (contact_id, channel, value) VALUES (2, 3, '+79000000000');")
    with either.read() as tx:
        found = counted(tx, AT - 5_000)
    assert found.days == {
        (20_000, "gmail"): Mails(1, 1, 0, 0, 1),
        (20_000, "mail.ru"): Mails(2, 2, 0, 1, 0),
        (20_001, "mail.ru"): Mails(3, 0, 1, 0, 0),
        (20_001, "others"): Mails(1, 1, 0, 0, 0),
    }
    assert found.domains["mail.ru"] == Mails(5, 2, 1, 1, 0) and "bk.ru" not in found.domains
    assert [service_of(each) for each in ("ya.ru", "live.com", "mail.example.org")] == [
        "yandex",
        "outlook",
        "others",
    ]
