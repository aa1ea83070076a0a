"""What may happen as well in histories from seed `FROM` on: the earlier ones stay what they were."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from kaskad.domain.prices import PriceRow
from kaskad.domain.terms import Channel, Suppressed
from kaskad.engine.receive import Delivery
from kaskad.store import prices, suppressions
from kaskad.store.db import Transaction
from support.histories.acts import ACTS, Act, told
from support.histories.life import FROM, PRICE, Life
from support.stage import HASH_KEY

LATER: dict[Act, int] = {}
WAIT_S = 60
HOUR = 3_600_000
PRICED = (Channel.EMAIL.code, Channel.SMS.code)
SPARE = {"backup": Channel.SMS, "letters": Channel.EMAIL, "chats": Channel.TELEGRAM}
STOPPED = (Channel.SMS, Channel.EMAIL, Channel.TELEGRAM, Channel.VIBER)


def acts_of(seed: int) -> dict[Act, int]:
    """Return what may happen in the history of a seed."""
    return {**ACTS, **LATER} if seed >= FROM else ACTS


def often(weight: int) -> Callable[[Act], Act]:
    """Let an act happen with this weight among all."""

    def known(act: Act) -> Act:
        LATER[act] = weight
        return act

    return known


@often(4)
def accounts_stand_in(life: Life) -> None:
    """One is switched off or on, dearer, asked first or last: another takes over what waits for it."""
    draw = life.draw
    name, channel = draw.choice([*SPARE.items(), ("sms", Channel.SMS), ("email", Channel.EMAIL)])
    own = {**life.own, "prices": {**PRICE, "minor": draw.choice([0, 60, 100, 250])}}
    life.stage.account(channel, name, priority=draw.choice([-1, 0, 9]), enabled=draw.random() < 0.7, **own)
    life.works()


@often(4)
def a_price_list_changes(life: Life) -> None:
    """One comes in place of another, or is taken away; its prices change within the day."""
    draw, now = life.draw, life.now()
    (number,) = draw.choice(life.rows(f"SELECT id FROM accounts WHERE channel IN {PRICED} ORDER BY id"))
    turn = now + draw.choice([1, 2, 20]) * HOUR
    rows = [
        PriceRow("*", draw.choice([0, 5, 10, 30]) * 100_000, until=turn),
        PriceRow("*", draw.choice([5, 10, 30]) * 100_000, since=turn),
    ]
    with life.db.write() as tx:
        if draw.random() < 0.2:
            prices.delete(tx, number)
        else:
            prices.put(tx, number, "KZT", "list", rows, now)
    life.works()


@often(4)
def a_stop_list_comes_while_one_ticks(life: Life) -> None:
    """Whoever brings it in may use another engine than the one that is deciding about these people."""
    draw = life.draw
    who = draw.sample(life.people, k=min(2, len(life.people)))
    addresses = [
        (channel, value) for one in who for channel in draw.sample(STOPPED, k=2)
        for value in life.addresses(one, channel)
    ]  # fmt: skip
    first, last, at = life.stages[0], life.stages[-1], len(life.stage.parcels)

    def stop(tx: Transaction) -> None:
        nonlocal at
        suppressions.fence(tx, addresses)
        suppressions.suppress(tx, HASH_KEY, addresses, Suppressed.LEGAL.value, life.now())
        at = len(life.stage.parcels)

    first.engine.deliver(Delivery(Future(), events=[told(life) for _ in who]))
    if first is last:
        asked = first.engine.write(stop)
        first.works()
    else:
        with ThreadPoolExecutor(1) as pool:
            ticking = pool.submit(first.engine._tick)
            with last.db.write() as tx:
                stop(tx)
            ticking.result(WAIT_S)
        at = len(life.stage.parcels)  # what a tick had decided before goes out after its commit
        asked = None
    life.stopped.update({address: at for address in addresses if address not in life.stopped})
    if asked is not None:
        asked.result(0)
    life.works()
