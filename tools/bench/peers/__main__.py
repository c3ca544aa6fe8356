"""`python -m tools.bench.peers KIT [--rounds 3]`: this project and Kafka Streams, in turns, on the clock of a kit of peer benchmarks.

KIT is the folder of the kit (`run.sh`, `t1/`); it is left as it is. Kafka and PostgreSQL are started for the run, on free ports. Each
round runs every peer once, another one first in each. Printed: each round, the medians, and the ratios of this project's median to the
others'. `--build` keeps what the kit builds (a Java project, an environment) for the next run. Java 17, Maven and Node are needed.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from infra.process.settings import Settings
from infra.process.tuning import collect_rarely
from tools.bench.peers.kit import Kit, KitFailed, Row, clean_environment
from tools.bench.peers.ours import NAME, Ours
from tools.bench.process import BenchHome, clear_leftovers
from tools.bench.servers import Servers

OTHERS = ("streams-alo-1t-rocksdb", "streams-eos2-1t-rocksdb")
_COLUMNS = ("rate", "rate_2nd_half", "cpu_steady_s", "broker_cpu_s", "rss_mib", "others_cores", "ok")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _rounds(kit: Kit, servers: Servers, rounds: int, count: int) -> list[Row]:
    ours = Ours(servers, kit, count)
    await ours.enter()
    rows = []
    peers = [*OTHERS, NAME]
    for number in range(rounds):
        for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
            measured = await ours.measured() if peer == NAME else await asyncio.to_thread(kit.measured, peer, count)
            row = measured | {"round": number + 1}
            kit.keep(row)
            _say(f"round {number + 1}  {peer:24}" + "".join(f"  {name} {row[name]}" for name in _COLUMNS))
            rows.append(row)
    return rows


def medians(rows: Sequence[Row]) -> Mapping[str, float]:
    """The median rate of each peer."""
    peers = {row["peer"] for row in rows}
    return {peer: statistics.median(row["rate"] for row in rows if row["peer"] == peer) for peer in peers}


def _measure(kit_folder: Path, build: Path, rounds: int, count: int) -> int:
    home = BenchHome()
    try:
        with Servers(home, Settings().jar_folder.absolute()) as servers:
            kit = Kit(kit_folder, build, clean_environment() | servers.values)
            kit.set_up()
            rows = uvloop.run(_rounds(kit, servers, rounds, count))
    finally:
        home.end()
    rates = medians(rows)
    _say("\n".join(f"{peer:24} {rate:>9,.0f} commands/s" for peer, rate in rates.items()))
    _say("\n".join(f"{NAME} / {other}: {rates[NAME] / rates[other]:.2f}" for other in OTHERS))
    _say(f"kept in {kit.results}")
    return 0 if all(row["ok"] for row in rows) else 1


def main() -> None:
    """Exit code 1: an output was wrong, or the kit could not be built or run."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("kit", type=Path)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--commands", type=int, default=200_000)
    arguments.add_argument("--build", type=Path, help="default: a new temporary folder")
    asked = arguments.parse_args()
    build = asked.build or Path(tempfile.mkdtemp(prefix="orders-peers-"))
    build.mkdir(parents=True, exist_ok=True)
    clear_leftovers()
    collect_rarely()
    try:
        sys.exit(_measure(asked.kit.resolve(), build.resolve(), asked.rounds, asked.commands))
    except KitFailed as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
