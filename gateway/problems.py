"""Every refusal of the gateway as a problem with a stable code, wherever it was raised."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from command_api.problems import MAX_FAULTS, pointer
from event_schemas.codes import Code
from infra.http.problems import Problem

_log = logging.getLogger(__name__)
_CODE_OF_STATUS = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.BODY_TOO_LARGE, 415: Code.UNSUPPORTED_MEDIA_TYPE}


def render_problems(app: FastAPI) -> None:
    """Let `app` answer each of its errors as `application/problem+json`."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _unexpected)


async def refusal(request: Request, error: Exception) -> Response:
    """The answer to an error that an endpoint raised. An unexpected one is raised again, for the server to log and to answer."""
    for kind in type(error).__mro__:
        if kind in _HANDLERS:
            return await _HANDLERS[kind](request, error)
    raise error


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response(request.scope.get("correlation_id"))


async def _invalid_parameters(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    faults = [_fault(one) for one in found[:MAX_FAULTS]]
    rest = f" (and {len(found) - len(faults)} more)" if len(found) > len(faults) else ""
    return Problem(Code.VALIDATION_FAILED, "; ".join(fault["detail"] for fault in faults) + rest, errors=faults).response()


def _fault(found: dict[str, Any]) -> dict[str, str]:
    where, *path = found["loc"]
    text = found["msg"].removeprefix("Value error, ")
    if where == "body":
        return {"pointer": pointer(path), "detail": text}
    name = ".".join(str(part) for part in path)
    return {"pointer": "", "parameter": name, "detail": f"{where} parameter {name}: {text}"}


async def _framework_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODE_OF_STATUS.get(error.status_code, Code.INTERNAL_ERROR)
    details = {
        Code.NOT_FOUND: "there is nothing at this path; /docs shows what there is",
        Code.METHOD_NOT_ALLOWED: f"{request.method} is not possible here",
    }
    headers = {"Allow": ", ".join(_methods_at(request))} if code is Code.METHOD_NOT_ALLOWED else error.headers
    return Problem(code, details.get(code, str(error.detail)), headers=headers).response()


def _methods_at(request: Request) -> list[str]:
    """All methods of a path; Starlette names those of the first route that it finds there."""
    here = [route for route in iter_route_contexts(request.app.routes) if route.path_regex.match(request.scope["path"])]
    return sorted({method for route in here for method in route.methods or ()})


async def _nobody_listens(_: Request, __: Exception) -> Response:
    return Response(status_code=400)


_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    Problem: _problem,
    RequestValidationError: _invalid_parameters,
    HTTPException: _framework_refusal,
    ClientDisconnect: _nobody_listens,
}


async def _unexpected(request: Request, error: Exception) -> Response:
    # The server logs the traceback itself; the client learns nothing of our insides.
    _log.error("%s %s ended in %s", request.method, request.scope.get("path"), type(error).__name__)
    return Problem(Code.INTERNAL_ERROR, "something went wrong on our side; it has been logged").response(
        request.scope.get("correlation_id")
    )
