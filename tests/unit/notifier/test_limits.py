"""Who may come in, who is given up, and whose turn it is: with clocks of their own."""

import asyncio
import heapq

from hypothesis import given
from hypothesis import strategies as st

from notifier.admission import LEAST_TAKEN, PATIENCE_S, Admission, Stall
from notifier.timer_wheel import TimerWheel


def test_two_seconds_worth_at_once_then_the_rate() -> None:
    admission = Admission(100, 0.0, lambda: 0.999)
    answers = [admission.admit(0.0) for _ in range(1_000)]
    assert answers[:200] == [None] * 200
    assert None not in answers[200:]
    assert answers[200] == 1
    assert answers[-1] == 8
    assert [admission.admit(0.5) for _ in range(51)].count(None) == 50


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 300)), max_size=50))
def test_never_more_than_the_rate_in_the_long_run(waves: list[tuple[float, int]]) -> None:
    admission, now, admitted = Admission(100, 0.0, lambda: 0.5), 0.0, 0
    for pause, count in waves:
        now += pause
        answers = [admission.admit(now) for _ in range(count)]
        admitted += answers.count(None)
        assert all(answer is None or 1 <= answer <= 11 for answer in answers)
    assert admitted <= 200 + 100 * now + 1e-6


def test_those_who_were_refused_are_all_in_within_seconds() -> None:
    chances = iter([number * 0.618 % 1 for number in range(100_000)])
    admission, waiting, now = Admission(1_000, 0.0, lambda: next(chances)), [0.0] * 5_000, 0.0
    while waiting:
        now = heapq.heappop(waiting)
        if (retry_after_s := admission.admit(now)) is not None:
            heapq.heappush(waiting, now + retry_after_s)
    assert now <= 8


def test_a_client_that_takes_nothing_is_hopeless_and_one_that_takes_a_little_is_not() -> None:
    stall = Stall(0.0, 300_000)
    assert not stall.look(PATIENCE_S - 0.1, 300_000).hopeless
    assert stall.look(PATIENCE_S, 300_000).hopeless
    assert stall.look(PATIENCE_S, 300_000 - LEAST_TAKEN + 1).hopeless
    slow = stall.look(PATIENCE_S, 300_000 - LEAST_TAKEN)
    assert not slow.hopeless
    assert slow.look(2 * PATIENCE_S, 300_000 - LEAST_TAKEN).hopeless
    assert not stall.look(PATIENCE_S, 0).hopeless


class Client:
    """Counts its turns."""

    def __init__(self) -> None:
        self.turns, self.over = 0, False


async def test_each_has_a_turn_a_period_and_none_after_it_left() -> None:
    clients: list[Client] = []

    def turn(client: Client) -> None:
        client.turns += 1
        client.over = client is clients[0]

    wheel = TimerWheel(0.02, turn)
    for _ in range(3):
        clients.append(Client())
        wheel.join(clients[-1])
    async with asyncio.timeout(5):
        while clients[2].turns < 3:
            await asyncio.sleep(0.005)
    wheel.stop()
    assert clients[0].turns == 1
    assert abs(clients[1].turns - clients[2].turns) <= 1
    turns = clients[1].turns
    await asyncio.sleep(0.05)
    assert clients[1].turns == turns


async def test_a_wheel_that_all_left_turns_again_for_the_next() -> None:
    wheel = TimerWheel(0.01, lambda client: setattr(client, "over", True))
    for _ in range(2):
        client = Client()
        wheel.join(client)
        async with asyncio.timeout(5):
            while not client.over or wheel._timer is not None:
                await asyncio.sleep(0.005)
