"""Every guard as an edit that takes it out of the product, and the test that must fail then (docs/reliability.md)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """`old` stands once in `file`; with `new` in its place the test fails."""

    guard: str
    file: str
    old: str
    new: str
    test: str
