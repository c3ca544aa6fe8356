"""What must stay the same each time an embedded cluster starts: its id, its number of brokers and their ports."""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from tools.local_stack.ports import free_port, is_free


class Node(NamedTuple):
    """One broker, which is a controller too."""

    number: int
    """Counted from 1."""
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


class OtherClusterSize(Exception):
    """The data is of another number of brokers than asked for; the text says what to do."""


class Cluster(NamedTuple):
    """Identity and addresses of the brokers, kept in `cluster.json` beside their data."""

    cluster_id: str
    nodes: tuple[Node, ...]

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """What was kept in `folder`, None when nothing was."""
        try:
            content = json.loads((folder / "cluster.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(content["cluster_id"], tuple(Node(**node) for node in content["nodes"]))

    @classmethod
    def settle(cls, folder: Path, *, brokers: int | None, port: int | None) -> Self:
        """The cluster of `folder` with addresses that can be used now, made if there is none, and kept.

        `port` is the first broker's, None for any; a port that was not asked for by number is replaced when something else listens there.
        Raises OtherClusterSize when the data in `folder` is of another number of brokers.
        """
        kept = cls.load(folder)
        if kept and brokers not in {None, len(kept.nodes)}:
            raise OtherClusterSize(
                f"{folder} holds the data of {len(kept.nodes)} broker(s), not {brokers}: start without --brokers, "
                "remove the data with `./orders reset`, or name another ORDERS_HOME"
            )
        cluster = cls(
            kept.cluster_id if kept else _new_id(),
            _settle_ports(kept.nodes if kept else (), brokers or (len(kept.nodes) if kept else 1), port),
        )
        cluster._keep(folder)
        return cluster

    def _keep(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / ".cluster.json.part"
        part.write_text(json.dumps({"cluster_id": self.cluster_id, "nodes": [node._asdict() for node in self.nodes]}), encoding="utf-8")
        part.replace(folder / "cluster.json")


def _settle_ports(kept: tuple[Node, ...], brokers: int, port: int | None) -> tuple[Node, ...]:
    taken: set[int] = {port} if port else set()

    def settle(wish: int | None) -> int:
        chosen = wish if wish and wish not in taken and is_free(wish) else free_port(taken)
        taken.add(chosen)
        return chosen

    nodes = []
    for number in range(1, brokers + 1):
        before = kept[number - 1] if kept else None
        own = port if number == 1 and port else settle(before.port if before else None)
        nodes.append(Node(number, own, settle(before.controller_port if before else None)))
    return tuple(nodes)


def _new_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
