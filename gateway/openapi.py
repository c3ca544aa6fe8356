"""`python -m gateway.openapi > docs/openapi.json`: the interface's description as the repository keeps it."""

import json
import sys

from gateway.app import openapi_document


def openapi_text() -> str:
    """The whole document, formatted so that a change shows as a few lines."""
    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
