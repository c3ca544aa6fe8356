"""What is not deployed: the local stack, the bench and the fault kit. Only a checkout has it, so the command line asks for it by name."""

DOORS: list[str] = [
    "tools.commands.bench",
    "tools.commands.check",
    "tools.commands.faults",
    "tools.commands.stack",
    "tools.commands.up",
    "tools.local_stack.machine_findings",
]
