"""What happens in the demo's shop by itself: carts are left behind, people sign up for a webinar."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from kaskad.demo.people import Person
from kaskad.demo.shop import ITEMS, Shop, Visit
from kaskad.log import get_logger

log = get_logger(__name__)

Tell = Callable[[Sequence[Mapping[str, Any]]], None]

WEBINAR = "Как выбрать кофе"
STEP_S = 0.5  # of real time, between two batches of events
FRIDAY = 4
BRAND_ZONE = ZoneInfo("Asia/Almaty")


class Traffic:
    """Sends events to Kaskad in a thread of its own until everybody has had their turn, or `stop`.

    `clock` is the installation's, in milliseconds; `spread_s` is how long the turns take, in real seconds.
    """

    def __init__(
        self, tell: Tell, shop: Shop, shop_url: str, clock: Callable[[], int], seed: int, spread_s: float
    ) -> None:
        self._tell, self._shop, self._shop_url, self._clock = tell, shop, shop_url, clock
        self._chance = Random(seed)
        self._spread_s = spread_s
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None

    def start(
        self, carts: Sequence[Person], guests: Sequence[Person], regulars: Sequence[Person],
        sleeping: Sequence[Person],
    ) -> None:  # fmt: skip
        """Let these people leave carts behind, sign up for the webinar, get an order, and open the sale."""
        for person in sleeping:
            self._sale(person)
        self._thread = threading.Thread(
            target=self._run, args=(carts, guests, regulars), name="traffic", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End soon; may be called twice."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, carts: Sequence[Person], guests: Sequence[Person], regulars: Sequence[Person]) -> None:
        turns = max(1, round(self._spread_s / STEP_S))
        starts_at = self._webinar_at()
        for turn in range(turns):
            events = [self._cart(person) for person in carts[turn::turns]]
            events += [self._guest(person, starts_at) for person in guests[turn::turns]]
            events += [self._order(person) for person in regulars[turn::turns]]
            if events:
                try:
                    self._tell(events)
                except Exception as error:
                    log.warning("events not taken", why=str(error))
            if self._halt.wait(STEP_S):
                return

    def _cart(self, person: Person) -> Mapping[str, Any]:
        cart_id = f"cart-{person.id}"
        item, price = self._chance.choice(ITEMS)
        contact = {"external_id": person.id}
        bought = {"id": f"bought-{cart_id}", "name": "purchase", "contact": contact,
                  "properties": {"cart_id": cart_id, "amount": price / 100}}  # fmt: skip
        path = self._shop.open(cart_id, Visit(f"Ваша корзина: {item}", "Купить", bought))
        properties = {"cart_id": cart_id, "item": item, "total": price // 100,
                      "cart_url": self._shop_url + path}  # fmt: skip
        return {"id": cart_id, "name": "cart_abandoned", "contact": contact, "properties": properties}

    def _order(self, person: Person) -> Mapping[str, Any]:
        """Let an order arrive at a pick-up point; its page asks whether the person will come."""
        item, price = self._chance.choice(ITEMS)
        order_id, contact = f"order-{person.id}", {"external_id": person.id}
        confirmed = {"id": f"confirmed-{order_id}", "name": "pickup_confirmed", "contact": contact,
                     "properties": {"order_id": order_id}}  # fmt: skip
        path = self._shop.open(order_id, Visit(f"Ваш заказ: {item}", "Приду", confirmed))
        properties = {"order_id": order_id, "item": item, "total": price // 100, "url": self._shop_url + path}
        return {"id": order_id, "name": "order_ready", "contact": contact, "properties": properties}

    def _sale(self, person: Person) -> None:
        item, price = self._chance.choice(ITEMS)
        bought = {"id": f"bought-sale-{person.id}", "name": "purchase", "contact": {"external_id": person.id},
                  "properties": {"amount": price / 100}}  # fmt: skip
        self._shop.open(f"sale-{person.id}", Visit(f"Скидка 10 %: {item}", "Купить", bought))

    def _guest(self, person: Person, starts_at: datetime) -> Mapping[str, Any]:
        contact = {"external_id": person.id}
        joined = {"id": f"joined-{person.id}", "name": "webinar_joined", "contact": contact,
                  "properties": {"webinar_id": "coffee"}}  # fmt: skip
        path = self._shop.open(f"webinar-{person.id}", Visit(WEBINAR, "Войти", joined))
        local = starts_at.astimezone(ZoneInfo(person.zone) if person.zone else BRAND_ZONE)
        properties = {
            "webinar_id": "coffee",
            "title": WEBINAR,
            "starts_at": starts_at.isoformat(),
            "starts_text": f"{local:%d.%m в %H:%M}",
            "join_url": self._shop_url + path,
        }
        return {"id": f"webinar-{person.id}", "name": "webinar_registered", "contact": contact,
                "properties": properties}  # fmt: skip

    def _webinar_at(self) -> datetime:
        """Return 19:00 in Almaty on a working day, at least two days ahead."""
        ahead = datetime.fromtimestamp(self._clock() / 1000, UTC).astimezone(BRAND_ZONE) + timedelta(days=2)
        evening = ahead.replace(hour=19, minute=0, second=0, microsecond=0)
        while evening < ahead or evening.weekday() > FRIDAY:
            evening += timedelta(days=1)
        return evening
