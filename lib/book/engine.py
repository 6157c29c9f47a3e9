"""Bring results up to date: which points must run, where they run, and how a result gets its place.

A finished run is a notebook whose metadata carries the key of `lib.book.notebook`. Results come back to the driver,
which writes each one whole under its final name, in one step; so neither Ctrl-C nor `kill -9` leaves anything that
could be taken for a result. A failed run is kept as `<name>.failed.ipynb`.
"""

import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from lib.book import notebook, parameters, worker

_RECORDED = ("numpy", "scipy", "sympy", "torch", "matplotlib", "papermill")


@dataclass(frozen=True)
class Point:
    """One run: a notebook as it is now, all its parameters, and where its result belongs."""

    source: notebook.Source
    values: dict[str, Any]
    output: Path
    profile: str = "default"

    @property
    def name(self) -> str:
        """The notebook's name without ending."""
        return self.source.path.stem

    @property
    def failed(self) -> Path:
        """Where a failed run of this point is kept."""
        return self.output.with_suffix(".failed.ipynb")

    @property
    def components(self) -> dict:
        """What the result depends on."""
        return self.source.components(self.values)

    @property
    def key(self) -> str:
        """The key that an up-to-date result carries."""
        return notebook.key_of(self.components)


@dataclass(frozen=True)
class Result:
    """What became of a point: status is cached, ran or failed."""

    point: Point
    status: str
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class State:
    """Where a point stands before it is run: fresh, stale, failed or never run, and why."""

    name: str
    reasons: list[str] = field(default_factory=list)
    seconds: float = 0.0


def twin(path: Path, profile: str) -> Path:
    """Return where the executed twin of a notebook belongs under a profile."""
    path = Path(path)
    return notebook.root_of(path) / "_build/executed" / profile / "notebooks" / path.name


def profile_points(paths: Iterable[Path], profile: str) -> list[Point]:
    """Return the points of a profile, one per notebook."""
    return [Point(notebook.load(p), parameters.resolve(p, profile), twin(p, profile), profile) for p in paths]


def state(point: Point) -> State:
    """Say whether the point's result is up to date, and if not, why."""
    for file, fresh in ((point.failed, "failed"), (point.output, "fresh")):
        if not file.exists():
            continue
        record = notebook.read(file)["metadata"].get("sgd_book", {})
        if record.get("key") == point.key:
            return State(fresh, [record["error"]] if "error" in record else [], record["seconds"])
        if file == point.output:
            reasons = notebook.changes(record.get("components", {}), point.components)
            return State("stale", reasons, record.get("seconds", 0.0))
    return State("never run")


def execute(
    points: list[Point],
    pool: Executor,
    *,
    force: bool = False,
    retry_failed: bool = True,
    timeout: float | None = None,
) -> Iterator[Result]:
    """Run the points that are not up to date on `pool`, any `concurrent.futures` executor that can import `lib`.

    Yields a Result for each point as it is known, those that need no run first. `force` runs everything,
    `retry_failed=False` leaves points alone that failed before. A point that takes longer than `timeout` seconds
    fails. One that fails leaves the others alone.
    """
    todo = []
    for point in points:
        now = State("never run") if force else state(point)
        if now.name == "fresh" or (now.name == "failed" and not retry_failed):
            status = "cached" if now.name == "fresh" else "failed"
            yield Result(point, status, now.seconds, "; ".join(now.reasons))
        else:
            todo.append(point)
    futures = {pool.submit(worker.execute, _task(point, timeout)): point for point in todo}
    while futures:
        done, _ = wait(futures, return_when=FIRST_COMPLETED)
        for future in done:
            yield _finish(futures.pop(future), future)


def _task(point: Point, timeout: float | None) -> worker.Task:
    record = {"key": point.key, "code": point.source.code, "profile": point.profile, "parameters": point.values}
    record |= {"components": point.components, "versions": _versions()}
    return worker.Task(point.source.text, point.values, record, timeout)


@cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _RECORDED}}


def _finish(point: Point, future: Future) -> Result:
    """Write what came back to its place."""
    try:
        outcome = future.result()
    except Exception as exc:  # a worker that died; a cluster that lost one reports it in its own words
        outcome = worker.Outcome("", {}, f"the worker died: {type(exc).__name__} {exc}".strip())
    place = point.failed if outcome.error else point.output
    if outcome.text:
        write(place, outcome.text)
    if not outcome.error:
        point.failed.unlink(missing_ok=True)
    seconds = outcome.record.get("seconds", 0.0)
    return Result(point, "failed" if outcome.error else "ran", seconds, outcome.error)


def write(place: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole(place) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def whole(place: Path) -> Iterator[Path]:
    """Give a file to write to that takes its place at the end, or vanishes after an error."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, place)
    finally:
        part.unlink(missing_ok=True)


class LocalPool(ThreadPoolExecutor):
    """Processes on this machine. Each thread owns one, so one that is killed takes only its own point along."""

    def __init__(self, jobs: int):
        super().__init__(jobs)
        self._threads_each = max(1, (os.cpu_count() or 1) // jobs)
        self._own = threading.local()

    def submit(self, function, /, *arguments) -> Future:
        """Schedule a call of `function` in one of the processes."""
        return super().submit(self._in_own_process, function, arguments)

    def _in_own_process(self, function, arguments):
        if not hasattr(self._own, "process"):
            spawn, threads = multiprocessing.get_context("spawn"), (str(self._threads_each),)
            self._own.process = ProcessPoolExecutor(1, spawn, _start_worker, threads)
        try:
            return self._own.process.submit(function, *arguments).result()
        except BrokenProcessPool:
            del self._own.process
            raise

    def __exit__(self, kind, *rest) -> None:
        """Close the pool; after an error or Ctrl-C, at once: the kernels notice within a second and exit too."""
        if kind is not None:
            self.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
        super().__exit__(kind, *rest)


def _start_worker(threads: str) -> None:
    """Give kernels their share of the cores, leave Ctrl-C to the driver, and die with it even if it is killed.

    Who sets a number of threads for all keeps it. Threads sleep while they wait, so that a busy machine serves others.
    """
    for name in worker.THREADS:
        os.environ.setdefault(name, threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
