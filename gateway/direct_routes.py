"""The commands' way past FastAPI's layers: routing, exit stacks and wrappers cost half as much as all that a POST itself needs."""

from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from command_api.routes import DirectRoute
from gateway.problems import refusal


def direct_routes(routers: Iterable[APIRouter]) -> list[DirectRoute]:
    """The routes of these routers that can be served directly."""
    return [route for router in routers for route in router.routes if isinstance(route, DirectRoute)]


class ServeDirectly:
    """Plain ASGI middleware. Requests that fit one of `routes` by path and method are served here, all others further in."""

    def __init__(self, app: ASGIApp, routes: Iterable[APIRoute]) -> None:
        self._app = app
        self._routes = [(method, route.path_regex.fullmatch, route) for route in routes for method in sorted(route.methods or ())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            for method, fits, route in self._routes:
                if method == scope["method"] and (found := fits(scope["path"])):
                    scope["route"], scope["path_params"] = route, found.groupdict()
                    await _serve(route, Request(scope, receive, send), send)
                    return
        await self._app(scope, receive, send)


async def _serve(route: APIRoute, request: Request, send: Send) -> None:
    try:
        response = await route.endpoint(request)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        response = await refusal(request, error)
    await response(request.scope, request.receive, send)
