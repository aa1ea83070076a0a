"""Mail addresses that are well written and yet no good."""

import pytest

from kaskad.domain.mailbox import is_role, meant, one_slip


@pytest.mark.parametrize(
    ("written", "better"),
    [
        ("gmial.com", "gmail.com"), ("gmai.com", "gmail.com"), ("gnail.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmaill.com", "gmail.com"), ("mail.ry", "mail.ru"), ("mial.ru", "mail.ru"), ("meil.ry", "mail.ru"),
        ("yandex.ry", "yandex.ru"), ("yadex.ru", "yandex.ru"), ("ramler.ru", "rambler.ru"),
        ("bk.ry", "bk.ru"),
        ("hotmial.com", "hotmail.com"), ("yahooo.com", "yahoo.com"), ("iclod.com", "icloud.com"),
    ],
)  # fmt: skip
def test_a_slip_in_the_domain_of_a_large_service_is_seen(written: str, better: str) -> None:
    assert meant(f"anna@{written}") == f"anna@{better}"


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "mail.ru", "mai.ru", "mall.ru", "email.com", "ymail.com", "yandex.kz", "ya.ru", "bk.ru",
     "list.ru", "example.org", "mail.example.org", "outlook.de", "mail.kz", "hotmail.fr",
     "kaskad.ru", "gmail.ru"],
)  # fmt: skip
def test_a_domain_of_its_own_is_left_alone(domain: str) -> None:
    assert meant(f"anna@{domain}") is None


def test_a_slip_is_one_letter() -> None:
    assert one_slip("gmail", "gmial") and one_slip("gmal", "gmail") and one_slip("gmaiil", "gmail")
    assert not one_slip("gmail", "gmail") and not one_slip("gm", "gmail") and not one_slip("gimla", "gmail")


def test_mailboxes_of_a_role_are_known() -> None:
    assert is_role("info@example.org") and is_role("noreply+7@example.org")
    assert not is_role("anna@example.org") and not is_role("informant@example.org")
