"""A shell in which `mtk` and `python` are there at once: one process has imported everything, and forks for each command.

What a page says is then run to the letter, by bash, in a tenth of the time. `pip` installs nothing here: it asks whether
what it is given exists.

    python warm.py SOCKET DIR     the process that has imported everything
    warm.py's `CLIENT`            what stands in the shell's PATH under each of these names
"""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

NAMES = ("mtk", "python", "pip")

CLIENT = """\
#!{python} -IS
import json, os, socket, sys
asking = socket.socket(socket.AF_UNIX)
asking.connect({address!r})
asked = json.dumps([os.path.basename(sys.argv[0]), sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(asking, [len(asked).to_bytes(4, "big")], [0, 1, 2])
asking.sendall(asked)
sys.exit(int(asking.recv(8) or b"1"))
"""


@contextmanager
def shell(home: Path, encoder: Path, **environment: str) -> Iterator[dict[str, str]]:
    """The environment of a shell in which NAMES are these. `home` holds what it needs; `encoder` is loaded once before."""
    address = str(home / "socket")
    scripts = home / "bin"
    scripts.mkdir()
    for name in NAMES:
        (scripts / name).write_text(CLIENT.format(python=sys.executable, address=address))
        (scripts / name).chmod(0o755)
    told = {**os.environ, **environment}
    with subprocess.Popen([sys.executable, __file__, address, str(encoder)], env=told, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            yield {**told, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        finally:
            process.terminate()


# What a run, and what is made of one, imports before it does anything.
MODULES = """
    mtk_cli mtk.pipeline mtk.training.build mtk.training.loop mtk.serving mtk.study.sweep mtk.study.compare
    mtk.study.report.page mtk_heads.cnn mtk_heads.concat_mlp mtk_kinds.classification
    mtk_kinds.metrics mtk_optimizers.pcgrad sklearn.metrics scipy.stats torch.distributed.tensor
    transformers.models.bert.modeling_bert transformers.models.auto.modeling_auto
    transformers.models.auto.tokenization_auto transformers.models.bert.tokenization_bert
"""


def serve(address: str, encoder: str) -> None:
    for module in MODULES.split():
        import_module(module)
    import_module("mtk.model.encoder").load_parts(encoder)  # transformers makes some tables for the first one
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        os.write(1, b"ready\n")
        os.dup2(2, 1)
        while True:
            connection, _ = listening.accept()
            with suppress(ChildProcessError):  # those who are done, so that their time counts as this one's
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if os.fork() == 0:
                listening.close()
                answer(connection)
            connection.close()


def answer(connection: socket.socket) -> None:
    """Be what was asked for, in the place and with the files of whoever asks, and tell its exit status."""
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    asked = b""
    while len(asked) < int.from_bytes(size, "big"):
        asked += connection.recv(1 << 16)
    name, arguments, directory, environment = json.loads(asked)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [name, *arguments]
    sys.path.insert(0, directory)
    status = 0
    try:
        {"mtk": _mtk, "python": _python, "pip": _pip}[name]()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        status = 1
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            status = 1
    connection.sendall(str(status).encode())
    os._exit(status)


def _mtk() -> None:
    from mtk_cli import main

    main()


def _python() -> None:
    sys.argv.pop(0)
    runpy.run_path(sys.argv[0], run_name="__main__")


def _pip() -> None:
    """`pip install 'NAME[EXTRAS]'` of this package, if it has these extras."""
    from importlib.metadata import metadata

    from packaging.requirements import Requirement

    command, *asked = sys.argv[1:]
    if command != "install":
        sys.exit(f"pip {command}: it is not known here")
    known = set(metadata("multitask-toolkit").get_all("Provides-Extra") or ())
    for requirement in map(Requirement, asked):
        if requirement.name != "multitask-toolkit" or not requirement.extras <= known:
            sys.exit(f"{requirement}: there is no such thing")


if __name__ == "__main__":
    serve(*sys.argv[1:])
