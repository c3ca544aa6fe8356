"""Position tokens for every event of the feed, at a fraction of the price of making each from nothing."""

from collections.abc import Mapping

from event_schemas.positions import LogIdentity, Position


class PositionTokens:
    """Makes the same tokens as `Position.of`, hashing the log's identity only when it has changed."""

    def __init__(self) -> None:
        self._identity = LogIdentity(0)
        self._digests: dict[tuple[int, ...], bytes] = {}

    def token(self, identity: LogIdentity, next_offsets: Mapping[int, int]) -> str:
        """The position of this log after these offsets, as clients see it."""
        if identity is not self._identity or len(self._digests) > 1_000:
            self._identity, self._digests = identity, {}
        begun = tuple(partition for partition, offset in next_offsets.items() if offset > 0)
        digest = self._digests.get(begun)
        if digest is None:
            digest = self._digests[begun] = identity.digest(begun)
        return Position(identity.partitions, next_offsets, digest).token()
