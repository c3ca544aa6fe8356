"""`python -m tests.support.readers.compared OLD_CHECKOUT`: the reader before beside today's, on the same mutated messages.

OLD_CHECKOUT is a checkout of 0b5ddea with its environment (`git archive 0b5ddea | tar -x -C OLD_CHECKOUT`, `./orders --help` there).
Both readers give a verdict and the values that they read. Whatever differs is counted under the name of a wanted difference; the
exit status is 1 when something has no name. The same seed gives the same messages.
"""

import argparse
import os
import pickle
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

from tests.support.readers.after import Answer, answer
from tests.support.readers.differences import NAMES, UNNAMED, names_of
from tests.support.readers.kept import Kept, write
from tests.support.readers.mutated import Message, Mutations
from tests.support.readers.originals import originals

_BEFORE = Path(__file__).with_name("before.py")
_BATCH = 1000
_SHOWN = 5
_LOOKED_THROUGH = 60
"""Batches."""
_KEPT_OF_EACH = 20
_KEPT_WITHOUT = 1500
_KEPT_BYTES = 2000


class ReaderBefore:
    """The earlier reader, in an interpreter of its own."""

    def __init__(self, checkout: Path) -> None:
        command = [checkout / ".venv" / "bin" / "python", "-P", _BEFORE]
        environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(command, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, messages: list[Message]) -> None:
        """Have them read; `answers` waits for it."""
        assert self._process.stdin is not None
        pickle.dump([tuple(message) for message in messages], self._process.stdin)
        self._process.stdin.flush()

    def answers(self) -> list[Answer]:
        """What it said of the messages that were asked last."""
        assert self._process.stdout is not None
        return [Answer(*said) for said in pickle.load(self._process.stdout)]

    def end(self) -> None:
        """Let its interpreter end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def compare(checkout: Path, seed: int, count: int) -> tuple[Counter[str], Counter[str], list[str]]:
    """The verdicts of today, the differences by name, and what has no name. So many messages of this seed."""
    verdicts: Counter[str] = Counter()
    found: Counter[str] = Counter()
    unnamed: list[str] = []
    stream, reader = iter(Mutations(seed, originals())), ReaderBefore(checkout)
    try:
        for begin in range(0, count, _BATCH):
            messages = list(islice(stream, min(_BATCH, count - begin)))
            reader.ask(messages)
            now = [answer(message) for message in messages]
            for message, then, today in zip(messages, reader.answers(), now, strict=True):
                verdicts[f"{message.topic}: {today.verdict}"] += 1
                names = names_of(message, then, today)
                found.update(names)
                if UNNAMED in names:
                    unnamed.append(f"{message.value[:1000]!r}\n  before {_short(then)}\n  after  {_short(today)}")
    finally:
        reader.end()
    return verdicts, found, unnamed


def keep(checkout: Path, seed: int) -> int:
    """Write messages with what the reader before says of them, for the test suite, which has no such reader. How many they are.

    Some of each difference, some without one; none is large.
    """
    missing = Counter(dict.fromkeys((*NAMES, ""), _KEPT_OF_EACH)) | Counter({"": _KEPT_WITHOUT})
    kept: list[Kept] = []
    stream, reader = iter(Mutations(seed, originals())), ReaderBefore(checkout)
    try:
        for _ in range(_LOOKED_THROUGH):
            messages = [message for message in islice(stream, _BATCH) if len(message.value) < _KEPT_BYTES]
            reader.ask(messages)
            for message, then in zip(messages, reader.answers(), strict=True):
                names = names_of(message, then, answer(message))
                if any(missing[name] > 0 for name in names or [""]):
                    missing.subtract(names or [""])
                    kept.append(Kept(message, then, tuple(names)))
    finally:
        reader.end()
    write(kept)
    return len(kept)


def _short(said: Answer) -> Answer:
    return Answer(*(part[:600] for part in said))


def main() -> int:
    """Compare, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="write tests/contract/reader_before.jsonl.gz, and end")
    given = parser.parse_args()
    if given.keep:
        print(f"{keep(given.checkout.absolute(), given.seed):,} messages")
        return 0
    verdicts, found, unnamed = compare(given.checkout.absolute(), given.seed, given.messages)
    for name, times in sorted(verdicts.items()):
        print(f"{times:9,}  {name}")
    print(f"{sum(found.values()):9,}  differences, of {given.messages:,} messages of seed {given.seed}")
    for name in (*NAMES, UNNAMED):
        print(f"{found[name]:9,}  {name}")
    for text in unnamed[:_SHOWN]:
        print(text)
    return 1 if unnamed else 0


if __name__ == "__main__":
    sys.exit(main())
