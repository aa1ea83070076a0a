"""What the field says of each channel, before anything of one's own is known."""

from __future__ import annotations

from collections.abc import Mapping

from kaskad.domain.terms import Channel, Reaction

# Shares of those who get a message and react to it, given that they were silent until then (domain 9.7); a
# push has none.
PRIORS: Mapping[Channel, float] = {
    Channel.EMAIL: 0.20,
    **dict.fromkeys(
        (Channel.TELEGRAM, Channel.WHATSAPP, Channel.VIBER, Channel.VK, Channel.MAX,
         Channel.FACEBOOK_MESSENGER, Channel.INSTAGRAM), 0.50,
    ),
    Channel.SMS: 0.375,
    Channel.ROBOT_CALL: 0.40,
    Channel.AGENT_CALL: 0.70,
}  # fmt: skip
SMS_DELIVERED = 0.95


def reacts(channel: Channel, success: Reaction | None) -> float | None:
    """Return the share that shows a step's success on a channel; None: the field has no figure."""
    if success is Reaction.DELIVERED and channel is Channel.SMS:
        return SMS_DELIVERED
    return PRIORS.get(channel)
