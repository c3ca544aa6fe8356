"""`/feed/demo`: a page that shows live orders, and the browser client that it is made with, `/feed/orders-feed.js`."""

from importlib.resources import files

from fastapi import APIRouter, Response

_FILES = files("notifier") / "browser"
# The feed has a port of its own, and in production a host of its own, too.
_HEADERS = {"Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src data:; style-src 'unsafe-inline'"}
_ANY_PAGE = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}


def create_feed_demo_router(feed_port: int) -> APIRouter:
    """`feed_port`: where the page finds the feed, on the host by which the page was asked for."""
    router = APIRouter(include_in_schema=False)

    @router.get("/feed/demo")
    def page() -> Response:
        text = _text("index.html").replace("FEED_PORT", str(feed_port))
        return Response(text, media_type="text/html", headers=_HEADERS)

    @router.get("/feed/demo.js")
    def demo() -> Response:
        return Response(_text("demo.js"), media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    @router.get("/feed/orders-feed.js")
    def client() -> Response:
        # A module is fetched with CORS; it is the same for everybody.
        return Response(_text("orders-feed.js"), media_type="text/javascript", headers=_ANY_PAGE)

    return router


def _text(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")
