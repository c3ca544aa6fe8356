"""`GET /feed`: what a request asks of the feed, and how that is described."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from event_schemas.codes import Code
from event_schemas.feed import Subscribe
from event_schemas.feed_codes import LATEST
from infra.http.problems import Problem, problem_responses
from notifier.sse.streams import SseStreams

_CODES = (
    *(Code.ORIGIN_REFUSED, Code.VALIDATION_FAILED, Code.NOT_READY, Code.FEED_FULL),
    *(Code.READ_MODEL_UNAVAILABLE, Code.INTERNAL_ERROR),
)
_DESCRIPTION = "The stream: an event for each frame of the feed, as docs/asyncapi.json describes them"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": _DESCRIPTION, "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    **problem_responses(_CODES),
}


class FeedParameters(BaseModel):
    """What is asked for in the query; judged by the model of a websocket's `subscribe`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start: Annotated[str, Field(alias="from", description="`latest`, `earliest` or a position")] = LATEST
    customer_id: Annotated[str | None, Field(description="Only this customer's")] = None
    order_id: Annotated[str | None, Field(description="Only this order's")] = None
    types: Annotated[str | None, Field(description="Only records of these types, separated by commas")] = None
    snapshot: Annotated[bool, Field(description="The matching orders first, as they stand; needs a customer or an order")] = False


def create_feed_router(streams: SseStreams) -> APIRouter:
    """The route. The application around it renders infra.http.problems.Problem, the server around that has the extension `orders.abort`."""
    router = APIRouter(tags=["feed"])

    @router.get("/feed", response_class=Response, response_model=None, responses=_ANSWERS)
    async def follow_feed(
        request: Request,
        parameters: Annotated[FeedParameters, Query()],
        last_event_id: Annotated[str | None, Header(description="Where to go on; goes before `from` and `snapshot`")] = None,
    ) -> Response:
        """The live feed as server-sent events: every record that matches, from any position on, and what comes."""
        headers = streams.allowed(request.headers.get("origin"), request.headers.get("host"))
        try:
            stream = await streams.subscribe(_read(parameters, last_event_id), request.scope)
        except Problem as problem:
            # A page that may ask may also read why it got nothing.
            problem.headers.update(headers)
            raise
        stream.headers.update(headers)
        return stream

    return router


def _read(parameters: FeedParameters, last_event_id: str | None) -> Subscribe:
    wanted = parameters.model_dump(include={"customer_id", "order_id"}, exclude_none=True)
    if parameters.types is not None:
        wanted["types"] = parameters.types.split(",")
    begin = {"from": last_event_id} if last_event_id else {"from": parameters.start, "snapshot": parameters.snapshot}
    try:
        return Subscribe.model_validate({"filter": wanted, **begin})
    except ValidationError as error:
        found = [_fault(fault) for fault in error.errors(include_url=False, include_input=False, include_context=False)]
        # One fault per parameter is enough: a list with a wrong item has faults of its own, too.
        faults = list({fault["parameter"]: fault for fault in reversed(found)}.values())
        raise Problem(Code.VALIDATION_FAILED, "; ".join(fault["detail"] for fault in faults), errors=faults) from error


def _fault(found: Any) -> dict[str, str]:
    path = [str(part) for part in found["loc"] if part != "filter" and not isinstance(part, int)]
    name = path[0] if path else "snapshot"
    return {"pointer": "", "parameter": name, "detail": f"query parameter {name}: {found['msg'].removeprefix('Value error, ')}"}
