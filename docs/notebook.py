"""Runs docs/notebook.ipynb, and keeps what it printed and showed: python docs/notebook.py (with the extra `test`)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PAGE = Path(__file__).with_suffix(".ipynb")


def executed(directory: Path, **environment: str) -> Any:
    """The notebook with what its cells give in this directory. A cell that fails raises nbclient's CellExecutionError."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(PAGE, as_version=4)
    told = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **environment}
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(directory)}},
        coalesce_streams=True,  # a line that moved is as it ended
        record_timing=False,
    )
    client.execute(env=told)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


if __name__ == "__main__":
    import nbformat

    with TemporaryDirectory() as directory:
        notebook = executed(Path(directory))
    nbformat.write(notebook, PAGE)
