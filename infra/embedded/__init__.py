"""Real servers without Docker or root: Apache Kafka in KRaft mode and PostgreSQL 18, each started directly on loopback.

`EmbeddedKafka` and `EmbeddedPostgres` keep their data in one folder each and work alike: `start()`, `stop()`, `kill()`, all blocking.
"""
