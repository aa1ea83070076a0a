"""The texts that services approve: shown, asked for anew, and held against the cascades that name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kaskad.actions.office import Office
from kaskad.domain.cascade import Approved, Cascade, Content, Step
from kaskad.domain.errors import Conflict, Invalid, NotFound, SendError
from kaskad.domain.worded import worded
from kaskad.engine import approved, texts
from kaskad.engine.texts import APPROVED, Text, Texts
from kaskad.providers.approval import ServiceTemplate
from kaskad.providers.base import Account
from kaskad.store.db import Transaction

FILES = ("image", "video", "document")  # heads that each message fills


def listing(office: Office, name: str) -> list[Text]:
    """Return the texts of an account as they were last told; raises NotFound, Invalid."""
    account = _account(office, name)
    with office.read() as tx:
        return list(texts.load(tx).get(account.id, {}).values())


def sync(office: Office, name: str) -> list[Text]:
    """Ask the account's service for its texts and keep them; raises NotFound, Invalid, Conflict."""
    account = _account(office, name)
    if not approved.lists_texts(account):
        raise Invalid(
            [
                worded(
                    "Account %(name)r does not say whose texts they are: fill its settings, such as "
                    "business_account_id.",
                    name=name,
                )
            ]
        )
    try:
        listed = approved.asked(account, office.now())
    except SendError as error:
        raise Conflict(
            worded(
                "The service of %(name)r does not tell its texts: %(detail)s", name=name, detail=error.detail
            )
        ) from None
    office.write(lambda tx: approved.keep(tx, office.engine.world, account, listed))
    return listing(office, name)


def ask_first(office: Office, cascade: Cascade) -> None:
    """Have the services list their texts before a cascade that names them begins: who came earlier would be
    left out. Raises Conflict where one does not answer, Invalid where a text is not to be had.
    """
    accounts = [account for account in office.engine.world.accounts.values() if account.enabled]
    for account in accounts:
        named = {
            (told.name, told.language)
            for step, told, _ in _named(cascade)
            if account.channel in step.channels and step.account in ("", account.name)
        }
        if named and approved.takes_approved(account) and approved.lists_texts(account):
            with office.read() as tx:
                known = texts.load(tx).get(account.id, {})
            if any(key not in known or known[key].state != APPROVED for key in named):
                sync(office, account.name)
    with office.read() as tx:
        if wrong := wrong_texts(tx, cascade, accounts):
            raise Invalid(wrong)


def wrong_texts(tx: Transaction, cascade: Cascade, accounts: Sequence[Account]) -> list[str]:
    """Return which approved texts a cascade names in vain, in words; `accounts` are those in use."""
    known = texts.load(tx)
    found = []
    for step, told, content in _named(cascade):
        for account in accounts:
            if account.channel in step.channels and step.account in ("", account.name):
                problem = _wrong(told, content, account, known.get(account.id, {}))
                if problem:
                    found.append(
                        worded(
                            "Step %(number)s (%(step)s) of %(cascade)r %(problem)s.",
                            number=step.number + 1,
                            step=step.id,
                            cascade=cascade.id,
                            problem=problem,
                        )
                    )
    return list(dict.fromkeys(found))


def _account(office: Office, name: str) -> Account:
    account = office.engine.world.accounts.by_name.get(name)
    if account is None:
        raise NotFound(worded("There is no account %(name)r: `kaskad account list` shows them.", name=name))
    if not office.engine.world.accounts.capabilities[account.id].approved:
        raise Invalid([worded("The service of account %(name)r approves no texts.", name=name)])
    return account


def _named(cascade: Cascade) -> Iterator[tuple[Step, Approved, Content]]:
    for step in cascade.steps:
        for content in [variant.content for variant in step.variants] or [step.content]:
            if content.approved is not None:
                yield step, content.approved, content


def _wrong(told: Approved, content: Content, account: Account, known: Texts) -> str:
    """Return what keeps the account from sending the text, "" where nothing does."""
    if not approved.takes_approved(account):
        if content.text or content.media:
            return ""
        return worded(
            "has only an approved text, and account %(name)r takes none: give `text` as well",
            name=account.name,
        )
    name, text = (
        worded("approved text %(name)r (%(language)s)", name=told.name, language=told.language),
        known.get((told.name, told.language)),
    )
    if text is None:
        return worded(
            "names the %(name)s, which account %(name2)r does not know: `kaskad account "
            "templates %(name2)s --sync` asks its service, or name one that it lists",
            name=name,
            name2=account.name,
        )
    if text.state != APPROVED:
        why = f" ({text.why})" if text.why else ""
        return worded(
            "names the %(name)s, which at account %(name2)r is %(state)s%(why)s: wait, or name another",
            name=name,
            name2=account.name,
            state=text.state,
            why=why,
        )
    if problem := _misfit(told, text.template):
        return worded("names the %(name)s, %(problem)s", name=name, problem=problem)
    return ""


def _misfit(told: Approved, template: ServiceTemplate) -> str:
    """Return where what is given does not fit the places of the text, "" where it does."""
    given, wanted = len(told.parameters), len(template.parameters)
    if given != wanted:
        return worded(
            "whose body has %(wanted)s places, and %(given)s `parameters` are given: %(body)r",
            wanted=wanted,
            given=given,
            body=template.body[:200],
        )
    needs_head = bool(template.header_parameters) or template.header in FILES
    if needs_head != bool(told.header):
        kind = template.header if template.header in FILES else "text"
        return (
            worded("whose head wants a %(kind)s: give `header`", kind=kind)
            if needs_head
            else worded("whose head is fixed: remove `header`")
        )
    if len(told.buttons) > len(template.buttons):
        return worded(
            "which has %(n)s buttons, and `buttons` fills %(n2)s",
            n=len(template.buttons),
            n2=len(told.buttons),
        )
    for place, button in enumerate(template.buttons, 1):
        filled = place <= len(told.buttons) and bool(told.buttons[place - 1])
        if "{{" in button.url and not filled:
            return worded(
                "whose button %(place)s (%(text)s) has an address to fill: give it in `buttons`",
                place=place,
                text=button.text,
            )
    return ""
