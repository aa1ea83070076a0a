"""Test messages: words made for one contact, sent to a tester by the account that carries the live ones.

They belong to no run: no figure, cap, budget or report of money knows of them, and nobody's reaction counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from kaskad.actions.frames import Filled, Preview, Work, account_of, fill, frame
from kaskad.actions.office import Office
from kaskad.actions.templates import Asked, Which, of_step, of_template
from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.consent import ConsentRow, may
from kaskad.domain.enclosing import MAX_WHOLE, Appointment
from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import contact_text
from kaskad.domain.speech import marked, plain
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded, wording
from kaskad.engine.approved import filled as approved_filled
from kaskad.engine.trial import NOBODY, Trial, send_out
from kaskad.providers import provider
from kaskad.providers.base import Account, File, Invite, Outgoing
from kaskad.store import files as file_store
from kaskad.store import seeds, suppressions
from kaskad.store.db import Transaction

MARKS = {"ru": "[Проверка] ", "kk": "[Тексеру] ", "en": "[Test] "}
_TITLED = (Channel.EMAIL, Channel.PUSH)  # their subject says that it is a test; other texts go as they are


class Wish(Struct, frozen=True):
    """Where a test goes, and whose words it has; `contact` "": a seed contact's.

    `anyone`: also to an address that is neither declared nor a seed contact's. `free`: the free text, though
    there is an approved one.
    """

    to: str
    contact: str = ""
    anyone: bool = False
    account: str = ""  # "": that of the step, else the first of the channel
    channel: str = ""
    language: str = ""
    variant: str = ""
    version: str = ""
    free: bool = False
    trigger: Mapping[str, Any] = {}
    complete: bool = False  # makes up what only an event would tell


class Tested(Struct, frozen=True):
    """What was sent where, with whose words, and what the service said; `preview` is all of the message."""

    to: str
    contact_id: int
    preview: Preview
    trial: Trial


def of_a_template(office: Office, name: str, wish: Wish) -> Tested:
    """Send a template as a test; raises NotFound, Unavailable, and Invalid with every problem."""
    with office.read() as tx:
        who = wish.contact or _seed(tx, wish)
        asked = of_template(office, tx, name, wish.channel, who, wish.language, wish.trigger)
    return _send(office, asked, wish)


def of_a_step(office: Office, slug: str, step: str, wish: Wish) -> Tested:
    """Send what a step says as a test: of its draft, else of what runs; raises as `of_a_template` does."""
    with office.read() as tx:
        who = wish.contact or _seed(tx, wish)
        which = Which(
            step, who, wish.version, wish.channel, wish.variant, wish.trigger, complete=wish.complete
        )
        asked = of_step(office, tx, slug, which)
    return _send(office, asked, wish)


def _send(office: Office, asked: Asked, wish: Wish) -> Tested:
    work = asked.work
    account = _account(office, work, wish.account)
    to = _checked(office, work, wish)
    with office.read() as tx:
        kept = file_store.all_files(tx)
    ends_at = office.now() + office.engine.world.options.link_life_ms
    links = {one.name: f"{office.base_url}/d/{office.signer.file(*NOBODY, one.id, ends_at)}" for one in kept}
    by_name = provider(account.provider).capabilities.approved and not wish.free
    leaves = f"{office.base_url}/u/{office.signer.unsubscribe(*NOBODY)}" if office.base_url else work.leaves
    work = structs.replace(
        work, account=account.name, by_name=by_name, leaves=leaves, files=links if office.base_url else {}
    )
    filled = office.renderers.call(fill, work)
    with office.read() as tx:
        preview = frame(office, tx, asked.contact_id, work, filled, to)
        files = _files(tx, account, filled)
    outgoing = _outgoing(office, account, asked.keys, work, filled, to, files)
    return Tested(to, asked.contact_id, preview, send_out(account, outgoing, office.now))


def _account(office: Office, work: Work, named: str) -> Account:
    account = account_of(office, work.channel, named or work.account)
    if account is None:
        name = named or work.account
        which = (
            worded("There is no enabled account %(name)r that", name=name)
            if name
            else worded("No enabled account")
        )
        raise Invalid(
            [
                worded(
                    "%(which)s sends by %(channel)s: `kaskad account list` shows them.",
                    which=which,
                    channel=work.channel,
                )
            ]
        )
    if provider(account.provider).own:
        raise Invalid(
            [
                worded(
                    "%(name)s is a desk, where your own people call: nothing is sent to test. "
                    "`kaskad template step` shows what the agent would read.",
                    name=account.name,
                )
            ]
        )
    return account


def _seed(tx: Transaction, wish: Wish) -> str:
    """Return the seed contact whose address it is, else the first; raises Invalid where there is none."""
    known = seeds.all_seeds(tx)
    if not known:
        raise Invalid(
            [
                worded(
                    "Say whose message it is to be by --as (API: contact), or make a seed: `kaskad seed add`."
                )
            ]
        )
    mine = [row[0] for row in tx.among("look_addresses", known) if row[2] == wish.to.strip().lower()]
    return contact_text(mine[0] if mine else known[0])


def _checked(office: Office, work: Work, wish: Wish) -> str:
    """Return the address as it is kept; raises Invalid for one that no test may go to."""
    try:
        to = normalise(work.channel, wish.to)
    except BadAddress as error:
        raise Invalid([worded("%(error)s.", error=wording(error))]) from None
    place = Channel.of(ADDRESS_CHANNEL.get(work.channel.code, work.channel.code))
    with office.read() as tx:
        key = office.engine.world.hash_key
        if suppressions.suppressed(tx, key, [(work.channel, to), (place, to)]):
            raise Invalid(
                [worded("%(to)s is on the stop-list: nothing is sent there, no test either.", to=to)]
            )
        if _is_own(office, tx, place, to):
            return to
        if not wish.anyone:
            raise Invalid([
                worded(
                    "%(to)s is neither a test address nor that of a seed contact. Declare it: `kaskad policy "
                    "set 'test_addresses=[%(to)s]'`, or `kaskad seed add CONTACT`; where its owner has asked "
                    "for this test, say --anyone (API: anyone).",
                    to=to,
                )
            ])  # fmt: skip
        if _has_refused(tx, work, place, to):
            raise Invalid(
                [worded("Whose address %(to)s is has refused such messages: no test goes there.", to=to)]
            )
    return to


def _is_own(office: Office, tx: Transaction, place: Channel, to: str) -> bool:
    """Say whether it is a declared test address, or a seed contact's."""
    for text in office.engine.world.policy.test_addresses:
        try:
            if normalise(place, text) == to:
                return True
        except BadAddress:  # it is one of another channel
            continue
    rows = tx.among("look_addresses", seeds.all_seeds(tx))
    return any(row[1] == place.code and row[2] == to for row in rows)


