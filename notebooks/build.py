"""Run the notebooks and keep what they show: python notebooks/build.py [NAME ...] [--short].

A notebook is a script, ``NN-name.py``, in jupytext's percent format; beside it lies what it shows,
``NN-name.ipynb``. NAME may be any part of a name. ``--short`` runs them as the tests do, and writes
to build/notebooks instead.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

try:
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from traitlets.config import Config
except ImportError as error:
    sys.exit(f"Notebooks need {error.name}: pip install '.[notebooks]'.")

HERE = Path(__file__).resolve().parent
#: What a notebook may weigh, in bytes: pictures are small, so that it opens everywhere.
LARGEST = 1_000_000


def scripts() -> list[Path]:
    """The notebooks' scripts, in order."""
    return sorted(HERE.glob("[0-9][0-9]-*.py"))


def as_notebook(script: Path) -> nbformat.NotebookNode:
    """The notebook of a script, without outputs; the same whenever it is made."""
    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return notebook


def run(notebook: nbformat.NotebookNode) -> None:
    """Run a notebook in its folder and keep what it shows."""
    with tempfile.TemporaryDirectory() as folder:
        # Sockets in a folder of their own: no port that others on this machine could talk to.
        kernel = {"transport": "ipc", "ip": str(Path(folder) / "kernel")}
        client = NotebookClient(
            notebook,
            timeout=None,
            resources={"metadata": {"path": str(HERE)}},
            config=Config(KernelManager=kernel),
        )
        client.record_timing = False
        client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise RuntimeError(f"{cell.source}\n\nprints to stderr: {output.text}")
            if "image/png" in output.get("data", {}):
                output.data.pop("image/jpeg", None)  # the same picture again
        if any(output.output_type == "display_data" for output in cell.get("outputs", [])):
            # What matplotlib returns beside its figure says nothing.
            cell.outputs = [o for o in cell.outputs if list(o.get("data", "?")) != ["text/plain"]]


def main(arguments: list[str]) -> None:
    """Build the notebooks named, all unless there are any."""
    names = [a for a in arguments if not a.startswith("-")]
    options = set(arguments) - set(names)
    for unknown in options - {"--short"}:
        sys.exit(f"There is no option {unknown}; there is --short.")
    for name in names:
        if not any(name in script.stem for script in scripts()):
            known = ", ".join(script.stem for script in scripts())
            sys.exit(f"No notebook is like {name!r}; there are {known}.")
    chosen = [s for s in scripts() if not names or any(name in s.stem for name in names)]
    short = "--short" in options
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["MECHLEARN_SHORT"] = "1" if short else "0"
    folder = HERE.parent / "build" / "notebooks" if short else HERE
    folder.mkdir(parents=True, exist_ok=True)
    for script in chosen:
        began = time.perf_counter()
        notebook = as_notebook(script)
        try:
            run(notebook)
        except CellExecutionError as error:
            sys.exit(f"{script.stem} stops: {error.ename}: {error.evalue}")
        text = nbformat.writes(notebook) + "\n"
        size = len(text.encode())
        if size > LARGEST:
            sys.exit(f"{script.stem} would weigh {size:,} bytes; make its pictures smaller.")
        (folder / f"{script.stem}.ipynb").write_text(text)
        print(f"{script.stem}: {time.perf_counter() - began:.0f} s, {size // 1000} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
