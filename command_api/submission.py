"""One command on its way into the log, and the wait for its outcome if the client prefers to wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from fastapi import Response
from msgspec import UNSET
from starlette.types import Receive

from command_api.answers import AcceptedCommand, PendingCommand
from command_api.command_log import CommandTooLarge, NotAcknowledged
from command_api.envelopes import CREATE, CommandRoute
from command_api.headers import CommandHeaders
from command_api.waiting import Deadline, Follower, first_outcome, within
from event_schemas.codes import STATUS, Code
from event_schemas.commands import Command
from event_schemas.encoding import encoded
from event_schemas.positions import CommandPlace
from event_schemas.trace_context import TRACEPARENT
from infra.event_log.command_outcomes import Outcome
from infra.http.disconnects import watching
from infra.http.preferences import Preferences
from infra.http.problems import Problem

REPLAYED = {"Idempotent-Replayed": "true"}
UNKNOWN_YET = "the outcome is not known yet; that is no failure: follow Location"


@dataclass(frozen=True, slots=True)
class Seen:
    """Where an outcome stands, and whether the read models hold it: None when the client did not ask for that."""

    position: str
    visible: bool | None


def pending(command_id: UUID, order_id: UUID, place: CommandPlace, preferences: Preferences) -> Response:
    """202: the broker has the command. With a wait whose time is up, the answer says that nothing is known yet."""
    headers = {"Location": f"/commands/{command_id}?submitted={place.token()}", **preferences.headers}
    if preferences.wait_s is not None:
        headers["Retry-After"] = "1"
    detail = UNSET if preferences.wait_s is None else UNKNOWN_YET
    answer = PendingCommand(command_id=command_id, order_id=order_id, status="pending", detail=detail)
    return _json(202, answer, headers)


def decided(kind: CommandRoute, asked: CommandHeaders, outcome: Outcome, *, seen: Seen, headers: dict[str, str]) -> Response:
    """201 or 200 for an event. A rejection is raised as its Problem. `asked`: the headers of the request."""
    visible = UNSET if seen.visible is None else seen.visible
    if outcome.code is None:
        answer = AcceptedCommand(
            command_id=outcome.command_id,
            order_id=outcome.order_id,
            status="accepted",
            version=outcome.version,
            position=seen.position,
            visible=visible,
        )
        location = f"/orders/{outcome.order_id}?position={seen.position}"
        return _json(201 if kind is CREATE else 200, answer, {"Location": location, **headers})
    members: dict[str, Any] = {
        "command_id": outcome.command_id,
        "order_id": outcome.order_id,
        "version": outcome.version,
        "position": seen.position,
        **({} if visible is UNSET else {"visible": visible}),
        **({"expected_version": asked.expected_version} if outcome.code == Code.VERSION_CONFLICT else {}),
    }
    raise Rejected(outcome.code, outcome.detail or "", headers=headers, **members)


class Rejected(Problem):
    """A rejection. Its code may be one that a later release of the aggregate wrote: it is passed on with status 409."""

    def __init__(self, code: str, detail: str, *, headers: dict[str, str], **members: Any) -> None:
        known = code in STATUS
        super().__init__(Code(code) if known else Code.ALREADY_EXISTS, detail, headers=headers, **members)
        self._unknown = None if known else code

    def body(self) -> dict[str, Any]:
        """The members of the problem."""
        if self._unknown is None:
            return super().body()
        named = {"type": f"urn:orders:problem:{self._unknown}", "title": "Rejected", "code": self._unknown}
        return super().body() | named


def replayed(outcome: Outcome, place: CommandPlace) -> dict[str, str]:
    """The header that marks a repeat: the record ends a command at another place, so this request repeats an earlier one."""
    return {} if outcome.command_offset == place.offset else dict(REPLAYED)


def _json(status: int, answer: PendingCommand | AcceptedCommand, headers: dict[str, str]) -> Response:
    return Response(encoded(answer), status_code=status, media_type="application/json", headers=headers)


class CommandAppender(Protocol):
    """Takes commands; CommandLog is one."""

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        """Append a command, see CommandLog. Raises NotAcknowledged, CommandTooLarge."""
        ...


class Submission(NamedTuple):
    """A valid command with what its request said beside it. `key`: its Idempotency-Key, made up for a client that sent none."""

    kind: CommandRoute
    command: Command
    headers: CommandHeaders
    key: str
    receive: Receive


async def submit(submission: Submission, log: CommandAppender, follower: Follower | None) -> Response:
    """Append the command and answer.

    Raises Problem: `broker_unavailable`, `body_too_large`, or the rejection; ClientDisconnect when the client has gone.
    """
    command, preferences = submission.command, submission.headers.preferences
    if follower is None or preferences.wait_s is None:
        place = await _appended(submission, log)
        return pending(command.id, command.order_id, place, Preferences(respond_async=preferences.respond_async))
    deadline = Deadline(preferences.wait_s)
    if not follower.is_ready() and not await within(follower.ready(), deadline):
        return pending(command.id, command.order_id, await _appended(submission, log), preferences)
    # Register before appending: the command's record can come before the broker's acknowledgement does.
    with follower.expect(command.id, command.order_id) as expected:
        place = await _appended(submission, log)
        async with watching(submission.receive) as gone:
            # Only a client's own key can have been used before.
            may_repeat = submission.headers.idempotency_key is not None
            outcome = await first_outcome(expected, deadline, may_repeat=may_repeat, gone=gone)
            if outcome is None:
                return pending(command.id, command.order_id, place, preferences)
            visible = await within(follower.visible(outcome), deadline, gone) if preferences.for_visible else None
    headers = preferences.headers | replayed(outcome, place)
    seen = Seen(follower.position(outcome), visible)
    return decided(submission.kind, submission.headers, outcome, seen=seen, headers=headers)


async def _appended(submission: Submission, log: CommandAppender) -> CommandPlace:
    command, trace = submission.command, submission.headers.traceparent
    kafka_headers = [(TRACEPARENT, trace.encode())] if trace else []
    try:
        return await log.append(str(command.order_id), command.encoded(), kafka_headers)
    except CommandTooLarge as error:
        raise Problem(Code.BODY_TOO_LARGE, f"{error}: send a smaller body, for nothing was appended") from error
    except NotAcknowledged as error:
        raise Problem(
            Code.BROKER_UNAVAILABLE,
            "outcome unknown, retry with this Idempotency-Key: the broker has not acknowledged the command",
            headers={"Retry-After": "1"},
            idempotency_key=submission.key,
        ) from error