def _has_refused(tx: Transaction, work: Work, place: Channel, to: str) -> bool:
    """Say whether somebody with that address has said no to messages like this one."""
    by_contact: dict[int, list[ConsentRow]] = {}
    ids = [row[0] for row in tx.all("contacts_at_address", channel=place.code, value=to)]
    for row in tx.among("look_consents", ids):
        by_contact.setdefault(row[0], []).append(
            ConsentRow(bool(row[1]), row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8])
        )
    # Of a template nobody knows the class: whoever has refused any is left alone.
    message_class = work.message_class if work.cascade else MessageClass.ADVERTISING
    return any(
        not all(row.granted for row in rows)
        and may(rows, work.channel, message_class, work.topic, work.now, brand=work.brand) is not None
        for rows in by_contact.values()
    )


def _files(tx: Transaction, account: Account, filled: Filled) -> tuple[File, ...]:
    """Return what goes with the letter, whole; raises Invalid."""
    wanted = [*filled.attached, *((name, "") for name in filled.embedded)]
    if not (wanted or filled.appointment):
        return ()
    if not provider(account.provider).capabilities.files:
        raise Invalid(
            [worded("Account %(name)r carries no files or appointments: choose another.", name=account.name)]
        )
    found = []
    for name, shown in wanted:
        kept = file_store.find(tx, name)
        if kept is None:
            raise Invalid([worded("There is no file %(name)r: save it by `kaskad file put`.", name=name)])
        cid = name if name in filled.embedded else ""
        title = " ".join(shown.split()) or kept.title
        found.append(File(title, kept.kind, file_store.content(tx, kept.id), cid))
    if sum(len(file.content) for file in found) > MAX_WHOLE:
        raise Invalid(
            [
                worded(
                    "The files of one mail may have %(most)s MB together.",
                    most=MAX_WHOLE // 1_000_000,
                )
            ]
        )
    return tuple(found)


def _outgoing(
    office: Office, account: Account, keys: Mapping[str, str], work: Work, filled: Filled, to: str,
    files: tuple[File, ...],
) -> Outgoing:  # fmt: skip
    words, now, world = filled.words, office.now(), office.engine.world
    able = provider(account.provider).capabilities
    subject = words.subject
    if subject and work.channel in _TITLED:
        subject = MARKS.get(filled.language, MARKS["en"]) + subject
    approved = words.approved
    if approved is not None:
        known = world.accounts.approved.get(account.id, {}).get((approved.name, approved.language))
        approved = approved_filled(approved, known)[0]
    return Outgoing(
        reference=office.signer.reference(*NOBODY, account.id),
        key=f"test:{now}",
        channel=work.channel,
        to=to,
        at=now,
        message_class=work.message_class,
        subject=subject,
        html=words.html,
        text=words.text,
        say=marked(words.say, work.person.language) if able.ssml else plain(words.say),
        script=words.script,
        keys=keys,
        buttons=words.buttons,
        media=words.media,
        status_url=world.accounts.status_urls.get(account.id, ""),
        unsubscribe_url=work.leaves if office.base_url else "",
        contact_name=str(work.person.attributes.get("name", "")),
        language=work.person.language,
        approved=approved,
        files=files,
        invite=_invite(filled.appointment, to, now) if filled.appointment else None,
    )


def _invite(told: Appointment, to: str, now: int) -> Invite:
    """Return the appointment; the next test moves it, or takes it back."""
    digest = sha256(f"test {to} {told.uid}".encode()).digest()
    uid = str(UUID(bytes=digest[:16], version=4))
    return Invite(
        uid, now // 1000, told.starts_at, told.ends_at, told.title, told.place, told.about, told.cancel
    )
