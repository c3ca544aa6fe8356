"""One command on its way into the log, and the wait for its outcome if the client prefers to wait."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fastapi import Response
from starlette.types import Receive

from command_api.answers import Seen, decided, pending, replayed
from command_api.command_log import CommandTooLarge, NotAcknowledged
from command_api.envelopes import CommandKind
from command_api.headers import CommandHeaders
from command_api.waiting import Deadline, Follower, first_outcome, within
from event_schemas.codes import Code
from event_schemas.commands import Command
from event_schemas.encoding import message_bytes
from event_schemas.positions import CommandPlace
from event_schemas.trace_context import TRACEPARENT
from infra.http.disconnects import watching
from infra.http.preferences import Preferences
from infra.http.problems import Problem


class Appends(Protocol):
    """Where commands go; CommandLog is one."""

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        """Append a command, see CommandLog. Raises NotAcknowledged, CommandTooLarge."""
        ...


class Submission(NamedTuple):
    """A valid command with what its request said beside it. `key`: its Idempotency-Key, made up for a client that sent none."""

    kind: CommandKind
    command: Command
    headers: CommandHeaders
    key: str
    receive: Receive


async def submit(submission: Submission, log: Appends, follower: Follower | None) -> Response:
    """Append the command and answer.

    Raises Problem: `broker_unavailable`, `body_too_large`, or the rejection; ClientDisconnect when nobody listens.
    """
    command, preferences = submission.command, submission.headers.preferences
    if follower is None or preferences.wait_s is None:
        place = await _appended(submission, log)
        return pending(command, place, Preferences(respond_async=preferences.respond_async))
    deadline = Deadline(preferences.wait_s)
    if not follower.is_ready() and not await within(follower.ready(), deadline):
        return pending(command, await _appended(submission, log), preferences)
    # Registered before it is appended: its record can come before the broker's acknowledgement does.
    with follower.expect(command.id, command.order_id) as expected:
        place = await _appended(submission, log)
        async with watching(submission.receive) as gone:
            # Only a client's own key can have been used before.
            may_repeat = submission.headers.idempotency_key is not None
            outcome = await first_outcome(expected, deadline, may_repeat=may_repeat, gone=gone)
            if outcome is None:
                return pending(command, place, preferences)
            visible = await within(follower.visible(outcome), deadline, gone) if preferences.for_visible else None
    headers = preferences.headers | replayed(outcome, place)
    return decided(submission.kind, command, outcome, seen=Seen(follower.position(outcome), visible), headers=headers)


async def _appended(submission: Submission, log: Appends) -> CommandPlace:
    command, trace = submission.command, submission.headers.traceparent
    kafka_headers = [(TRACEPARENT, trace.encode())] if trace else []
    try:
        return await log.append(str(command.order_id), message_bytes(command), kafka_headers)
    except CommandTooLarge as error:
        raise Problem(Code.BODY_TOO_LARGE, f"{error}: send a smaller body, for nothing was appended") from error
    except NotAcknowledged as error:
        raise Problem(
            Code.BROKER_UNAVAILABLE,
            "outcome unknown, retry with this Idempotency-Key: the broker has not acknowledged the command",
            headers={"Retry-After": "1"},
            idempotency_key=submission.key,
        ) from error
