from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.tokens import HONEYPOT, HOUR_MS, MAX_LINK, PIXEL, BadToken, Signer

OLD, NEW = (1, b"o" * 32), (2, b"n" * 32)
signer = Signer([NEW])
ids = st.integers(0, 2**63 - 1)
steps = st.integers(0, 255)
NOW = 1_790_000_000_000


def readers(of: Signer):
    return [
        lambda text: of.read_reference(text, 5),
        lambda text: of.read_link(text, NOW),
        of.read_pixel,
        of.read_unsubscribe,
    ]


@given(ids, ids, steps)
def test_what_is_signed_is_read_again(contact_id, run_id, step):
    message = (contact_id, run_id, step)
    assert signer.read_reference(signer.reference(*message, 5), 5) == message
    assert signer.read_pixel(signer.pixel(*message)) == message
    assert signer.read_unsubscribe(signer.unsubscribe(*message)) == message


@given(ids, ids, steps, st.integers(HONEYPOT, MAX_LINK), st.integers(NOW, NOW + 10**11))
def test_a_link_is_read_until_it_expires(contact_id, run_id, step, index, expires_at):
    text = signer.link(contact_id, run_id, step, index, expires_at)
    assert signer.read_link(text, expires_at) == (contact_id, run_id, step, index)
    with pytest.raises(BadToken, match="expired"):
        signer.read_link(text, expires_at + HOUR_MS)


@given(ids, ids, steps)
def test_no_token_serves_another_purpose(contact_id, run_id, step):
    made = [
        signer.reference(contact_id, run_id, step, 5),
        signer.link(contact_id, run_id, step, PIXEL, NOW),
        signer.pixel(contact_id, run_id, step),
        signer.unsubscribe(contact_id, run_id, step),
    ]
    for at, text in enumerate(made):
        for other, read in enumerate(readers(signer)):
            if other == at:
                read(text)
            else:
                with pytest.raises(BadToken):
                    read(text)


@given(st.data())
def test_a_token_changed_in_any_character_is_refused(data):
    text = signer.link(data.draw(ids), data.draw(ids), 3, 1, NOW)
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.characters().filter(lambda c: c != text[at]))
    with pytest.raises(BadToken):
        signer.read_link(text[:at] + char + text[at + 1 :], NOW)


@given(st.text() | st.text("ABCabc019-_+/= \n", max_size=60))
def test_any_other_text_is_refused(text):
    for read in readers(signer):
        with pytest.raises(BadToken):
            read(text)


@pytest.mark.parametrize("spelling", ["{}=", "{}\n", " {}", "{}=="])
def test_a_token_has_one_spelling(spelling):
    with pytest.raises(BadToken):
        signer.read_reference(spelling.format(signer.reference(1, 2, 3, 5)), 5)


def test_keys_rotate_by_their_id():
    before, between, after = Signer([OLD]), Signer([NEW, OLD]), Signer([NEW])
    text = before.reference(1, 2, 3, 5)
    assert between.read_reference(text, 5) == (1, 2, 3)
    assert after.read_reference(between.reference(1, 2, 3, 5), 5) == (1, 2, 3)
    with pytest.raises(BadToken):
        after.read_reference(text, 5)


def test_the_same_key_id_with_another_secret_reads_nothing():
    with pytest.raises(BadToken):
        Signer([(1, b"x" * 32)]).read_reference(Signer([OLD]).reference(1, 2, 3, 5), 5)


def test_the_mac_is_hmac_sha256_cut_to_80_bits():
    text = signer.reference(1_000_000, 1_790_000_000, 3, 5)
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    key = hmac.digest(NEW[1], b"kaskad 1 reference", "sha256")
    told = data[:-10] + (5).to_bytes(8, "big")  # the account is signed, and not told
    assert data[-10:] == hmac.digest(key, told, "sha256")[:10]


def test_tokens_are_short_and_fit_a_url_and_a_mail_address():
    text = signer.link(1_000_000, 1_790_000_000, 3, 0, NOW)
    assert re.fullmatch(r"[\w-]{32}", text, re.ASCII)


@pytest.mark.parametrize("keys", [[], [(1, b"short")], [(256, b"n" * 32)]])
def test_a_signer_without_a_good_key_is_not_made(keys):
    with pytest.raises(ValueError, match="key"):
        Signer(keys)


def test_ids_out_of_range_are_not_signed():
    for args in [(-1, 2, 3), (1, 2, 256), (1, 2, -1)]:
        with pytest.raises((ValueError, OverflowError)):
            signer.reference(*args, 5)


def test_a_reference_is_worth_nothing_from_another_account():
    text = signer.reference(1, 2, 3, 5)
    assert signer.read_reference(text, 5) == (1, 2, 3)
    with pytest.raises(BadToken):
        signer.read_reference(text, 6)
