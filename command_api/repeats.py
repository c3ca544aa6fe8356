"""A request that breaks a rule may repeat one from before the rule was there. No later rule answers for that one: its outcome does."""

from fastapi import Response
from starlette.types import Receive

from command_api.envelopes import Refused
from command_api.problems import invalid
from command_api.submission import REPLAYED, Seen, decided, pending
from command_api.waiting import Deadline, Follower, within
from event_schemas.positions import CommandPlace
from infra.event_log.command_outcomes import Outcome
from infra.http.disconnects import watching
from infra.http.preferences import Preferences
from infra.http.problems import Problem

_UNTOLD = "the request breaks a rule, see `errors`, and whether it repeats one that was decided can't be told now"


async def decided_before(refused: Refused, follower: Follower | None) -> Outcome:
    """The outcome of the command that a refused request repeats; without `follower` none is known.

    Raises Problem: `validation_failed` when it repeats none. When that can't be told, what the follower raises: the client must not
    believe that nothing happened. Both name every fault.
    """
    refusal = invalid(refused.faults)
    if refused.identity is None or follower is None:
        raise refusal
    try:
        outcome = await follower.past_outcome(refused.identity.command_id, refused.identity.order_id)
    except Problem as untold:
        extensions = untold.extensions | refusal.extensions
        raise Problem(untold.code, f"{_UNTOLD}: {untold.detail}", headers=untold.headers, **extensions) from untold
    if outcome is None:
        raise refusal
    return outcome


async def repeated(refused: Refused, outcome: Outcome, follower: Follower, receive: Receive) -> Response:
    """The answer that a repeat gets, with nothing appended. Raises the rejection; ClientDisconnect when the client has gone."""
    preferences = refused.headers.preferences
    if preferences.wait_s is None:
        place = CommandPlace(outcome.partition, outcome.command_offset)
        return pending(outcome.command_id, outcome.order_id, place, Preferences(respond_async=preferences.respond_async))
    visible = None
    if preferences.for_visible:
        async with watching(receive) as gone:
            visible = await within(follower.visible(outcome), Deadline(preferences.wait_s), gone)
    seen = Seen(follower.position(outcome), visible)
    return decided(refused.route, refused.headers, outcome, seen=seen, headers=preferences.headers | REPLAYED)
