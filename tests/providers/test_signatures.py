"""HMACs begun once for each secret are those of RFC 2104, whatever the length of the secret."""

import hmac

import pytest

from kaskad.providers.signatures import hmac_hex


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("length", [1, 63, 64, 65, 128, 129, 300])
def test_an_hmac_is_the_one_of_the_standard_library(algorithm: str, length: int) -> None:
    secret = "ß" + "k" * (length - 1)
    for signed in (b"", b"one", b"one", b"x" * 5_000):  # one more than once: what was begun stays as it was
        assert hmac_hex(algorithm, secret, signed) == hmac.new(secret.encode(), signed, algorithm).hexdigest()
