"""What providers of calls share: how a call ended, in the words of `CallResult`, and what every call says.

Most services pass on the SIP status of the far end (RFC 3261, 21), which networks make from the cause of
ISDN (RFC 3398, 7.2.4.1).
"""

from __future__ import annotations

from kaskad.domain.terms import CallResult, Reason
from kaskad.providers.base import Outgoing

LISTENED_S = 15  # from then on a person has heard it (domain rules 2.2)

SIP: dict[str, CallResult] = {
    "403": CallResult.CARRIER_BLOCKED,  # forbidden
    "404": CallResult.INVALID_NUMBER,  # ISDN 1, unallocated
    "408": CallResult.NO_ANSWER,  # ISDN 18, nobody responds
    "410": CallResult.INVALID_NUMBER,  # ISDN 22, the number has changed
    "480": CallResult.UNREACHABLE,  # temporarily unavailable; of some networks also: rang in vain
    "484": CallResult.INVALID_NUMBER,  # ISDN 28, incomplete
    "486": CallResult.BUSY,
    "487": CallResult.NO_ANSWER,  # we gave up ringing
    "500": CallResult.UNREACHABLE,
    "502": CallResult.UNREACHABLE,  # ISDN 27, out of order
    "503": CallResult.UNREACHABLE,  # congestion
    "504": CallResult.UNREACHABLE,
    "600": CallResult.BUSY,  # everywhere
    "603": CallResult.REJECTED,  # decline
    "604": CallResult.INVALID_NUMBER,  # does not exist anywhere
    "607": CallResult.REJECTED,  # unwanted (RFC 8197)
    "608": CallResult.CARRIER_BLOCKED,  # by something in between (RFC 8688)
}
REASONS: dict[CallResult, Reason] = {
    CallResult.BUSY: Reason.OTHER,
    CallResult.NO_ANSWER: Reason.OTHER,
    CallResult.UNREACHABLE: Reason.TRANSIENT,
    CallResult.INVALID_NUMBER: Reason.INVALID_ADDRESS,
    CallResult.REJECTED: Reason.OTHER,
    CallResult.CARRIER_BLOCKED: Reason.WINDOW,  # the address stays good
}

THANKS = {
    "en": "Thank you. Your answer has been noted. Goodbye.",
    "ru": "Спасибо, ваш ответ принят. До свидания.",
    "kk": "Рахмет, жауабыңыз қабылданды. Сау болыңыз.",
}


def language_of(outgoing: Outgoing) -> str:
    """Return the language of THANKS to speak: the contact's, else that of the letters."""
    language = outgoing.language[:2].lower()
    if language in THANKS:
        return language
    return "ru" if any("\u0400" <= sign <= "\u04ff" for sign in outgoing.say) else "en"
