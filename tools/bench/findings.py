"""What a load came to: figures that have no floor, each with what is wanted of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.bench.machine import Machine


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure. `at_most`, `at_least`: what is wanted, None when it is only told."""

    what: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def stands(self) -> bool:
        """Whether it is as wanted."""
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        wanted = {"at_most": self.at_most, "at_least": self.at_least}
        return {"what": self.what, "value": float(f"{self.value:.5g}"), "unit": self.unit, **wanted, "stands": self.stands}

    def __str__(self) -> str:
        wanted = [f"at most {self.at_most:g}"] if self.at_most is not None else []
        wanted += [f"at least {self.at_least:g}"] if self.at_least is not None else []
        judged = f"  ({', '.join(wanted)} wanted: {'yes' if self.stands else 'NO'})" if wanted else ""
        number = f"{self.value:,.0f}" if abs(self.value) >= 1_000 else f"{self.value:.3g}"
        return f"  {self.what}: {number} {self.unit}".rstrip() + judged


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A load and its findings."""

    at: str
    machine: Machine
    name: str
    findings: Sequence[Finding]

    @property
    def stands(self) -> bool:
        """Whether everything is as wanted."""
        return all(finding.stands for finding in self.findings)

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        findings = [finding.as_object() for finding in self.findings]
        return {"at": self.at, "machine": self.machine.as_object(), "load": self.name, "findings": findings}

    def __str__(self) -> str:
        return "\n".join([f"{self.machine}", f"{self.name}:", *map(str, self.findings)]) + "\n"
