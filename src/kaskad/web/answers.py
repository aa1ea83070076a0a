"""What a service is told once its webhook is durable."""

from __future__ import annotations

from kaskad.log import get_logger
from kaskad.providers import base
from kaskad.providers.base import Account, Provider

log = get_logger(__name__)

HOOKS = "/hooks/"  # then the name of the account
LIMIT = 5_000_000  # bytes of a webhook


def answer_of(provider: Provider, hook: base.Request, account: Account) -> tuple[str, bytes]:
    """Return what the service is told; nothing where that cannot be made: it must not be told to retry."""
    try:
        return provider.answer_webhook(hook, account)
    except Exception as error:
        log.warning("webhook answered with nothing", account=account.name, error=type(error).__name__)
        return base.NOTHING
