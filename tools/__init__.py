"""Programs that are not deployed: local stack, bench, fault kit. Only a checkout has them, so the command line imports them by name."""

DOORS: list[str] = [
    "tools.commands.bench",
    "tools.commands.check",
    "tools.commands.faults",
    "tools.commands.stack",
    "tools.commands.up",
    "tools.local_stack.machine_findings",
]
