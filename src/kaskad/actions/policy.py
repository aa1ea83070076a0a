"""The policy of an installation: hours, caps, hold-outs, and what the sender is to the law."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kaskad.actions import accounts
from kaskad.actions.office import Office
from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.definition.links import DOMAIN
from kaskad.domain.errors import Invalid
from kaskad.domain.hours import is_zone
from kaskad.domain.law import FLAGS, LAWS
from kaskad.domain.money import parse_money
from kaskad.domain.policy import Policy
from kaskad.domain.template import BadTemplate, compile_text
from kaskad.domain.terms import Channel
from kaskad.domain.utm import NAMES
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.store import held_shares
from kaskad.store import settings as setting_store

DAY_MS = 86_400_000
MONTH_MS = 31 * DAY_MS
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`")
_BRAND = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def show(office: Office) -> Policy:
    """Return the policy in force."""
    with office.read() as tx:
        return setting_store.get(tx, POLICY, Policy) or Policy()


def put(office: Office, told: Mapping[str, Any]) -> Policy:
    """Keep a policy; what is left out has its default. Versions that run follow it. Raises Invalid."""
    policy = _read(told)
    problems = _wrong(office, policy)
    if problems:
        raise Invalid(problems)
    now = office.now()
    office.write(lambda tx: held_shares.put_policy(tx, policy, now))
    office.reload()
    return policy


def change(office: Office, told: Mapping[str, Any]) -> Policy:
    """Change what is told and leave the rest; raises Invalid."""
    return put(office, {**msgspec.to_builtins(show(office)), **told})


def _read(told: Mapping[str, Any]) -> Policy:
    try:
        return msgspec.convert(dict(told), Policy)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        if (field := _UNKNOWN.match(what)) is not None:
            what = worded(
                "There is no %(field)r: the policy that is shown names all there is.", field=field[1]
            )
        raise Invalid([what], ["/" + where.rstrip("`").replace(".", "/") if where else ""]) from None


def _wrong(office: Office, policy: Policy) -> list[str]:
    """Return what of a policy can be read and yet not be."""
    return [
        *_wrong_place(policy),
        *_wrong_budgets(office, policy),
        *_wrong_numbers(policy),
        *_wrong_names(policy),
        *_wrong_links(policy),
    ]


def _wrong_place(policy: Policy) -> Iterator[str]:
    """Yield what is wrong with where the sender is."""
    if not is_zone(policy.zone):
        yield worded("zone %(zone)r is not known: write such as Asia/Almaty", zone=policy.zone)
    country = policy.country
    if country and not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        yield worded("country %(country)r is no code of two capital letters, such as KZ", country=country)


def _wrong_budgets(office: Office, policy: Policy) -> Iterator[str]:
    """Yield which accounts' prices cannot be held against their budgets."""
    if not policy.budgets:
        return
    kept = {one.account.name: one.account.prices for one in accounts.listing(office)}
    rates, today = office.engine.world.money.rates, office.now() // DAY_MS
    for limit in policy.budgets:
        currency = parse_money(limit.amount).currency
        own = kept.get(limit.account, {}).get("currency", "")
        known = own and rates.find(own, currency, today) is not None
        if limit.account and not known:
            yield worded(
                "budgets: there is no account %(name)r whose price is in %(currency)s, or in a "
                "currency that a rate brings into it",
                name=limit.account,
                currency=currency,
            )


def _wrong_numbers(policy: Policy) -> Iterator[str]:
    """Yield which spans and shares are none."""
    if not 0 <= policy.sunset_days <= 3_650:
        yield worded(
            "sunset_days %(sunset_days)s is no number of days: write such as 180, or 0 for never",
            sunset_days=policy.sunset_days,
        )
    if not 0 <= policy.hold_refused_percent <= 100:
        yield worded(
            "hold_refused_percent %(hold_refused_percent)s is no share: write 1 to 100, or 0 for never",
            hold_refused_percent=policy.hold_refused_percent,
        )
    for name, per_class, most in (
        ("min_gap_ms", policy.min_gap_ms, MONTH_MS), ("run_gap_ms", policy.run_gap_ms, MONTH_MS),
        ("holdout", policy.holdout, 10_000),
    ):  # fmt: skip
        for kind, value in msgspec.structs.asdict(per_class).items():
            if not 0 <= value <= most:
                yield worded(
                    "%(name)s of %(kind)s is a number from 0 to %(most)s, not %(value)s",
                    name=name,
                    kind=kind,
                    most=most,
                    value=value,
                )
    if not 0 <= policy.control.share <= 5_000:
        yield worded("control: a share is from 0 to 5000 of 10 000 (half of all people)")
    if policy.control.since and policy.control.until and policy.control.since >= policy.control.until:
        yield worded("control: it ends before it begins")
    if not 0 <= policy.window_jitter_ms <= DAY_MS:
        yield worded("window_jitter_ms is a number from 0 to %(most)s", most=DAY_MS)


def _wrong_names(policy: Policy) -> Iterator[str]:
    """Yield which laws and properties of the sender there are not, and which addresses are none."""
    laws = {law.id for law in LAWS}
    for name in policy.set_aside:
        if name not in laws:
            yield worded("There is no law %(name)r: `kaskad doctor law` lists them", name=name)
    for name in policy.tenant:
        if name not in FLAGS:
            yield worded(
                "tenant %(name)r is not known: choose from %(known)s", name=name, known=", ".join(FLAGS)
            )
    for text in policy.test_addresses:
        if not _is_address(text):
            yield worded(
                "test_addresses: %(text)r is no e-mail address, telephone number or id of a chat",
                text=text[:60],
            )


def _wrong_links(policy: Policy) -> list[str]:
    """Return what is wrong with the parameters and domains of links."""
    found: list[str] = []
    told = [("utm", policy.utm), *((f"brands.{one.name}.utm", one.utm) for one in policy.brands)]
    for where, parameters in told:
        for name in NAMES:
            try:
                compile_text(getattr(parameters, name), name=name)
            except BadTemplate as bad:
                found.append(
                    worded(
                        "%(where)s.%(name)s: %(problem)s: %(remedy)s",
                        where=where,
                        name=name,
                        problem=bad.problem,
                        remedy=bad.remedy,
                    )
                )
        found += [
            worded(
                "%(where)s.domains: %(domain)r is no domain: write such as shop.example.org",
                where=where,
                domain=domain,
            )
            for domain in parameters.domains
            if not DOMAIN.fullmatch(domain)
        ]
    for name, times in Counter(one.name for one in policy.brands).items():
        if times > 1 or not _BRAND.fullmatch(name):
            found.append(
                worded(
                    "brands: %(name)r is no name of one brand, such as shop-kz: a slug, each once",
                    name=name[:60],
                )
            )
    for brand in policy.brands:
        parts = urlsplit(brand.link_domain)
        if brand.link_domain and (parts.scheme != "https" or not parts.netloc or parts.path not in ("", "/")):
            found.append(
                worded("brands.%(name)s.link_domain: write such as https://s.example.org", name=brand.name)
            )
    return found


def _is_address(text: str) -> bool:
    """Say whether something can be sent there on any channel."""
    for channel in Channel:
        try:
            normalise(channel, text)
        except BadAddress:
            continue
        return True
    return False
