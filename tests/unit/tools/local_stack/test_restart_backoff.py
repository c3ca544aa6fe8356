"""When a dead process comes back."""

import pytest

from tools.local_stack.supervised_process import RestartBackoff


def delays(*, exit_code: int, deaths: int, lived_s: float = 1.0) -> list[float]:
    backoff = RestartBackoff()
    return [backoff.delay_s(exit_code=exit_code, lived_s=lived_s) for _ in range(deaths)]


def test_later_each_time_up_to_a_limit() -> None:
    assert delays(exit_code=1, deaths=7) == [0.5, 1, 2, 4, 5, 5, 5]


@pytest.mark.parametrize("exit_code", [70, 0, -15])
def test_who_ended_on_purpose_or_was_asked_to_comes_back_at_once(exit_code: int) -> None:
    assert delays(exit_code=exit_code, deaths=7) == [0.1, 0.2, 0.4, 0.8, 1.6, 2, 2]


def test_a_long_life_starts_over() -> None:
    assert delays(exit_code=1, deaths=3, lived_s=31) == [0.5, 0.5, 0.5]


def test_a_thousand_deaths() -> None:
    assert delays(exit_code=1, deaths=1100)[-1] == 5
