"""The book's command line: run notebooks, build the pages, keep the pairs in step, show where things stand."""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from lib.book import claims, engine, notebook, parameters
from lib.book import sweep as sweeps

EXAMPLES = """examples:
  sgd-book run                                   run what is not up to date, default profile
  sgd-book run 03 --profile mnist -j 1           one notebook, by its number, on real data
  sgd-book run 05_momentum -p n_steps 500        one notebook with a parameter of your own
  sgd-book build                                 make the HTML pages from the executed notebooks
  sgd-book status --profile smoke                what is fresh, stale, failed or never run, and why
  sgd-book pair                                  rewrite each .ipynb from its .py
  sgd-book claims                                how many claims reproduced
  sgd-book keep --profile mnist                  keep what a profile measured beside the default run
  sgd-book sweep 03 -g n_samples=500,1000 -g seed=0:5 -o results -j 2      a notebook over a grid of parameters
  sgd-book sweep --spec book/sweeps/NAME.yml --dry-run                     list the points of a sweep file
  sgd-book collect results -o results.csv                                  one table of what the points gave
  sgd-book collect results --table prunings -o prunings.csv                a table that each point recorded, joined
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run it; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except ValueError as exc:
        print(f"sgd-book: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "sgd-book: interrupted; what had finished is kept, the next run goes on from there",
            file=sys.stderr,
        )
        return 130


def run(options: argparse.Namespace) -> int:
    """Execute the notebooks that are not up to date and print a table."""
    paths = notebook.find(options.notebooks)
    overrides = dict(options.parameter)
    if len(overrides) < len(options.parameter):
        raise ValueError("a parameter is given twice with -p")
    points = [_own_point(p, options.profile, overrides) for p in paths] if overrides else None
    points = points or engine.profile_points(paths, options.profile)
    with engine.LocalPool(options.jobs) as pool:
        results = list(_with_progress(engine.execute(points, pool, force=options.force), len(points)))
    results.sort(key=lambda r: r.point.name)
    print(f"\n{'notebook':32} {'seconds':>8}  state")
    for r in results:
        print(f"{r.point.name:32} {r.seconds:8.1f}  {r.status}")
        if overrides and r.status != "failed":
            print(f"  {r.point.output}")
    return _report_failures(results)


def sweep(options: argparse.Namespace) -> int:
    """Run one notebook over a grid of parameters; what has finished is never run again."""
    if bool(options.spec) == bool(options.notebook):
        raise ValueError("give a NOTEBOOK with -g axes, or --spec FILE")
    if options.spec:
        chosen = sweeps.from_file(options.spec)
    else:
        (path,) = notebook.find([options.notebook])
        chosen = sweeps.from_command_line(path, options.grid, options.aggregate, options.profile)
    folder = options.output or notebook.ROOT / "_build/sweeps" / (options.spec or chosen.notebook).stem
    points = sweeps.points(chosen, folder)
    if options.dry_run:
        for point in points:
            values = " ".join(f"{name}={point.values[name]}" for name in chosen.grid)
            print(f"{point.key} {engine.state(point).name:9} {values}")
        return 0
    with sweeps.open_pool(options.executor, options.jobs) as pool:
        run = engine.execute(points, pool, retry_failed=options.retry_failed, timeout=options.timeout)
        results = list(_with_progress(run, len(points)))
    counts = Counter(r.status for r in results)
    print(f"{folder}: {len(points)} points, " + ", ".join(f"{counts[s]} {s}" for s in ("ran", "cached", "failed")))
    return _report_failures(results)


def collect(options: argparse.Namespace) -> int:
    """Write the results of a sweep as one table: a row per point, or per row of a table that the points recorded."""
    from lib.book import collect as gather

    rows = gather.long_table(options.folder, options.table) if options.table else gather.table(options.folder)
    gather.write(rows, options.output)
    print(f"{options.output}: {len(rows)} rows, {len(rows.columns)} columns")
    return 0


def _report_failures(results: list[engine.Result]) -> int:
    """Say where each failed run is kept and how it failed; return the exit status."""
    failed = [r for r in results if r.status == "failed"]
    for r in failed:
        print(f"\n{r.point.name} failed: {r.error}\n{_traceback(r.point.failed)}  {r.point.failed}", file=sys.stderr)
    return 1 if failed else 0


def _traceback(file: Path) -> str:
    """Return the traceback that a failed notebook holds, without colours, indented."""
    outputs = notebook.read(file)["cells"] if file.exists() else []
    errors = [o for c in outputs for o in c.get("outputs", []) if o["output_type"] == "error"]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(errors[0]["traceback"])) if errors else ""
    return "".join(f"  {line}\n" for line in plain.splitlines())


def build(options: argparse.Namespace) -> int:
    """Build the HTML pages of a profile; any warning is an error."""
    if options.profile not in (names := parameters.profiles()):
        raise ValueError(f"no profile {options.profile!r}; there are: {', '.join(names)}")
    root = notebook.ROOT
    target = root / "_build/site" / options.profile
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(root)]
    command += ["--path-output", str(target), "--all", "-n", "-W", "--keep-going", "-q"]
    environment = os.environ | {"SGD_BOOK_PROFILE": options.profile}
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        print(f"sgd-book: the build failed (exit status {done.returncode}); see above", file=sys.stderr)
        return 1
    print(target / "_build/html/index.html")
    return 0


def pair(options: argparse.Namespace) -> int:
    """Rewrite notebooks from their scripts."""
    from lib.book import pairing

    scripts = [Path(s) for s in options.scripts] or sorted((notebook.ROOT / "notebooks").glob("[0-9]*_*.py"))
    for script in scripts:
        if script.suffix != ".py" or not script.is_file():
            raise ValueError(f"{script} is no notebook script; give the .py of a pair")
        print(f"{script.stem}: {'written' if pairing.pair(script) else 'in step'}")
    return 0


def status(options: argparse.Namespace) -> int:
    """Say for each notebook whether its result is up to date, and if not, why."""
    for point in engine.profile_points(notebook.find(options.notebooks), options.profile):
        now = engine.state(point)
        print(f"{point.name:32} {now.name:10} {'; '.join(now.reasons)}")
    return 0


def tally(options: argparse.Namespace) -> int:
    """Print the verdict of every claim that the executed notebooks of a profile measured."""
    points = engine.profile_points(notebook.find([]), options.profile)
    rows = [m for p in points if p.output.exists() for m in claims.measured(p.output)]
    counts = Counter()
    for row in rows:
        spec = claims.registry()[row["key"]]
        verdict = claims.judge(spec, row["value"], row["uncertainty"], options.profile)
        counts[verdict] += 1
        value = claims.number(row["value"], row["uncertainty"])
        print(f"{row['key']:28} {verdict.value:26} measured {value}, expected {spec.expectation}")
    counts["not measured"] = len(claims.registry()) - len(rows)
    summary = _counted(counts, (*claims.Verdict, "not measured"))
    print(summary)
    if options.readme:
        readme = notebook.ROOT / "README.md"
        text = f"Of {len(claims.registry())} claims, profile `{options.profile}`: {summary}."
        for name, kept_counts in _kept_counts(options.profile).items():
            text += f"\nKept from profile `{name}`: {_counted(kept_counts, claims.Verdict)}."
        block = re.compile(r"(?<=<!-- tally -->\n).*?(?=<!-- /tally -->)", re.DOTALL)
        readme.write_text(block.sub(text + "\n", readme.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _counted(counts: Counter, names: Iterable[str]) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in names)


def _kept_counts(profile: str) -> dict[str, Counter]:
    """Return how many claims came out how in the runs that are kept of other profiles."""
    from lib.book import kept

    counts: dict[str, Counter] = {}
    for run in (run for run in kept.load() if run.profile != profile):
        specs = [(claims.registry()[name], value) for name, value in run.values.items() if name in claims.registry()]
        verdicts = [claims.judge(spec, *value, run.profile) for spec, value in specs]
        counts.setdefault(run.profile, Counter()).update(verdicts)
    return counts


def keep(options: argparse.Namespace) -> int:
    """Keep what the notebooks measured under a profile as a table in book/results."""
    from lib.book import kept

    file, taken = kept.keep(options.profile)
    print(f"{file}: {', '.join(taken)}")
    return 0


def _own_point(path: Path, profile: str, overrides: dict[str, str]) -> engine.Point:
    """Return a point with the caller's own parameters; its result lies apart from the profile's."""
    values = parameters.resolve(path, profile, overrides)
    source = notebook.load(path)
    key = notebook.key_of(source.components(values))
    return engine.Point(source, values, notebook.ROOT / f"_build/runs/{path.stem}-{key}.ipynb", profile)


def _with_progress(results: Iterator[engine.Result], total: int) -> Iterator[engine.Result]:
    """Yield the results with a bar on a terminal, else with a line each."""
    start, counts, terminal = time.perf_counter(), Counter(), sys.stderr.isatty()
    with tqdm(total=total, unit="run", disable=not terminal) as bar:
        for n, result in enumerate(results, start=1):
            counts[result.status] += 1
            bar.set_postfix(counts)
            bar.update()
            if result.status != "cached" and not terminal:
                elapsed = time.perf_counter() - start
                left = elapsed / (n - counts["cached"]) * (total - n)
                line = f"[{n}/{total}] {result.point.name}: {result.status} in {result.seconds:.1f} s"
                print(f"{line}; elapsed {elapsed:.0f} s, about {left:.0f} s left", flush=True)
            yield result


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("sgd-book", description=__doc__, epilog=EXAMPLES, formatter_class=formatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=function.__doc__.splitlines()[0], description=function.__doc__)
        sub.set_defaults(command=function)
        return sub

    def profile(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--profile", default="default", metavar="P", help="a profile of book/profiles.yml")

    def jobs(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("-j", "--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="processes")

    sub = command("run", run)
    sub.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="name, number or path; default: all")
    sub.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    sub.add_argument("--force", action="store_true", help="run even what is up to date")
    jobs(sub)
    profile(sub)
    profile(command("build", build))
    sub = command("sweep", sweep)
    sub.add_argument("notebook", nargs="?", metavar="NOTEBOOK", help="name, number or path")
    sub.add_argument("--spec", type=Path, metavar="FILE", help="a sweep file, see book/sweeps")
    sub.add_argument("-g", "--grid", action="append", default=[], metavar="NAME=VALUES", help="a,b,c or first:last")
    sub.add_argument("--aggregate", default="prod", metavar="HOW", help="prod: all combinations; zip: pairs")
    sub.add_argument("-o", "--output", type=Path, metavar="DIR", help="where results go; default: _build/sweeps/NAME")
    sub.add_argument("--executor", default="local", metavar="WHERE", help="local, dask://HOST:PORT or dask://local")
    sub.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="per point; a slower one fails")
    sub.add_argument("--dry-run", action="store_true", help="list the points and their state, run nothing")
    sub.add_argument("--retry-failed", action="store_true", help="run points again that failed before")
    jobs(sub)
    profile(sub)
    sub = command("collect", collect)
    sub.add_argument("folder", type=Path, metavar="DIR", help="a sweep's folder")
    sub.add_argument("--table", metavar="NAME", help="a table that the notebook recorded, with a row for each of its")
    sub.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="FILE.parquet or FILE.csv")
    sub = command("pair", pair)
    sub.add_argument("scripts", nargs="*", metavar="SCRIPT", help="notebooks/NN_slug.py; default: all")
    sub = command("status", status)
    sub.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="name, number or path; default: all")
    profile(sub)
    sub = command("claims", tally)
    sub.add_argument("--readme", action="store_true", help="write the counts into README.md as well")
    profile(sub)
    profile(command("keep", keep))
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes; allowed: at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        if 0 < float(text) < 1e8:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no time limit; allowed: seconds above 0")


if __name__ == "__main__":
    sys.exit(main())
