"""How many receipts a second each provider's code reads, on one core: `make receipts`.

The webhooks are those of the cases, mostly of one receipt each: services that send many at once are
faster. Time is that of the processor. A figure of this machine and this moment: no test, compare the rows.
"""

import json
import time
from pathlib import Path

from kaskad.providers import PROVIDERS
from kaskad.providers.base import Receipt, Request
from providers.test_cases import account

CASES = Path(__file__).parent / "cases"
SPAN_S = 0.3


def hooks(name):
    """Return a provider's webhooks that are right and tell receipts, each with what is needed to read it."""
    for path in sorted((CASES / name).glob("*.json")):
        case = json.loads(path.read_text())
        if "webhook" not in case or not isinstance(case["read"], list):
            continue
        if not any("Receipt" in item for item in case["read"]):
            continue
        got = case["webhook"]
        url = got.get("url", "https://k.example.org/hooks/1")
        hook = Request("POST", url, got["headers"], got["body"].encode(), got.get("key", "").encode())
        yield hook, account(name, case.get("account", "one")), case["now"]


def per_second(name, verified):
    """Return receipts a second over all webhooks of a provider in turn; 0 where it has none."""
    provider, told, rounds = PROVIDERS[name], list(hooks(name)), 0
    receipts, begun = 0, time.process_time()
    while told and (time.process_time() - begun < SPAN_S or rounds < 3):
        for hook, chosen, now in told:
            if verified:
                provider.verify_webhook(hook, chosen, now)
            receipts += sum(isinstance(item, Receipt) for item in provider.read_webhook(hook, chosen))
        rounds += 1
    return round(receipts / (time.process_time() - begun))


def main():
    """Print a row a provider, the slowest parser first."""
    figures = {name: (per_second(name, False), per_second(name, True)) for name in PROVIDERS}
    print(f"{'receipts a second':<20}{'read':>10}{'verified and read':>20}")
    for name, (read, verified) in sorted(figures.items(), key=lambda pair: pair[1]):
        if read:
            print(f"{name:<20}{read:>10,}{verified:>20,}".replace(",", " "))


if __name__ == "__main__":
    main()
