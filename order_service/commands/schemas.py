"""`./orders schemas check|list`: what may stand in the topics, and whether every version can be read as every other."""

import sys

import typer

from event_schemas.registry import COMMAND_KINDS
from event_schemas.schema_files import FOLDER, KINDS, current_schemas, file_problems, released_schemas, released_sums
from order_service.schema_compatibility import Incompatible, incompatibilities
from order_service.terminal import table

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_schemas() -> None:
    """Show every version of every message, the current one and those that stand in logs."""
    sums = {path.as_posix(): digest for path, digest in released_sums(FOLDER).items()}
    rows = [("message", "kind", "version", "", "sha256", "file")]
    for name, kind in KINDS.items():
        stands_in = "command" if name in COMMAND_KINDS else "record"
        for version in range(kind.version, 0, -1):
            file = f"{name}/v{version}.json"
            state = "current" if version == kind.version else "upcast"
            rows.append((name, stands_in, str(version), state, sums.get(file, "not released")[:12], f"event_schemas/schemas/{file}"))
    sys.stdout.write(table(rows, indent=0))


@app.command()
def check() -> None:
    """Compare the types with the released schemas, and all versions with each other; exits 1 when something does not fit."""
    # What a version without a file will say takes part, so that a change is judged before its file is written.
    released, current = released_schemas(FOLDER), current_schemas(FOLDER, KINDS)
    schemas = {name: {**released.get(name, {}), KINDS[name].version: now} for name, now in current.items()}
    problems = [*file_problems(FOLDER, KINDS), *(_told(one) for one in incompatibilities(schemas))]
    for problem in problems:
        sys.stderr.write(f"wrong: {problem}\n")
    versions = sum(len(found) for found in schemas.values())
    if not problems:
        told = "files as released, types as their files, FULL_TRANSITIVE compatible"
        sys.stdout.write(f"{len(schemas)} messages, {versions} versions: {told}\n")
    raise typer.Exit(1 if problems else 0)


def _told(found: Incompatible) -> str:
    return f"{found.type}: version {found.reader} can't read version {found.writer} ({found.direction}): {found.reason}"
