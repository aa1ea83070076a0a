"""Let WhatsApp report of this account's number to this account's own address, whatever address its app has.

So several numbers of one app are several accounts here. News of approved texts go to the app's address:
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/override
"""

from __future__ import annotations

from kaskad.providers import meta
from kaskad.providers.base import Account, Request


def requests(account: Account, webhook_url: str) -> list[Request]:
    """Return the request that sets the number's address; none where Meta could not call it."""
    token, base = account["verify_token"], account["base_url"]
    called = webhook_url.startswith("https://") or (webhook_url and base not in ("", meta.BASE_URL))
    if not token or not called:
        return []
    override = {"override_callback_uri": webhook_url, "verify_token": token}
    address = meta.url(account, account["phone_number_id"])
    return [Request.of_json(address, {"webhook_configuration": override}, meta.bearer(account))]
