"""Fuzz the command line with broken input: ``python tests/long/fuzz.py 50000``.

Inputs are numbered, and input ``n`` of a seed is always the same: what fails is repeated by
``python tests/long/fuzz.py --seed 0 --only 1234``. Processes share the work; one that hangs beyond
Python's reach is killed, and its input counted. Prints counts by target; exits with 1 for troubles.
"""

import argparse
import collections
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
import fuzzing
from judging import Verdict
from rightinput import Bench

#: Seconds after which a process that says nothing is killed, and bytes that one may ask for.
PATIENCE, LIMIT = 60.0, 6 * 2**30
KINDS = ("traceback", "hang", "writes outside", "memory", "crash")


def _work(root: Path, seed: int, numbers, pipe) -> None:
    """Run inputs of a seed, telling of each before and after."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    sys.stdin = open(os.devnull)
    os.dup2(sys.stdin.fileno(), 0)
    tempfile.tempdir = str(root / "tmp")
    bench = Bench(root)
    Path(tempfile.tempdir).mkdir()
    for number in numbers:
        pipe.send((number, None, None))
        pipe.send((number, *fuzzing.run_case(bench, seed, number)))
    pipe.send(None)


class Worker:
    """A process that runs some of the inputs, and is replaced where it dies."""

    def __init__(self, where: Path, seed: int, numbers: range) -> None:
        self.where, self.seed, self.numbers = where, seed, numbers
        self.lives, self.now, self.done = 0, None, False
        self._start(numbers)

    def _start(self, numbers: range) -> None:
        self.lives += 1
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        root = self.where / f"{numbers[0]}-{self.lives}" if numbers else self.where / "none"
        self.process = multiprocessing.get_context("fork").Process(
            target=_work, args=(root, self.seed, numbers, theirs)
        )
        self.process.start()
        theirs.close()
        self.heard = time.monotonic()

    def listen(self) -> list[tuple[int, str, Verdict]]:
        """Verdicts since the last call; starts it anew behind an input that ended it."""
        out, dead = [], False
        while self.pipe.poll(0.05):
            try:
                word = self.pipe.recv()
            except EOFError:
                dead = True
                break
            self.heard = time.monotonic()
            if word is None:
                self.done = True
                break
            if word[1] is None:
                self.now = word[0]
            else:
                out.append(word)
                self.now = None
        silent = time.monotonic() - self.heard > PATIENCE
        if not self.done and (dead or silent):
            self.process.kill()
            self.process.join()
            what = "hang: beyond Python" if silent else f"crash: exit {self.process.exitcode}"
            if self.now is None:
                raise RuntimeError(f"A process died before it began: {what}.")
            out.append((self.now, "(none)", Verdict("none", what)))
            rest = self.numbers[self.numbers.index(self.now) + 1 :]
            self.done = not rest
            if rest:
                self._start(rest)
        return out


def main() -> None:
    """Fuzz, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", type=int, nargs="?", default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    if given.only is not None:
        given.first, given.inputs, given.processes = given.only, 1, 1
    every = range(given.first, given.first + given.inputs)
    ends, kinds, began = collections.Counter(), collections.Counter(), time.monotonic()
    memory = Path("/dev/shm")  # many small files
    folder = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, dir=folder) as where:
        parts = [every[k :: given.processes] for k in range(min(given.processes, len(every)))]
        workers = [Worker(Path(where) / str(k), given.seed, p) for k, p in enumerate(parts)]
        while not all(w.done for w in workers):
            for number, target, verdict in [v for w in workers if not w.done for v in w.listen()]:
                ends[target, verdict.ended] += 1
                if verdict.trouble:
                    kinds[verdict.trouble.partition(":")[0]] += 1
                    print(f"{number} {target}: {verdict.trouble}", flush=True)
                elif given.only is not None:
                    print(verdict.said.strip())
                if sum(ends.values()) % 2500 == 0:
                    print(
                        f"{sum(ends.values())} inputs, {time.monotonic() - began:.0f} s", flush=True
                    )
    columns = sorted({end for _, end in ends})
    print(f"{'target':12}" + "".join(f"{c:>10}" for c in columns))
    for target in sorted({t for t, _ in ends}):
        print(f"{target:12}" + "".join(f"{ends[target, c]:10}" for c in columns))
    others = {k: n for k, n in kinds.items() if k not in KINDS}
    print(f"{sum(ends.values())} inputs of seed {given.seed} in {time.monotonic() - began:.0f} s: "
          + ", ".join(f"{kinds[k]} x {k}" for k in KINDS)
          + f", {sum(others.values())} others {others or ''}")  # fmt: skip
    sys.exit(bool(kinds))


if __name__ == "__main__":
    main()
