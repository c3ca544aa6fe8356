"""The client's own history: what it sent, what it was answered, and when. The checks believe it and the raw topics, nothing else."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO

from tools.faults.load.workload import Intent

Ending = Literal["pending", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request. Times in seconds since 1970; `said` is a status, or why there was none."""

    gateway: str
    sent_at: float
    answered_at: float
    said: str


@dataclass(slots=True)
class Sent:
    """An intent that was sent, until it was answered or given up.

    `key`: the one that was used last, which the gateway may have given. `ending`: what the answer said of the command, None
    without an answer. `refused`: an answer that no valid request should get.
    """

    intent: Intent
    key: str | None
    attempts: list[Attempt] = field(default_factory=list)
    command_id: str | None = None
    order_id: str | None = None
    ending: Ending | None = None
    code: str | None = None
    version: int | None = None
    refused: str | None = None


class History:
    """Everything that the client sent, in the order of sending; each line is written down when it is over."""

    def __init__(self, journal: TextIO | None = None) -> None:
        self.sent: list[Sent] = []
        self._journal = journal

    def begin(self, intent: Intent) -> Sent:
        """Something is about to be sent."""
        sent = Sent(intent, intent.key)
        self.sent.append(sent)
        return sent

    def over(self, sent: Sent) -> None:
        """It was answered or given up."""
        if self._journal is not None:
            self._journal.write(json.dumps(_line(sent)) + "\n")

    @property
    def answered(self) -> int:
        """Requests that were answered for good."""
        return sum(sent.ending is not None for sent in self.sent)

    def newest_order(self) -> str | None:
        """The order whose creation was answered last, None while there is none."""
        return next((sent.order_id for sent in reversed(self.sent) if sent.intent.kind == "create" and sent.order_id), None)

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return sum(max(0, len(sent.attempts) - 1) for sent in self.sent)

    @property
    def unanswered(self) -> int:
        """Requests that were never answered: the client had no key, or its patience ended."""
        return sum(sent.ending is None and sent.refused is None for sent in self.sent)


def _line(sent: Sent) -> dict[str, Any]:
    intent = sent.intent
    return {
        "marker": intent.marker,
        "path": intent.path,
        "key": sent.key,
        "if_match": intent.if_match,
        "command_id": sent.command_id,
        "order_id": sent.order_id,
        "ending": sent.ending,
        "code": sent.code,
        "refused": sent.refused,
        "attempts": [(a.gateway, round(a.sent_at, 3), round(a.answered_at, 3), a.said) for a in sent.attempts],
    }
