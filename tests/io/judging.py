"""Ends that an input may have: success, or one line on stderr and exit code 1 or 2.

And that within seconds, without much memory, and with nothing written but what was asked for.
"""

import contextlib
import os
import resource
import signal
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from rightinput import TASKS, Bench

from mechlearn.cli import main

#: Seconds of computing, MiB beside what is there, and characters of an error that are allowed.
SECONDS, MEMORY, LONGEST = 5.0, 768, 3000


@dataclass
class Case:
    """Arguments of the command line, and the one place where it may write."""

    arguments: list[str]
    output: str | None = None


@dataclass
class Verdict:
    """The end of an input, the faults of that end, and the words on stderr."""

    ended: str
    trouble: str = ""
    said: str = ""


class TooLong(BaseException):
    """An input took too long; no ``except Exception`` stops it."""


def _alarm(number, frame):
    raise TooLong


def judge(bench: Bench, case: Case) -> Verdict:
    """Run arguments of the command line where the bench is, and say what is wrong with the end."""
    before, here = _tree(bench.root), Path.cwd()
    said = bench.root / "said"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, trouble = None, ""
    old = signal.signal(signal.SIGPROF, _alarm)
    os.chdir(bench.work)
    try:
        # Nothing here has to outlast a power cut.
        with _said(said), warnings.catch_warnings(), mock.patch("os.fsync"):
            warnings.simplefilter("always")
            warnings.showwarning = _warned
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                main(case.arguments)
                code = 0
            except SystemExit as stop:
                code = stop.code or 0
            except TooLong:
                trouble = f"hang: {_where()}"
            except BaseException:
                trouble = f"traceback: {_where()}"
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
    finally:
        os.chdir(here)
        signal.signal(signal.SIGPROF, old)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) / 1024
    text = said.read_text(errors="replace")
    trouble = trouble or _misspoken(code, text)
    if not trouble and grown > MEMORY:
        trouble = f"memory: {grown:.0f} MiB"
    if not trouble:
        trouble = _strayed(bench, case, before)
    return Verdict(f"exit {code}" if code is not None else "none", trouble, text)


def _warned(message, category, file, line, *_) -> None:
    print(warnings.formatwarning(message, category, file, line), file=sys.stderr)


def _where() -> str:
    """The error that is being handled, and the last places it came through."""
    kind, error, trace = sys.exc_info()
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(trace)]
    return f"{kind.__name__}: {str(error)[:160]!r} at {' < '.join(places[::-1][:8])}"


@contextlib.contextmanager
def _said(path: Path):
    """Send what is printed on stderr to a file, by Python or by C, and the rest nowhere."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        stream.flush()
    kept = os.dup(1), os.dup(2)
    nowhere, errors = (
        os.open(os.devnull, os.O_WRONLY),
        os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR),
    )
    try:
        os.dup2(nowhere, 1), os.dup2(errors, 2)
        sys.stdout = open(1, "w", closefd=False, errors="backslashreplace")
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace", buffering=1)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        sys.stdout, sys.stderr = streams
        for old, number in zip(kept, (1, 2), strict=True):
            os.dup2(old, number)
        for one in (*kept, nowhere, errors):
            os.close(one)


def _misspoken(code, text: str) -> str:
    """The fault of an exit code and of the words on stderr, empty if there is none."""
    progress = f"{TASKS['spring']['title']}: "
    lines = [line for line in text.splitlines() if not line.startswith(progress)]
    if code not in (0, 1, 2):
        return f"exit code {code}"
    stray = [line for line in lines if not line.startswith("mechlearn: ")]
    if stray:
        return f"stray line: {stray[0][:200]!r}"
    # What readers have noted before comes first, a line each.
    errors = [line for line in lines if not line.startswith("mechlearn: Note: ")]
    if code == 2 and len(errors) != 1:
        return f"{len(lines)} lines: {text[:200]!r}"
    if code == 1 and not errors:
        return "exit code 1 without a word"
    if any(len(line) > LONGEST for line in lines):
        return f"a line of {max(map(len, lines))} characters: {text[:120]!r}"
    if any(not c.isprintable() for line in lines for c in line):
        return f"what does not print: {text[:200]!r}"
    return ""


def _tree(root: Path) -> dict[str, int]:
    """Times of change of the files under a folder, and its folders; without the stock."""
    found = {}
    for folder, folders, names in os.walk(root):
        if folder == str(root):
            folders[:] = [name for name in folders if name != "stock"]
        for name in names:
            with contextlib.suppress(OSError):
                found[f"{folder}/{name}"] = os.stat(f"{folder}/{name}").st_mtime_ns
        found[folder] = 0
    return found


def _strayed(bench: Bench, case: Case, before: dict[str, int]) -> str:
    """Changed files that had nothing to do with the output, empty if there are none."""
    after = _tree(bench.root)
    changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
    changed.discard(str(bench.root / "said"))
    changed = {p for p in changed if not p.startswith(str(bench.root / "tmp"))}
    if case.output is not None:
        named = (
            [case.output]
            if case.output
            else [p for w in case.arguments for p in (w, w.split("=")[-1]) if p]
        )
        for word in named:
            place = os.path.normpath(bench.work / word)
            if place == str(bench.work) or not word.strip("./"):
                continue
            stem = place if case.output else os.path.splitext(place)[0]
            ways = {str(p) for p in Path(stem).parents if bench.root in p.parents}
            changed = {p for p in changed if not p.startswith(stem) and p not in ways}
    return f"writes outside: {sorted(changed)[:3]}" if changed else ""
