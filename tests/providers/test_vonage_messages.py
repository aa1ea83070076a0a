"""Vonage's Messages API: what its own libraries would send, and which tokens they believe."""

import json
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from vonage_jwt import JwtClient, verify_signature
from vonage_messages import Sms as MessagesSms

HERE = Path(__file__).parent
ACCOUNTS = json.loads((HERE / "accounts.json").read_text())["vonage_messages"]
CASES = [
    (path.stem, json.loads(path.read_text()))
    for path in sorted((HERE / "cases/vonage_messages").glob("*.json"))
]
SENT = [
    pytest.param(case["request"]["Request"], case, id=stem)
    for stem, case in CASES
    if "message" in case and "Request" in case["request"]
]
HEARD = [
    pytest.param(case["webhook"], case, id=stem)
    for stem, case in CASES
    if "webhook" in case and case["covers"] != "bad_signature"
]


@pytest.mark.parametrize("request_, case", SENT)
def test_vonages_library_would_send_the_same_message(request_, case):
    told = json.loads(request_["body"])
    message = {**told, "from_": told["from"]}
    made = MessagesSms(**{name: value for name, value in message.items() if name != "from"})
    assert made.model_dump(by_alias=True, exclude_none=True, mode="json") == told
    kind, _, token = request_["headers"]["Authorization"].partition(" ")
    if case["account"] == "two":
        assert kind == "Basic"
        return
    account = ACCOUNTS[case["account"]]
    public = load_pem_private_key(account["secrets"]["private_key"].encode(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(token, pem, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
    ours = JwtClient(account["settings"]["application_id"], account["secrets"]["private_key"])
    theirs = jwt.decode(ours.generate_application_jwt(), options={"verify_signature": False})
    assert claims.keys() == theirs.keys() and claims["application_id"] == theirs["application_id"]
    assert claims["exp"] - claims["iat"] == theirs["exp"] - theirs["iat"]


@pytest.mark.parametrize("hook, case", HEARD)
def test_vonages_library_believes_the_token_that_we_believe(hook, case):
    secret = ACCOUNTS[case["account"]]["secrets"]["signature_secret"]
    token = hook["headers"]["authorization"].removeprefix("Bearer ")
    assert verify_signature(token, secret) and not verify_signature(token, "x" * 32)
