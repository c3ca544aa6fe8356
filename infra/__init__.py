"""The infrastructure of all services: Kafka, the event log, Faust, PostgreSQL, HTTP, and the process itself.

Other packages import the modules of `DOORS` only.
"""

DOORS: list[str] = [
    "infra.errors",
    "infra.event_log.command_outcomes",
    "infra.event_log.dead_letters",
    "infra.event_log.lookup",
    "infra.event_log.metrics",
    "infra.event_log.partition_fold",
    "infra.event_log.reader",
    "infra.event_log.runs",
    "infra.event_log.tail",
    "infra.faust.app",
    "infra.faust.fetches",
    "infra.faust.worker",
    "infra.http.disconnects",
    "infra.http.preferences",
    "infra.http.problems",
    "infra.kafka.clients",
    "infra.kafka.partitioner",
    "infra.kafka.topic_guard",
    "infra.kafka.topic_mending",
    "infra.postgres.binary_arrays",
    "infra.postgres.connections",
    "infra.postgres.faust_store",
    "infra.postgres.table_copy",
    "infra.postgres.table_definition",
    "infra.postgres.table_fold",
    "infra.postgres.table_sql",
    "infra.process.exits",
    "infra.process.health",
    "infra.process.logs",
    "infra.process.settings",
    "infra.process.tuning",
]
