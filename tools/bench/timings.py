"""Percentiles of what was timed."""

from collections.abc import Sequence

SHARES = (0.5, 0.99, 0.999)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank); NaN of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def latencies(values_ms: Sequence[float]) -> dict[str, float]:
    """p50, p99 and p99.9, named with their unit."""
    return {f"p{100 * share:g} ms": percentile(values_ms, share) for share in SHARES}
