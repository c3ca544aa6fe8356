"""What a client's frame asks for. Pure."""

import orjson
from pydantic import ValidationError

from event_schemas.feed import FeedError, Subscribe, Unsubscribe
from event_schemas.feed_codes import FeedCode
from event_schemas.request_types import first_problem

_TYPES: dict[str, type[Subscribe] | type[Unsubscribe]] = {"subscribe": Subscribe, "unsubscribe": Unsubscribe}


class Refused(Exception):
    """The frame can't be served; the text says what would be right."""

    def __init__(self, code: FeedCode, detail: str, subscription_id: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.subscription_id = code, detail, subscription_id

    def frame(self) -> FeedError:
        """The `error` frame for the client."""
        return FeedError(id=self.subscription_id, code=self.code, detail=self.detail)


def read_request(message: str | bytes) -> Subscribe | Unsubscribe:
    """Read a client's frame. Raises Refused, which names the field that is wrong."""
    if isinstance(message, bytes):
        raise Refused(FeedCode.MALFORMED_JSON, "frames are text, not binary")
    try:
        content = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise Refused(FeedCode.MALFORMED_JSON, f"the frame is not JSON: {error.msg}") from error
    if not isinstance(content, dict):
        raise Refused(FeedCode.MALFORMED_JSON, 'the frame must be a JSON object such as {"type":"subscribe","from":"latest"}')
    subscription_id = content["id"] if isinstance(content.get("id"), str) and len(content["id"]) <= 200 else None
    model = _TYPES.get(content["type"]) if isinstance(content.get("type"), str) else None
    if model is None:
        raise Refused(FeedCode.UNKNOWN_TYPE, "type: must be subscribe or unsubscribe", subscription_id)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise Refused(FeedCode.VALIDATION_FAILED, first_problem(error), subscription_id) from error
