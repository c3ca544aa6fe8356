"""`./orders schemas check|list`: what may stand in the topics, and whether every version can be read as every other."""

import sys

import typer

from event_schemas.registry import COMMAND_KINDS
from event_schemas.schema_files import CURRENT_VERSIONS, FOLDER, current_schemas, file_problems, released_schemas, released_sums
from order_service.schema_compatibility import Incompatible, incompatibilities
from order_service.terminal import table

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_schemas() -> None:
    """Show every version of every message, the current one and those that stand in logs."""
    sums = {path.as_posix(): digest for path, digest in released_sums(FOLDER).items()}
    rows = [("message", "kind", "version", "", "sha256", "file")]
    for name, current in CURRENT_VERSIONS.items():
        kind = "command" if name in COMMAND_KINDS else "record"
        for version in range(current, 0, -1):
            file = f"{name}/v{version}.json"
            state = "current" if version == current else "upcast"
            rows.append((name, kind, str(version), state, sums.get(file, "not released")[:12], f"event_schemas/schemas/{file}"))
    sys.stdout.write(table(rows, indent=0))


@app.command()
def check() -> None:
    """Compare the models with the released schemas, and all versions with each other; exits 1 when something does not fit."""
    # The models' own present shape takes part, so that a change is judged before its file is written.
    schemas = {name: {**released_schemas(FOLDER).get(name, {}), CURRENT_VERSIONS[name]: now} for name, now in current_schemas().items()}
    problems = [*file_problems(FOLDER), *(_told(one) for one in incompatibilities(schemas))]
    for problem in problems:
        sys.stderr.write(f"wrong: {problem}\n")
    versions = sum(len(found) for found in schemas.values())
    if not problems:
        told = "files as released, no upcaster missing, FULL_TRANSITIVE compatible"
        sys.stdout.write(f"{len(schemas)} messages, {versions} versions: {told}\n")
    raise typer.Exit(1 if problems else 0)


def _told(found: Incompatible) -> str:
    return f"{found.type}: version {found.reader} can't read version {found.writer} ({found.direction}): {found.reason}"
