"""The client of the live feed for services. How to write against it: docs/feed-clients.md."""

from notifier.client.feed_client import FeedClient
from notifier.client.items import CaughtUp, Event, FeedStopped, Item, Joined, Lost, Passed, Reset, Snapshot
from notifier.client.state import Wanted

__all__ = ["CaughtUp", "Event", "FeedClient", "FeedStopped", "Item", "Joined", "Lost", "Passed", "Reset", "Snapshot", "Wanted"]
