"""`GET /commands/{id}` and `GET /trace`: what became of commands, and when."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from event_schemas.codes import Code
from event_schemas.positions import CommandPlace, NoToken
from infra.http.disconnects import watching
from infra.http.preferences import Preferences, read_preferences
from infra.http.problems import Problem
from projections.command_lookup.outcomes import CommandOutcomes
from projections.queries.read_models import ReadModels
from projections.queries.request_parts import PositionToken, documented, invalid_parameter, uuid_or_none
from projections.queries.views import CommandView, TraceView

_APPLIED = {
    "Preference-Applied": {"description": "`wait=N` as it was granted", "schema": {"type": "string"}},
    "Vary": {"description": "`Prefer`", "schema": {"type": "string"}},
}
_SUBMITTED = "The token of the `Location` of the command's 202: with it, pending is told from never sent"
_PREFER = "`wait=N`: wait at most N seconds, 30 at most, for the outcome"
_ID = "A command id, an order id or a correlation id"


def add_command_routes(router: APIRouter, reads: ReadModels, outcomes: CommandOutcomes) -> None:
    """Add the routes to the query API's."""

    @router.get("/commands/{command_id}", responses=documented(Code.COMMAND_UNKNOWN, Code.BROKER_UNAVAILABLE, headers=_APPLIED))
    async def get_command(  # noqa: PLR0913 - FastAPI reads the request's parts from them
        request: Request,
        response: Response,
        *,
        command_id: str,
        submitted: Annotated[str | None, Query(description=_SUBMITTED)] = None,
        position: PositionToken = None,
        prefer: Annotated[str | None, Header(description=_PREFER)] = None,
    ) -> CommandView:
        """What became of a command, for ever."""
        del prefer  # may be sent several times: read from the request itself
        known, place = uuid_or_none(command_id), _place(submitted)
        preferences = Preferences(wait_s=read_preferences(request.scope["headers"]).wait_s)
        if known is None:
            raise Problem(Code.COMMAND_UNKNOWN, "a command id is a UUID in canonical lower-case form", headers=await reads.freshness())
        async with watching(request.receive) as gone:
            wait_s = preferences.wait_s or 0
            try:
                read = await outcomes.find(known, submitted=place, position=position, wait_s=wait_s, gone=gone)
            except Problem as problem:
                problem.headers |= preferences.headers
                raise
        response.headers.update({**read.headers, **preferences.headers})
        return read.found

    @router.get("/trace", responses=documented())
    async def get_trace(
        response: Response, wanted: Annotated[str, Query(alias="id", description=_ID, min_length=1, max_length=200)]
    ) -> TraceView:
        """What became of one command, of all commands of an order, or of all that share a correlation id, with the log's times."""
        read = await outcomes.trace(wanted)
        response.headers.update(read.headers)
        return TraceView(items=read.found)


def _place(token: str | None) -> CommandPlace | None:
    try:
        return None if token is None else CommandPlace.parse(token)
    except NoToken as error:
        raise invalid_parameter("submitted", str(error)) from error
