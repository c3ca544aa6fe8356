"""What a POST is answered: pending, accepted, or the problem that a rejection is. Pure."""

from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Response

from command_api.envelopes import CREATE, CommandKind
from event_schemas.codes import STATUS, Code
from event_schemas.commands import Command
from event_schemas.positions import CommandPlace
from infra.event_log.command_outcomes import Outcome
from infra.http.preferences import Preferences
from infra.http.problems import Problem

UNKNOWN_YET = "the outcome is not known yet; that is no failure: follow Location"


@dataclass(frozen=True, slots=True)
class Seen:
    """Where an outcome stands, and whether the read models hold it: None when the client did not ask for that."""

    position: str
    visible: bool | None


def pending(command: Command, place: CommandPlace, preferences: Preferences) -> Response:
    """202: the broker has the command. With a wait whose time is up, the answer says that nothing is known yet."""
    body: dict[str, Any] = {"command_id": command.id, "order_id": command.order_id, "status": "pending"}
    headers = {"Location": f"/commands/{command.id}?submitted={place.token()}", **preferences.headers}
    if preferences.wait_s is not None:
        body["detail"] = UNKNOWN_YET
        headers["Retry-After"] = "1"
    return _json(202, body, headers)


def decided(kind: CommandKind, command: Command, outcome: Outcome, *, seen: Seen, headers: dict[str, str]) -> Response:
    """201 or 200 for an event. A rejection is raised as its Problem."""
    members: dict[str, Any] = {
        "command_id": outcome.command_id,
        "order_id": outcome.order_id,
        **({"status": "accepted"} if outcome.code is None else {}),
        "version": outcome.version,
        "position": seen.position,
        **({} if seen.visible is None else {"visible": seen.visible}),
    }
    if outcome.code is not None:
        conflict = {"expected_version": command.expected_version} if outcome.code == Code.VERSION_CONFLICT else {}
        raise Rejected(outcome.code, outcome.detail or "", headers=headers, **members, **conflict)
    location = f"/orders/{outcome.order_id}?position={seen.position}"
    return _json(201 if kind is CREATE else 200, members, {"Location": location, **headers})


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
    """The header that says so, when the record ends another place's command: this request repeats an earlier one."""
    return {} if outcome.command_offset == place.offset else {"Idempotent-Replayed": "true"}


def _json(status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json", headers=headers)
