"""What is wrong with a request, each thing with the place where it stands."""

from collections.abc import Iterable, Sequence
from typing import NotRequired, TypedDict

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from event_schemas.codes import Code
from infra.http.problems import Problem

MAX_FAULTS = 20
"""Faults that one answer lists: a small request may have a hundred thousand."""
_SHOWN = 200
"""Characters of a pointer that the detail repeats; a member's name may be as long as a body."""


class Fault(TypedDict):
    """One thing that is wrong: a JSON Pointer (RFC 6901) into the body, or the name of a header or query parameter."""

    pointer: str
    detail: str
    header: NotRequired[str]
    parameter: NotRequired[str]


_PLAIN_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is no known field",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "tuple_type": "must be a JSON array",
    "string_type": "must be a string",
    "int_type": "must be an integer",
}


def pointer(path: Iterable[str | int]) -> str:
    """The JSON Pointer to a member of the body."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def faults_of(error: ValidationError) -> list[Fault]:
    """Everything that a model found wrong."""
    found = error.errors(include_url=False, include_input=False)
    # pydantic counts an array's usable items only: with a faulty one in it, it may also call the array too short.
    arrays = {problem["loc"][:-1] for problem in found if problem["loc"] and isinstance(problem["loc"][-1], int)}
    arrays |= {problem["loc"][:-2] for problem in found if len(problem["loc"]) > 1 and isinstance(problem["loc"][-2], int)}
    return [
        {"pointer": pointer(problem["loc"]), "detail": _in_words(problem)}
        for problem in found
        if not (problem["type"] == "too_short" and problem["loc"] in arrays)
    ]


def _in_words(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "too_short":
            return f"must have at least {problem['ctx']['min_length']} item"
        case "too_long":
            return f"must have at most {problem['ctx']['max_length']} items"
        case known if known in _PLAIN_WORDS:
            return _PLAIN_WORDS[known]
        case _:
            return problem["msg"].removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")


def header_fault(name: str, detail: str) -> Fault:
    """Something wrong in a header: the pointer is the whole document, the header is named beside it."""
    return {"pointer": "", "header": name, "detail": f"{name} {detail}"}


def invalid(faults: Sequence[Fault]) -> Problem:
    """The answer to a request that is not shaped as it must be. The answer lists the first MAX_FAULTS and counts the others."""
    first = faults[0]
    rest = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    where = first["pointer"][:_SHOWN] + ": " if first["pointer"] else ""
    return Problem(Code.VALIDATION_FAILED, f"{where}{first['detail']}{rest}", errors=list(faults[:MAX_FAULTS]))
