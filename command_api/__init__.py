"""Commands over HTTP: a request becomes one command in `order-commands`, and is answered 202.

Other packages import the modules of `DOORS` only.
"""

DOORS: list[str] = [
    "command_api.command_log",
    "command_api.openapi",
    "command_api.problems",
    "command_api.routes",
    "command_api.submission",
]
