"""Tables `sites` and `ip_ranges`: shops' pages, and the addresses that machines come from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct, structs

from kaskad.domain.site import Site
from kaskad.store.db import Transaction
from kaskad.store.vault import Vault


class RangeList(Struct, frozen=True):
    """One list of networks, with where and of when it is."""

    name: str
    kind: str
    source: str
    as_of: str
    size: int
    changed_at: int = 0
    networks: tuple[str, ...] = ()


def all_sites(tx: Transaction, vault: Vault) -> list[Site]:
    """Return the sites in the order of their names."""
    return [
        Site(
            row[0],
            row[1],
            row[2],
            tuple(msgspec.json.decode(row[3])),
            vault.decrypt(row[4], str),
            row[5],
            tuple(msgspec.json.decode(row[6])),
        )
        for row in tx.all("sites")
    ]


def put_site(tx: Transaction, vault: Vault, site: Site, now: int) -> Site:
    """Add a site, or change the one of that name, which keeps its key and secret; return what is kept."""
    tx.run(
        "put_site", name=site.name, write_key=site.write_key, per_minute=site.per_minute,
        origins=_json(site.origins), events=_json(site.events),
        secret=vault.encrypt(site.secret), created_at=now,
    )  # fmt: skip
    return next(one for one in all_sites(tx, vault) if one.name == site.name)


def drop_site(tx: Transaction, name: str) -> bool:
    """Forget a site; return whether there was one."""
    return tx.run("drop_site", name=name) > 0


def range_names(tx: Transaction) -> list[RangeList]:
    """Return the lists in the order of their names, without their networks."""
    return [RangeList(*row) for row in tx.all("ip_range_names")]


def range_lists(tx: Transaction) -> list[RangeList]:
    """Return the lists in the order of their names."""
    rows = tx.all("ip_ranges")
    return [structs.replace(RangeList(*row[:6]), networks=tuple(row[6].split())) for row in rows]


def put_ranges(tx: Transaction, ranges: RangeList, now: int) -> None:
    """Keep a list in place of the one of that name."""
    tx.run(
        "put_ip_ranges", name=ranges.name, kind=ranges.kind, source=ranges.source, as_of=ranges.as_of,
        size=len(ranges.networks), changed_at=now, networks="\n".join(ranges.networks),
    )  # fmt: skip


def drop_ranges(tx: Transaction, name: str) -> bool:
    """Forget a list; return whether there was one."""
    return tx.run("drop_ip_ranges", name=name) > 0


def _json(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()
