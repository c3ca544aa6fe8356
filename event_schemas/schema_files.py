"""The JSON Schemas of all messages, as files for readers in any language: `python -m event_schemas.schema_files` writes new ones.

`event_schemas/schemas/<Type>/v<N>.json` describes a message as it stands in its topic. A file that `SHA256SUMS` lists is released
and stays as it is, byte for byte: a change is a new `schema_version`, and so a new file.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from event_schemas.registry import COMMANDS, RECORDS

FOLDER = Path(__file__).parent / "schemas"
CURRENT_VERSIONS = {kind.name: kind.version for kind in (*COMMANDS, *RECORDS)}
_SUMS = "SHA256SUMS"
_WRITE = "run `python -m event_schemas.schema_files`"


class Released(Exception):
    """A released schema would have to change; the text says what to do instead."""


def current_schemas() -> dict[str, dict[str, Any]]:
    """The current version's schema of every command and every record, by type."""
    found = released_schemas(FOLDER)
    return {name: found[name][version] for name, version in CURRENT_VERSIONS.items()}


def schema_files() -> dict[Path, str]:
    """What the files of the current versions must hold, by path below the folder."""
    return {
        Path(name) / f"v{CURRENT_VERSIONS[name]}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in current_schemas().items()
    }


def released_sums(folder: Path) -> dict[Path, str]:
    """The SHA-256 (hex) of every released file, by path below the folder. The list is one that `sha256sum -c` reads."""
    lines = (folder / _SUMS).read_text(encoding="utf-8").splitlines()
    return {Path(name): digest for digest, name in (line.split("  ", 1) for line in lines)}


def released_schemas(folder: Path) -> dict[str, dict[int, dict[str, Any]]]:
    """Every file in the folder, read: by type, then by version."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*/v*.json")):
        found.setdefault(path.parent.name, {})[int(path.stem[1:])] = json.loads(path.read_bytes())
    return found


def file_problems(folder: Path) -> list[str]:
    """What is wrong with the files: released ones that changed or are gone, versions without a file, files without a line."""
    sums, found = released_sums(folder), {path.relative_to(folder) for path in folder.glob("*/*")}
    problems = [f"{path} is released, and is gone: records of it stand in logs" for path in sums.keys() - found]
    problems += [f"{path} is released, and was changed: restore it, raise the version instead" for path in _changed(sums, found, folder)]
    problems += [f"{path} is not listed in {_SUMS}: {_WRITE}" for path in found - sums.keys()]
    for name, current in CURRENT_VERSIONS.items():
        wanted = {Path(name) / f"v{version}.json" for version in range(1, current + 1)}
        problems += [f"{path} is missing: {_WRITE}" for path in wanted - found - sums.keys()]
        problems += [f"{path} is of a version that {name} does not have" for path in found - wanted if path.parent.name == name]
    problems += [f"{path} is of a message that is unknown" for path in found if path.parent.name not in CURRENT_VERSIONS]
    stale = [path for path, text in schema_files().items() if path in found and not _says(folder / path, text)]
    return sorted(problems + [f"{path} is released, and the models say something else: {_instead(path)}" for path in stale])


def _changed(sums: dict[Path, str], found: set[Path], folder: Path) -> Iterable[Path]:
    return [path for path, digest in sums.items() if path in found and _sum(folder / path) != digest]


def _says(file: Path, text: str) -> bool:
    """Whether the file and this schema mean the same, titles and descriptions aside."""
    return bool(_meaning(json.loads(file.read_bytes())) == _meaning(json.loads(text)))


def _meaning(schema: Any) -> Any:
    if isinstance(schema, dict):
        # A property may be called `title`; then its value is a schema, and no text.
        return {key: _meaning(value) for key, value in schema.items() if key not in {"title", "description"} or not isinstance(value, str)}
    return [_meaning(item) for item in schema] if isinstance(schema, list) else schema


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _instead(path: Path) -> str:
    return f"raise the version of {path.parent.name}, and add an upcaster (docs/schemas.md)"


def write_new(folder: Path) -> list[Path]:
    """Write the files that are missing and list them. Raises Released, and writes nothing, when a released one would change."""
    sums = released_sums(folder)
    new = {path: text for path, text in schema_files().items() if path not in sums}
    for path, text in schema_files().items():
        if path in sums and not _says(folder / path, text):
            raise Released(f"{path} is released and stays as it is: {_instead(path)}")
    for path, text in new.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        sums[path] = _sum(folder / path)
    listed = "".join(f"{digest}  {path.as_posix()}\n" for path, digest in sorted(sums.items()))
    (folder / _SUMS).write_text(listed, encoding="utf-8")
    return sorted(new)


def main() -> int:
    """Write the files of versions that are new; those that are released stay untouched."""
    try:
        written = write_new(FOLDER)
    except Released as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    sys.stdout.write("".join(f"{path}: written, and released with this commit\n" for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
