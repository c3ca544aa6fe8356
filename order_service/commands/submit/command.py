"""`./orders submit FILE`: place a file of orders, and say what became of each line.

How a line's outcome is learned: before the first POST the feed is subscribed from its end, and every record that it shows is
matched by command id with the lines sent. The feed shows a record once, so it belongs to exactly one line: accepted or rejected.
A line whose record does not come within 2 s is looked up (`GET /commands/{id}`): once its command is decided, at a position that
the feed has passed without showing its record to this line, the record was there before this submission, or belongs to an earlier
line of the file: repeated. Nothing is guessed from times. Memory stays bounded: at most 20,000 lines wait for their outcome.
"""

import asyncio
import sys
import time
from typing import Annotated

import orjson
import typer
import uvloop

from order_service.commands.submit.client import Answer, FeedLost, GatewayLost, OrderClient, follow
from order_service.commands.submit.lines import BadLine, Order, OrderFile
from order_service.commands.submit.outcomes import Outcomes, Sent
from order_service.progress import Progress, new_progress
from order_service.stack.running import stack_settings, urls

_MOST_WAITING = 20_000
_OVERDUE_S = 2.0
_LOOKUPS = 32
_TELL_S = 5.0
_NO_OUTCOME_S = 120.0
"""How long after the last line's answer a submission waits for outcomes while none comes."""
_NAMED = 1_000
"""Failures that `--json` lists; all are counted, and all are named on standard error."""


def submit(
    file: Annotated[str, typer.Argument(help="NDJSON, gzip or not, each line a body of POST /orders; - for standard input")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object")] = False,
    url: Annotated[str | None, typer.Option(help="The gateway; default: the running stack's")] = None,
    feed: Annotated[str | None, typer.Option(help="The feed; default: the running stack's")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Orders under way at the same time")] = 64,
) -> None:
    """Place the orders of a file; sending it again adds nothing. Exits 1 when a line failed."""
    running = urls(stack_settings(), None, None)
    begun = time.monotonic()
    submission: Submission | None = None
    problem: str | None = None
    try:
        submission = Submission(OrderFile(file), new_progress(sys.stderr, every_s=_TELL_S, quiet=as_json))
        uvloop.run(submission.run(url=url or running.http, feed=feed or running.feed, concurrency=concurrency))
    except (OSError, EOFError, FeedLost, GatewayLost) as error:
        problem = str(error)
        sys.stderr.write(f"{problem}\n")
    if submission is not None:
        _report(submission, time.monotonic() - begun, problem, as_json=as_json)
    raise typer.Exit(1 if problem or submission is None or submission.outcomes.counts.failed else 0)


class Submission:
    """One file on its way."""

    def __init__(self, file: OrderFile, progress: Progress) -> None:
        self._file, self._progress = file, progress
        self.outcomes = Outcomes(time.monotonic)
        self.failures: list[dict[str, object]] = []

    async def run(self, *, url: str, feed: str, concurrency: int) -> None:
        """Send every line and learn every outcome. Raises FeedLost or GatewayLost when one of them stays away, OSError."""
        subscribed = asyncio.Event()
        with self._progress:
            async with OrderClient(url, concurrency + _LOOKUPS) as client:
                follower = asyncio.create_task(follow(feed, self.outcomes, subscribed))
                work = asyncio.create_task(self._work(client, subscribed, concurrency))
                try:
                    await asyncio.wait({follower, work}, return_when=asyncio.FIRST_COMPLETED)
                    (follower if follower.done() else work).result()
                finally:
                    for task in (follower, work):
                        task.cancel()
                    await asyncio.gather(follower, work, return_exceptions=True)
                    self._file.close()

    async def _work(self, client: OrderClient, subscribed: asyncio.Event, concurrency: int) -> None:
        await subscribed.wait()
        lookups = asyncio.create_task(self._look_up_overdue(client))
        try:
            async with asyncio.TaskGroup() as senders:
                for _ in range(concurrency):
                    senders.create_task(self._send(client))
            await self._await_outcomes(lookups)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            lookups.cancel()

    async def _send(self, client: OrderClient) -> None:
        while (line := await self._file.next()) is not None:
            while len(self.outcomes) >= _MOST_WAITING:  # noqa: ASYNC110  # a rare pause of a command line tool
                await asyncio.sleep(0.05)
            if isinstance(line, BadLine):
                self._failed(line.number, line.detail)
            else:
                self._answered(line, await client.post(line))
            self._show()

    def _answered(self, line: Order, answer: Answer) -> None:
        if answer.status == 202 and answer.location is not None:
            self.outcomes.sent(answer.body["command_id"], answer.location, line.number)
        else:
            self._failed(line.number, answer.body.get("detail", f"the gateway answered {answer.status}"))

    def _show(self) -> None:
        counts, done, size = self.outcomes.counts, self._file.done(), self._file.size
        read = f", {100 * done // size} % of the file read" if size else ""
        text = f"accepted {counts.accepted}, rejected {counts.rejected}, repeated {counts.repeated}, failed {counts.failed}{read}"
        self._progress.show(text, done, size)

    def _failed(self, line: int, detail: str) -> None:
        self.outcomes.counts.failed += 1
        self._progress.say(f"line {line}: {detail}")
        if len(self.failures) < _NAMED:
            self.failures.append({"line": line, "detail": detail})

    async def _look_up_overdue(self, client: OrderClient) -> None:
        while True:
            overdue = self.outcomes.overdue(_OVERDUE_S, _LOOKUPS)
            await asyncio.gather(*(self._look_up(client, sent) for sent in overdue))
            if len(overdue) < _LOOKUPS:
                await asyncio.sleep(0.1)

    async def _look_up(self, client: OrderClient, sent: Sent) -> None:
        answer = await client.get(sent.location)
        decided = answer.status == 200 and answer.body.get("status") in {"accepted", "rejected"}
        if not (decided and self.outcomes.known(sent, answer.body["position"])):
            self.outcomes.look_again(sent)

    async def _await_outcomes(self, lookups: "asyncio.Task[None]") -> None:
        left, since = len(self.outcomes), time.monotonic()
        while self.outcomes and time.monotonic() - since < _NO_OUTCOME_S:
            if lookups.done():
                lookups.result()
            await asyncio.sleep(0.05)
            self._show()
            if len(self.outcomes) != left:
                left, since = len(self.outcomes), time.monotonic()
        for sent in self.outcomes.overdue(0, left):
            self.outcomes.give_up(sent)
            self._failed(sent.line, f"command {sent.command_id} has no outcome yet; look at {sent.location} later")


def _report(submission: Submission, seconds: float, problem: str | None, *, as_json: bool) -> None:
    counts = submission.outcomes.counts
    if as_json:
        summary = {name: getattr(counts, name) for name in ("accepted", "rejected", "repeated", "failed")}
        report = summary | {
            "rejections": counts.rejections,
            "seconds": round(seconds, 3),
            "failures": submission.failures,
            "problem": problem,
        }
        sys.stdout.write(orjson.dumps(report).decode() + "\n")
        return
    codes = ", ".join(f"{code} {number}" for code, number in counts.rejections.most_common())
    sys.stdout.write(
        f"accepted {counts.accepted}, rejected {counts.rejected}{f' ({codes})' if codes else ''}, repeated {counts.repeated}, "
        f"failed {counts.failed} in {seconds:.1f} s ({counts.lines() / seconds:.0f} lines/s)\n"
    )
