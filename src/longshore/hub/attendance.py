"""Making sure that subscribers are still who they were: a token is shown once, and the connection lasts for hours."""

import asyncio
import logging
from collections.abc import Collection
from itertools import islice
from typing import Final

from longshore.hub.subscription import End, Subscription
from longshore.protocol.errors import Unauthenticated, Unavailable

logger = logging.getLogger(__name__)

INTERVAL: Final = 5.0
"""Seconds between two rounds, at least: so long may somebody listen on who was disabled by another process."""

_AT_ONCE: Final = 16
"""Subscribers that are looked up at once, which the database takes as one."""

_REST: Final = 9
"""How many times as long as a look-up took there is a rest afterwards: rounds take a tenth of the time at most."""


async def check_attendance(present: Collection[Subscription]) -> None:
    """End the subscriptions of those whose tokens are not good any more, round after round, until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL)
        await check_round(present)


async def check_round(present: Collection[Subscription]) -> None:
    """Look everybody up once, a few at a time."""
    clock = asyncio.get_running_loop().time
    everybody = iter([subscription for subscription in present if subscription.check is not None])
    while some := list(islice(everybody, _AT_ONCE)):
        started = clock()
        await asyncio.gather(*map(_check, some))
        await asyncio.sleep(_REST * (clock() - started))


async def _check(subscription: Subscription) -> None:
    check = subscription.check
    if check is None or subscription.end_reason is not None:
        return
    try:
        principal = await check()
    except Unauthenticated:
        # Not if a fresh token has come meanwhile.
        if subscription.check is check:
            subscription.end(End.UNAUTHENTICATED)
    except Unavailable:
        logger.debug("a subscriber could not be looked up just now")
    except Exception:
        logger.exception("a subscriber could not be looked up")
    else:
        if subscription.check is check:
            subscription.principal = principal
