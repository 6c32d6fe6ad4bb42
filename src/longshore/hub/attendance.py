"""Making sure that subscribers are still who they were: a token is shown once, and the connection lasts for hours.

What becomes of accounts shows in the database, which is asked about all of them at once; what becomes of keys and of an
external issuer's tokens shows when a token is looked at anew, which takes longer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import islice
from typing import Final

from longshore.auth.principal import Principal
from longshore.hub.subscription import End, Subscription
from longshore.protocol.errors import Unauthenticated, Unavailable

logger = logging.getLogger(__name__)

INTERVAL: Final = 5.0
"""Seconds between two looks at the accounts: so long may somebody listen on who was disabled by another process."""

TOKEN_INTERVAL: Final = 30.0
"""Seconds between two rounds in which tokens are looked at, at least; keys are not read more often either."""

_AT_ONCE: Final = 16
"""Subscribers whose tokens are looked at at once, which the database takes as one."""

_REST: Final = 9
"""How many times as long as a look-up took there is a rest afterwards: rounds take a tenth of the time at most."""

Review = Callable[[Collection[Principal]], Awaitable[Sequence[Principal | None]]]
"""Tells what has become of everybody's account, all at once and in the same order; of a token not good any more None.

Raises `protocol.errors.Unavailable`.
"""


async def all_stay(principals: Collection[Principal]) -> Sequence[Principal]:
    """Say that everybody is who they were, where there are no accounts."""
    return [*principals]


async def watch_accounts(present: Collection[Subscription], review: Review) -> None:
    """End the subscriptions of those whose accounts are not good any more, round after round, until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL)
        try:
            await review_accounts(present, review)
        except Unavailable:
            logger.debug("the subscribers' accounts could not be looked up just now")
        except Exception:
            logger.exception("the subscribers' accounts could not be looked up")


async def review_accounts(present: Collection[Subscription], review: Review) -> None:
    """Look everybody's account up. Raises what `review` raises."""
    asked = [(subscription, subscription.principal) for subscription in present if subscription.end_reason is None]
    if not asked:
        return
    reviewed = await review([principal for _, principal in asked])
    for (subscription, asked_about), principal in zip(asked, reviewed, strict=True):
        # Not if a fresh token has come meanwhile.
        if subscription.principal is not asked_about:
            continue
        if principal is None:
            subscription.end(End.UNAUTHENTICATED)
        else:
            subscription.principal = principal


async def check_attendance(present: Collection[Subscription]) -> None:
    """End the subscriptions of those whose tokens are not good any more, round after round, until cancelled."""
    while True:
        await asyncio.sleep(TOKEN_INTERVAL)
        await check_round(present)


async def check_round(present: Collection[Subscription]) -> None:
    """Look at everybody's token once, a few at a time."""
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
