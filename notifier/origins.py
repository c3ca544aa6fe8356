"""Which web pages may open the feed: a browser says where a page comes from, other clients say nothing and may. Pure."""

from urllib.parse import urlsplit

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def allowed_origins(text: str | None) -> frozenset[str]:
    """The origins of a comma-separated list such as `https://shop.example,https://admin.example:8443`."""
    return frozenset(origin.strip().rstrip("/").lower() for origin in (text or "").split(",") if origin.strip())


def may_open(origin: str, host: str | None, allowed: frozenset[str]) -> bool:
    """Whether a page of this origin may open the feed at this host.

    Without a list, pages of the same host and of loopback may; with a list, only those in it (`*`: every page).
    """
    if "*" in allowed:
        return True
    if allowed:
        return origin.lower() in allowed
    try:
        page = urlsplit(origin).hostname
        own = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return page is not None and (page in _LOOPBACK or page == own)
