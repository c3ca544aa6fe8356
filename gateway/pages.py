"""The pages that the gateway shows: `/docs` with `/openapi.json`, and `/feed/demo`. None of them asks another host for anything."""

from importlib.metadata import version
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi

from command_api.openapi import SCHEMAS

_DESCRIPTION = (
    "Orders are placed by command and read from models that follow the log. A command is answered 202 once the broker has it; "
    "`Location` tells what became of it. Errors are problem details (RFC 9457) with a stable `code`. There are no identities yet."
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>Orders</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
  <div id="orders"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
"""
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#orders", deepLinking: true, validatorUrl: null});\n'
_HEADERS = {"Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"}
_FOR_A_DAY = {"Cache-Control": "max-age=86400"}
_GENERATED_VALIDATION = {"HTTPValidationError", "ValidationError"}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    document = get_openapi(title="Orders", version=version("order-service"), description=_DESCRIPTION, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _GENERATED_VALIDATION:
        schemas.pop(name, None)
    schemas |= SCHEMAS
    for path in document["paths"].values():
        for operation in path.values():
            _answer_with_problems(operation["responses"])
    return document


def _answer_with_problems(responses: dict[str, Any]) -> None:
    """Replace FastAPI's own shape of a 422 in the description: here every refusal is a problem."""
    for response in responses.values():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        if schema.get("$ref", "").rpartition("/")[2] in _GENERATED_VALIDATION:
            response["description"] = "`validation_failed`"
            response["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def create_docs_router() -> APIRouter:
    """The page that shows `/openapi.json`, with its script and style from the package fastapi-swagger."""
    assets = files("fastapi_swagger.resources")
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def page() -> Response:
        return Response(_PAGE, media_type="text/html", headers=_HEADERS)

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")

    @router.get("/docs/swagger-ui-bundle.js")
    def script() -> Response:
        return Response((assets / "swagger-ui-bundle.js").read_bytes(), media_type="text/javascript", headers=_FOR_A_DAY)

    @router.get("/docs/swagger-ui.css")
    def style() -> Response:
        return Response((assets / "swagger-ui.css").read_bytes(), media_type="text/css", headers=_FOR_A_DAY)

    return router


_BROWSER_FILES = files("notifier") / "browser"
# The feed has a port of its own, and in production a host of its own, too.
_DEMO_HEADERS = {"Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src data:; style-src 'unsafe-inline'"}
_ANY_PAGE = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}


def create_feed_demo_router(feed_port: int) -> APIRouter:
    """`feed_port`: where the page finds the feed, on the host by which the page was asked for."""
    router = APIRouter(include_in_schema=False)

    @router.get("/feed/demo")
    def page() -> Response:
        text = _browser_file("index.html").replace("FEED_PORT", str(feed_port))
        return Response(text, media_type="text/html", headers=_DEMO_HEADERS)

    @router.get("/feed/demo.js")
    def demo() -> Response:
        return Response(_browser_file("demo.js"), media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    @router.get("/feed/orders-feed.js")
    def client() -> Response:
        # A module is fetched with CORS; it is the same for every page.
        return Response(_browser_file("orders-feed.js"), media_type="text/javascript", headers=_ANY_PAGE)

    return router


def _browser_file(name: str) -> str:
    return (_BROWSER_FILES / name).read_text(encoding="utf-8")
