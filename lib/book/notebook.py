"""What a notebook is made of and what its result depends on.

A run of a notebook is identified by a key: a hash over its code cells, its parameters, the sources of the
`lib` modules that it imports (directly or not) and the pinned versions. Prose is not part of the key.
"""

import ast
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the clone: notebooks/, book/, lib/ and _config.yml lie here


def root_of(notebook: Path) -> Path:
    """Return the book's root folder for a notebook in `<root>/notebooks/`."""
    return Path(notebook).resolve().parent.parent


def find(names: list[str], root: Path = ROOT) -> list[Path]:
    """Return the notebooks of that name, number or path; all of them, in order, when `names` is empty.

    Raises ValueError that lists what exists when a name fits no notebook or several.
    """
    every = sorted((root / "notebooks").glob("[0-9]*_*.ipynb"))
    if not names:
        return every
    chosen = []
    for name in names:
        stem = Path(name).stem if name.endswith((".ipynb", ".py")) else name
        hits = [nb for nb in every if nb.stem == stem] or [nb for nb in every if nb.stem.split("_")[0] == stem]
        if len(hits) != 1:
            raise ValueError(f"no notebook {name!r}; there are: {', '.join(nb.stem for nb in every) or 'none'}")
        chosen += [hit for hit in hits if hit not in chosen]
    return chosen


def code_cells(notebook: dict) -> list[dict]:
    """Return the code cells of a parsed notebook, without the one in which papermill injects parameters."""
    return [
        cell
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "injected-parameters" not in cell["metadata"].get("tags", [])
    ]


def source(cell: dict) -> str:
    """Return a cell's source as one string (the file format allows a list of lines)."""
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def read(path: Path) -> dict:
    """Return a notebook file's JSON."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Source:
    """A notebook file as it is now: its text, and hashes of all that its results depend on but the parameters."""

    path: Path
    text: str
    code: str
    lib: dict[str, str]
    pins: str

    def components(self, parameters: dict) -> dict:
        """Return what the result of a run depends on, part by part, each as a short hash or a plain value."""
        return {"code": self.code, "parameters": parameters, "lib": self.lib, "pins": self.pins}


def load(path: Path) -> Source:
    """Read a notebook and hash its code cells, the `lib` modules that these import, and the pinned versions."""
    path, root = Path(path), root_of(path)
    text = path.read_text(encoding="utf-8")
    pins = root / "constraints.txt"
    code = code_of(text)
    hashes = _digest(code.encode()), module_hashes(code, root), _digest(pins.read_bytes()) if pins.exists() else ""
    return Source(path, text, *hashes)


def code_of(text: str) -> str:
    """Return the code of all code cells in a notebook file's text."""
    return "\n\n".join(source(cell) for cell in code_cells(json.loads(text)))


def module_hashes(code: str, root: Path) -> dict[str, str]:
    """Return a hash of every module below `<root>/lib` that the code imports, directly or not."""
    return {name: _digest(file.read_bytes()) for name, file in imported_modules(code, root).items()}


def components(path: Path, parameters: dict) -> dict:
    """Return what an up-to-date run of this notebook with these parameters depends on."""
    return load(path).components(parameters)


def key_of(parts: dict) -> str:
    """Return the key (16 hex digits) of the parts that `components` gave."""
    return _digest(json.dumps(parts, sort_keys=True).encode())


def changes(old: dict, new: dict) -> list[str]:
    """Say in words which components differ between an earlier run and now."""
    said = []
    if old.get("code") != new["code"]:
        said.append("code cells changed")
    before, now = old.get("parameters", {}), new["parameters"]
    said += [
        f"{k}: {before.get(k)!r} -> {now.get(k)!r}" for k in sorted({*before, *now}) if before.get(k) != now.get(k)
    ]
    before, now = old.get("lib", {}), new["lib"]
    said += [f"{name} changed" for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if old.get("pins") != new["pins"]:
        said.append("pinned versions changed")
    return said


def imported_modules(code: str, root: Path) -> dict[str, Path]:
    """Return the modules below `<root>/lib` that the code imports, transitively, as {dotted name: file}."""
    found: dict[str, Path] = {}
    queue = [name for name in _imports(code, "") if name.split(".")[0] == "lib"]
    while queue:
        name = queue.pop()
        file = _module_file(name, root)
        if file is None or name in found:
            continue
        found[name] = file
        if "." in name:
            queue.append(name.rpartition(".")[0])  # importing a.b runs a/__init__.py as well
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        queue += [n for n in _imports(file.read_text(encoding="utf-8"), package) if n.split(".")[0] == "lib"]
    return dict(sorted(found.items()))


def _module_file(name: str, root: Path) -> Path | None:
    stem = root.joinpath(*name.split("."))
    return next((f for f in (stem / "__init__.py", stem.with_suffix(".py")) if f.is_file()), None)


@lru_cache(maxsize=512)
def _imports(code: str, package: str) -> tuple[str, ...]:
    """Return every dotted name that import statements mention; `from a import b` may mean module a.b, so both."""
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
