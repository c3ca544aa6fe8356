"""server.properties of an embedded broker: pure text."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Node(NamedTuple):
    """One broker, which is a controller too."""

    number: int
    """From 1."""
    port: int
    controller_port: int


def server_properties(node: Node, nodes: Sequence[Node]) -> str:
    """The settings of `node` in a cluster of `nodes`: everything on loopback, and replicas of everything as far as there are brokers."""
    replicas = min(3, len(nodes))
    in_sync = max(1, replicas - 1)
    return _render(
        {
            "process.roles": "broker,controller",
            "node.id": node.number,
            "controller.quorum.voters": ",".join(f"{other.number}@127.0.0.1:{other.controller_port}" for other in nodes),
            "listeners": f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": "data",
            # Topics are made by this project and by nothing else.
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 2,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "share.coordinator.state.topic.num.partitions": 2,
            # A worker that starts gets its partitions at once.
            "group.initial.rebalance.delay.ms": 0,
            # A killed broker is let in again only when its old session has ended: the default of 9 s is long to wait for a restart.
            "broker.session.timeout.ms": 3_000 if len(nodes) == 1 else 6_000,
            "broker.heartbeat.interval.ms": 500 if len(nodes) == 1 else 1_000,
            # Sized for one machine.
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            "log.cleaner.threads": 1,
            "log.cleaner.dedupe.buffer.size": 4 * 2**20,
        }
    )


def _render(properties: Mapping[str, object]) -> str:
    return "".join(f"{name}={value}\n" for name, value in properties.items())
