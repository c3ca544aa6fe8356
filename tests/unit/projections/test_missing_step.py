"""What an operator is told while the live read models are of other folds: always one step that this release can take."""

import pytest

from projections.store.generations import Generation, State, foreign_folds

MINE = 3


def told(*states: tuple[int, State], live: int = 2, partitions: int = 4) -> str:
    known = [Generation(f"projections_{number}", fold, 4, state) for number, (fold, state) in enumerate(states, start=2)]
    return foreign_folds(Generation("projections_1", live, partitions, "live"), known, fold_version=MINE)


@pytest.mark.parametrize(
    ("states", "step"),
    [
        ((), "`./orders projections rebuild --promote --accept-differences` makes them anew"),
        (((2, "ready"), (2, "retired")), "`./orders projections rebuild --promote --accept-differences` makes them anew"),
        (((MINE, "building"),), "`./orders projections rebuild --promote --accept-differences` goes on"),
        (((MINE, "retired"), (MINE, "building")), "`./orders projections promote projections_2 --accept-differences`"),
        (((MINE, "ready"), (MINE, "ready"), (MINE, "retired")), "`./orders projections promote projections_3 --accept-differences`"),
    ],
)
def test_the_missing_step_is_named_as_it_is_typed(states, step):
    assert step in told(*states)
    assert "are of fold version 2, this release folds version 3" in told(*states)


def test_before_rows_of_a_later_release_deploying_that_release_comes_first():
    assert "deploy the release that folds version 9; to go back to this release's rows, `./orders projections promote" in told(
        (MINE, "retired"), live=9
    )


def test_a_generation_of_another_log_is_not_offered():
    assert "rebuild --promote" in told((MINE, "ready"), partitions=5)
