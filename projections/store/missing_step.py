"""What is left to do when the live read models are of other folds than this release's. Pure."""

from collections.abc import Sequence

from projections.store.generations import Generation

REBUILD = "./orders projections rebuild"
_ACCEPT = "--accept-differences"


def foreign_folds(live: Generation, known: Sequence[Generation], *, fold_version: int) -> str:
    """Say that the live read models are of another fold version than this release's, and which step is missing.

    `known`: every generation there is, oldest first.
    """
    what = f"the live read models ({live.schema}) are of fold version {live.fold_version}, this release folds version {fold_version}"
    step = _step(live, known, fold_version)
    if live.fold_version > fold_version:
        return f"{what}: deploy the release that folds version {live.fold_version}; to go back to this release's rows, {step}"
    return f"{what}: {step}"


def _step(live: Generation, known: Sequence[Generation], fold_version: int) -> str:
    own = [one for one in reversed(known) if (one.fold_version, one.partitions) == (fold_version, live.partitions)]
    for state in ("ready", "retired"):
        for generation in own:
            if generation.state == state:
                return f"`./orders projections promote {generation.schema} {_ACCEPT}` switches to {generation.schema}, which is {state}"
    if any(generation.state == "building" for generation in own):
        return f"`{REBUILD} --promote {_ACCEPT}` goes on with the rebuild that was begun, and switches to it"
    return f"`{REBUILD} --promote {_ACCEPT}` makes them anew, and switches to them"
