"""How many examples a property is tried on: some in a plain run, all with `./orders test --hypothesis-profile=thorough`."""

from hypothesis import HealthCheck, settings

_SOME = 30
_ALL = 100
PLAIN, THOROUGH = "plain", "thorough"


def register_profiles() -> None:
    """Make both known to Hypothesis. Neither is timed: Hypothesis fails what takes long, and a busy machine takes long over anything."""
    for name, count in ((PLAIN, _SOME), (THOROUGH, _ALL)):
        settings.register_profile(name, max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def examples(count: int) -> int:
    """`count` in a thorough run; in a plain one the share of it that every property gets."""
    return count * settings().max_examples // _ALL
