"""People of Kazakhstan and Russia who do not exist: names, cities, zones, addresses and consents, by a seed.

Addresses are of ranges that belong to nobody: example.org, numbers +7 700 000 and +7 900 000.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from random import Random

from msgspec import Struct, structs


class City(Struct, frozen=True):
    name: str
    country: str
    zone: str
    weight: int  # thousands of inhabitants, about


CITIES = (
    City("Алматы", "KZ", "Asia/Almaty", 2200),
    City("Астана", "KZ", "Asia/Almaty", 1500),
    City("Шымкент", "KZ", "Asia/Almaty", 1200),
    City("Караганда", "KZ", "Asia/Almaty", 520),
    City("Актобе", "KZ", "Asia/Aqtobe", 560),
    City("Атырау", "KZ", "Asia/Atyrau", 400),
    City("Москва", "RU", "Europe/Moscow", 2600),
    City("Санкт-Петербург", "RU", "Europe/Moscow", 1100),
    City("Казань", "RU", "Europe/Moscow", 650),
    City("Екатеринбург", "RU", "Asia/Yekaterinburg", 750),
    City("Новосибирск", "RU", "Asia/Novosibirsk", 800),
    City("Владивосток", "RU", "Asia/Vladivostok", 300),
)
NAMES = {
    "KZ": {
        "Айгерим": "aigerim", "Динара": "dinara", "Мадина": "madina", "Асель": "assel", "Сауле": "saule",
        "Жанна": "zhanna", "Нурлан": "nurlan", "Ерлан": "yerlan", "Данияр": "daniyar", "Арман": "arman",
        "Тимур": "timur", "Бауыржан": "bauyrzhan", "Алия": "aliya", "Гульнара": "gulnara", "Руслан": "ruslan",
    },
    "RU": {
        "Анна": "anna", "Мария": "maria", "Елена": "elena", "Ольга": "olga", "Наталья": "natalia",
        "Татьяна": "tatiana", "Иван": "ivan", "Алексей": "alexey", "Дмитрий": "dmitry", "Сергей": "sergey",
        "Андрей": "andrey", "Михаил": "mikhail", "Ирина": "irina", "Юлия": "julia", "Павел": "pavel",
    },
}  # fmt: skip
PHONES = {"KZ": "+7700000", "RU": "+7900000"}
_CHATS = {"telegram": 700_000_000, "vk": 300_000_000, "max": 40_000_000}  # where the ids begin
SHARES = {
    "email": 0.93, "phone": 0.96, "telegram": 0.62, "consent": 0.82, "tracking": 0.95, "vip": 0.06,
    "whatsapp": 0.5, "viber": 0.2, "vk": 0.3, "max": 0.35, "push": 0.3,
}  # fmt: skip


class Person(Struct, frozen=True):
    """One row of the demo's CSV; "" where the person has no such address."""

    id: str
    name: str
    email: str
    phone: str
    telegram: str
    whatsapp: str
    viber: str
    vk: str
    max: str
    push: str
    city: str
    country: str
    zone: str
    language: str
    consent: str
    tracking: str
    vip: str


def invent(count: int, seed: int) -> list[Person]:
    """Return `count` people, always the same for one seed."""
    chance = Random(seed)
    cities = chance.choices(CITIES, [city.weight for city in CITIES], k=count)
    return [_person(number, city, chance) for number, city in enumerate(cities, 1)]


def everywhere(person: Person) -> Person:
    """Return a person who can be reached on every channel, at the addresses that they have anyway."""
    number = int(person.id[1:])
    email, phone = f"{person.id}@example.org", f"{PHONES[person.country]}{number:04}"
    return structs.replace(
        person, email=person.email or email, phone=phone, whatsapp=phone, viber=_viber(number),
        telegram=str(_CHATS["telegram"] + number), vk=str(_CHATS["vk"] + number),
        max=str(_CHATS["max"] + number), push=_push(number),
    )  # fmt: skip


def _viber(number: int) -> str:
    return f"viber{number:015}"


def _push(number: int) -> str:
    return f"push-token-{number:012}"


def as_csv(people: Sequence[Person], sale_url: str) -> bytes:
    """Return the people as the CSV that an import takes; each has a page of the sale."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((*Person.__struct_fields__, "sale_url"))
    rows.writerows((*structs.astuple(person), f"{sale_url}{person.id}") for person in people)
    return text.getvalue().encode()


def _person(number: int, city: City, chance: Random) -> Person:
    name, latin = chance.choice(sorted(NAMES[city.country].items()))
    has = {what: chance.random() < share for what, share in SHARES.items()}
    email = f"{latin}{number:04}@example.org" if has["email"] else ""
    phone = f"{PHONES[city.country]}{number:04}" if has["phone"] or not email else ""
    consented = f"2026-0{chance.randint(1, 9)}-{chance.randint(10, 28)}"
    return Person(
        f"p{number:04}",
        name,
        email,
        phone,
        str(_CHATS["telegram"] + number) if has["telegram"] else "",
        phone if has["whatsapp"] else "",
        _viber(number) if has["viber"] else "",
        str(_CHATS["vk"] + number) if has["vk"] else "",
        str(_CHATS["max"] + number) if has["max"] else "",
        _push(number) if has["push"] else "",
        city.name,
        city.country,
        city.zone if chance.random() < 0.9 else "",
        "kk" if city.country == "KZ" and chance.random() < 0.3 else "ru",
        consented if has["consent"] else "no",
        "yes" if has["tracking"] else "no",
        "yes" if has["vip"] else "no",
    )
