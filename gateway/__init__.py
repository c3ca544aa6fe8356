"""The HTTP door: commands, reads and the feed in one process, with its limits and its back-pressure.

The package has no doors: `python -m gateway` runs it.
"""

DOORS: list[str] = []
