"""The command line for operators. This package needs no checkout; `tools` builds on its doors."""

DOORS: list[str] = [
    "order_service.cli",
    "order_service.findings",
    "order_service.progress",
    "order_service.schema_compatibility",
    "order_service.stack.folder",
    "order_service.stack.process_identity",
    "order_service.stack.record",
    "order_service.stack.running",
    "order_service.stack.status",
    "order_service.terminal",
]
