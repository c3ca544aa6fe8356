"""Settings and identity of an embedded cluster."""

import socket
from pathlib import Path

import pytest

from tools.local_stack.embedded.kafka_cluster import Cluster, Node, OtherClusterSize, server_properties


def properties(brokers: int) -> dict[str, str]:
    nodes = [Node(n, 9000 + n, 9100 + n) for n in range(1, brokers + 1)]
    return dict(line.split("=", 1) for line in server_properties(nodes[0], nodes).splitlines())


@pytest.mark.parametrize(("brokers", "replicas", "in_sync"), [(1, "1", "1"), (3, "3", "2")])
def test_everything_has_as_many_replicas_as_there_are_brokers(brokers: int, replicas: str, in_sync: str) -> None:
    found = properties(brokers)
    assert {value for name, value in found.items() if name.endswith("replication.factor")} == {replicas}
    assert {value for name, value in found.items() if name.endswith(("min.isr", "min.insync.replicas"))} == {in_sync}


def test_nothing_listens_beyond_loopback_and_topics_are_not_made_by_accident() -> None:
    found = properties(3)
    assert found["auto.create.topics.enable"] == "false"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:9101,2@127.0.0.1:9102,3@127.0.0.1:9103"
    assert all("//127.0.0.1:" in listener for name in ("listeners", "advertised.listeners") for listener in found[name].split(","))


def test_identity_and_ports_are_kept(tmp_path: Path) -> None:
    first = Cluster.settle(tmp_path, brokers=3, port=None)
    assert Cluster.settle(tmp_path, brokers=None, port=None) == first
    assert len({port for node in first.nodes for port in (node.port, node.controller_port)}) == 6


def test_a_kept_port_that_is_taken_is_replaced_and_a_named_one_is_not(tmp_path: Path) -> None:
    first = Cluster.settle(tmp_path, brokers=1, port=None)
    with socket.create_server(("127.0.0.1", first.nodes[0].controller_port)):
        second = Cluster.settle(tmp_path, brokers=1, port=5)
    assert second.cluster_id == first.cluster_id
    assert second.nodes[0].controller_port != first.nodes[0].controller_port
    assert second.nodes[0].port == 5


def test_the_number_of_brokers_is_fixed_by_the_data(tmp_path: Path) -> None:
    Cluster.settle(tmp_path, brokers=1, port=None)
    with pytest.raises(OtherClusterSize, match="reset"):
        Cluster.settle(tmp_path, brokers=3, port=None)
