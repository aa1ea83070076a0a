"""Appointments and files in mails, as icalendar and the standard library read them."""

from email import message_from_bytes
from email.policy import default

import msgspec
from icalendar import Calendar

from kaskad.domain.terms import Channel
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account, File, Invite, Outgoing

LONG = "Встреча, где мы говорим; о ценах \\ скидках: " * 4
INVITE = Invite(
    "4f9b7c1e-0000-4000-8000-000000000001", 3, 1_780_560_000_000, 1_780_565_400_000, LONG.strip(),
    place='Зал "Север", 2', about="Первая строка\nвторая",
)  # fmt: skip
PICTURE = File("logo.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "logo")
PRICES = File("Цены, весна.pdf", "application/pdf", b"%PDF-1.7\n" * 100)
SMTP = Account(
    1, "mail", "smtp", Channel.EMAIL, {"host": "localhost", "sender": '"Лавка, ""А""" <shop@example.org>'}
)


def mail(**more):
    told = Outgoing(
        "ref", "key", Channel.EMAIL, "ann@example.org", 1_780_000_000_000, subject="s", text="t",
        html="<p>h</p>",        contact_name='Анна "Аня", А.', **more,
    )  # fmt: skip
    made = PROVIDERS["smtp"].build_mail(told, SMTP)
    return message_from_bytes(made.content, policy=default)


def kinds(message):
    return [part.get_content_type() for part in message.walk()]


def test_an_appointment_says_to_a_calendar_what_it_is():
    message = mail(invite=INVITE)
    assert kinds(message) == ["multipart/alternative", "text/plain", "text/html", "text/calendar"]
    part = list(message.walk())[-1]
    assert part["Content-Type"].params["method"] == "REQUEST"
    raw = part.get_payload(decode=True)
    assert max(map(len, raw.split(b"\r\n"))) <= 75 and raw.count(b"\n") == raw.count(b"\r\n")
    calendar = Calendar.from_ical(raw)
    (event,) = calendar.walk("VEVENT")
    assert (str(calendar["METHOD"]), int(event["SEQUENCE"])) == ("REQUEST", 3)
    assert (str(event["UID"]), str(event["SUMMARY"]), str(event["LOCATION"])) == (
        INVITE.uid,
        INVITE.title,
        INVITE.place,
    )
    assert str(event["DESCRIPTION"]) == INVITE.about
    assert (event.start.timestamp() * 1000, event.end.timestamp() * 1000) == (
        INVITE.starts_at,
        INVITE.ends_at,
    )
    assert (str(event["ATTENDEE"]), event["ATTENDEE"].params["CN"]) == (
        "mailto:ann@example.org",
        "Анна 'Аня', А.",
    )
    assert str(event["ORGANIZER"]) == "mailto:shop@example.org"


def test_a_cancelled_one_is_taken_back_by_its_uid():
    part = list(mail(invite=msgspec.structs.replace(INVITE, cancel=True)).walk())[-1]
    calendar = Calendar.from_ical(part.get_payload(decode=True))
    (event,) = calendar.walk("VEVENT")
    assert (str(calendar["METHOD"]), str(event["STATUS"]), str(event["UID"])) == (
        "CANCEL",
        "CANCELLED",
        INVITE.uid,
    )


def test_pictures_stand_with_the_html_and_files_behind():
    message = mail(files=(PRICES, PICTURE), invite=INVITE)
    assert kinds(message) == [
        "multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html",
        "text/calendar", "image/png", "application/pdf",
    ]  # fmt: skip
    *_, picture, prices = message.walk()
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<logo>", "inline")
    assert (prices.get_filename(), prices.get_content_disposition()) == (PRICES.name, "attachment")
    assert (picture.get_content(), prices.get_content()) == (PICTURE.content, PRICES.content)
    assert all(len(line) <= 998 for line in message.as_bytes().split(b"\n"))
