"""Secrets are readable with the key only, and the key only by its owner."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.errors import Invalid, StoreError, Unavailable
from kaskad.store.vault import Vault, key_file, keyed_hash, open_vault

OLD, NEW = "o" * 32, "n" * 32


@given(st.dictionaries(st.text(), st.text()))
def test_what_was_encrypted_comes_back(secrets: dict[str, str]) -> None:
    vault = Vault([OLD])
    assert vault.decrypt(vault.encrypt(secrets), dict[str, str]) == secrets


def test_another_key_reads_nothing_and_says_what_to_do() -> None:
    with pytest.raises(StoreError, match="secret_key"):
        Vault([NEW]).decrypt(Vault([OLD]).encrypt("x"), str)
    with pytest.raises(StoreError):
        Vault([NEW]).rotate(Vault([OLD]).encrypt("x"))


def test_keys_are_changed_without_a_gap() -> None:
    token = Vault([OLD]).encrypt("x")
    both = Vault([NEW, OLD])
    assert both.decrypt(token, str) == "x"
    assert Vault([NEW]).decrypt(both.rotate(token), str) == "x"


def test_a_short_key_is_refused() -> None:
    with pytest.raises(Invalid, match="32"):
        Vault(["short"])
    with pytest.raises(Invalid):
        Vault([])


def test_a_key_is_made_at_first_use_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret.key"
    token = open_vault("", file).encrypt("x")
    assert file.stat().st_mode & 0o777 == 0o600
    assert open_vault("", file).decrypt(token, str) == "x"
    assert list(file.parent.iterdir()) == [file]


def test_a_given_key_needs_no_file(tmp_path: Path) -> None:
    token = open_vault(f"{NEW},{OLD}", tmp_path / "secret.key").encrypt("x")
    assert Vault([NEW]).decrypt(token, str) == "x"
    assert not list(tmp_path.iterdir())


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    open_vault("", file)
    file.chmod(0o644)
    with pytest.raises(Unavailable, match="chmod 600"):
        open_vault("", file)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Unavailable, match="secret_key"):
        open_vault("", tmp_path / "secret.key")


def test_the_key_lies_beside_an_sqlite_file_and_with_the_settings_for_postgresql(tmp_path: Path) -> None:
    assert key_file("sqlite:/data/kaskad.db") == Path("/data/kaskad.db.key")
    assert key_file("postgresql://db/kaskad", tmp_path) == tmp_path / "secret.key"


def test_a_keyed_hash_tells_kinds_and_values_apart() -> None:
    hashes = {keyed_hash(key, kind, "b") for key in (b"1", b"2") for kind in ("email", "phone")}
    assert len(hashes) == 4
    assert keyed_hash(b"1", "a", "bc") != keyed_hash(b"1", "ab", "c")


def test_a_vault_does_not_print_its_key() -> None:
    assert OLD not in repr(Vault([OLD]))
