"""A stand-in for the hub: its HTTP interface, as far as huggingface_hub and datasets use it, over repositories in memory.

It is a real server on a port of this machine. `HF_ENDPOINT` leads a process there; in this process `led_to` does.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_" + "a" * 34
"""The one that it knows; another is refused."""


_OWN = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}  # what the hub makes a repository with


@dataclass
class Repository:
    """Commits, each with all of its files, and the branches that lead to them."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Add files to a branch."""
        before = self.commits.get(self.branches.get(branch, ""), {})
        whole = {**before, **files}
        told = "".join(f"{name} {_oid(content)}" for name, content in sorted(whole.items()))
        sha = hashlib.sha1(f"{len(self.commits)} {told}".encode()).hexdigest()
        self.commits[sha], self.branches[branch] = whole, sha
        return sha


class Hub(ThreadingHTTPServer):
    """`models` and `datasets` by id. `asked` is each request that came; where `cut` is part of a file's name, the
    connection breaks in the middle of it; where `down` is set, every answer is that status."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.uploads: dict[str, bytes] = {}
        self.cut: str | None = None
        self.down: int | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, kind: str, name: str, files: Mapping[str, bytes] | Path, **how: Any) -> tuple[Repository, str]:
        """A repository with one commit, and that commit."""
        if isinstance(files, Path):
            files = {p.relative_to(files).as_posix(): p.read_bytes() for p in files.rglob("*") if p.is_file()}
        repository = self.repositories[kind, name] = Repository(**how)
        return repository, repository.commit({**_OWN, **files})

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Of a connection that was broken on purpose."""


@contextmanager
def running() -> Iterator[Hub]:
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


def led_to(address: str, home: Path, patch: pytest.MonkeyPatch) -> None:
    """Let this process's huggingface_hub and datasets, which read the environment when they are imported, take `address` for
    the hub, and keep what they load down in `home`."""
    import datasets
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(datasets.config, "HF_ENDPOINT", address)
    patch.setattr(datasets.config, "HUB_DATASETS_URL", address + "/datasets/{repo_id}/resolve/{revision}/{path}")
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")
    patch.setenv("HF_TOKEN", TOKEN)


def environment(address: str, home: Path) -> dict[str, str]:
    """The same for another process."""
    return {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}


def of_the_study(hub: Hub) -> None:
    """What `--data hub` asks for, in the layout, the columns and the labels that the hub has; none of its text is here."""
    import datasets

    sst = "".join(f'{{"text": "a film number {i}", "label": {i % 5}, "label_text": "x"}}\n' for i in range(10)).encode()
    hub.add("dataset", "SetFit/sst5", {"train.jsonl": sst, "dev.jsonl": sst, "test.jsonl": sst})
    card, files = "---\nconfigs:\n", {}
    for subset, columns, label in (
        ("qqp", ("question1", "question2"), datasets.ClassLabel(names=["not_duplicate", "duplicate"])),
        ("stsb", ("sentence1", "sentence2"), datasets.Value("float32")),
    ):
        card += f"- config_name: {subset}\n  data_files:\n"
        for split in ("train", "validation", "test"):
            numbers = range(6)
            value: list[Any] = [-1] * 6 if split == "test" else [i % 2 if subset == "qqp" else i / 2 for i in numbers]
            rows = {c: [f"{split} {c} {i}" for i in numbers] for c in columns}
            features = {**{c: datasets.Value("string") for c in columns}, "label": label, "idx": datasets.Value("int32")}
            file = io.BytesIO()
            made = datasets.Dataset.from_dict({**rows, "label": value, "idx": list(numbers)}, datasets.Features(features))
            made.to_parquet(file)
            files[f"{subset}/{split}-00000-of-00001.parquet"] = file.getvalue()
            card += f"  - {{split: {split}, path: {subset}/{split}-*}}\n"
    hub.add("dataset", "nyu-mll/glue", {"README.md": (card + "---\n").encode(), **files})


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Error(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a connection for each request: none outlives the server
    server: Hub

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        self.server.asked.append(f"{self.command} {unquote(url.path)}")
        authorization = self.headers.get("Authorization")
        self.server.tokens.append(authorization)
        try:
            if self.server.down:
                raise _Error(self.server.down)
            if authorization is not None and authorization != f"Bearer {TOKEN}":
                raise _Error(401, message="Invalid credentials in Authorization header")
            parts = [unquote(part) for part in url.path.strip("/").split("/")]
            self._route(parts, parse_qs(url.query), body)
        except _Error as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": error.message}
            self._send(error.status, json.dumps({"error": error.message}).encode(), {k: v for k, v in headers.items() if v})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str], cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _route(self, parts: list[str], query: dict[str, list[str]], body: bytes) -> None:
        match parts:
            case ["api", "whoami-v2"]:
                self._json({"name": "somebody", "type": "user", "orgs": [], "auth": {}})
            case ["api", "validate-yaml"]:
                self._json({"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                self._create(json.loads(body))
            case ["api", kind, owner, name, *rest]:
                self._of_repository(kind, f"{owner}/{name}", rest, body, query)
            case ["uploads", oid]:
                self.server.uploads[oid] = body
                self._send(200, b"", {})
            case [owner, name, "info", "lfs", "objects", "batch"]:
                self._batch(f"{owner}/{name.removesuffix('.git')}", json.loads(body))
            case ["datasets", owner, name, "resolve", revision, *path]:
                self._file("datasets", f"{owner}/{name}", revision, "/".join(path))
            case [owner, name, "resolve", revision, *path]:
                self._file("models", f"{owner}/{name}", revision, "/".join(path))
            case _:
                raise _Error(404)

    def _repository(self, kind: str, name: str) -> Repository:
        found = self.server.repositories.get((kind.removesuffix("s"), name))
        if found is None or (found.private and not self.headers.get("Authorization")):
            raise _Error(401 if not self.headers.get("Authorization") else 404, "RepoNotFound", "Repository not found")
        return found

    def _commit(self, repository: Repository, revision: str) -> tuple[str, dict[str, bytes]]:
        sha = repository.branches.get(revision, revision)
        if sha not in repository.commits:
            raise _Error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha, repository.commits[sha]

    def _of_repository(self, kind: str, name: str, rest: list[str], body: bytes, query: dict[str, list[str]]) -> None:
        repository = self._repository(kind, name)
        match rest:
            case [] | ["revision", _]:
                sha, files = self._commit(repository, rest[1] if rest else "main")
                siblings = [{"rfilename": path} for path in files]
                told = {"id": name, "sha": sha, "private": repository.private, "siblings": siblings, "tags": []}
                self._json({**told, "gated": False, "disabled": False, "downloads": 0, "likes": 0})
            case ["tree", revision, *folder]:
                _, files = self._commit(repository, revision)
                inside = "".join(f"{part}/" for part in folder)
                within = {path: content for path, content in files.items() if path.startswith(inside)}
                if folder and not within:
                    raise _Error(404, "EntryNotFound", f"{inside} does not exist")
                folders: set[str] = set()
                if query.get("recursive", ["false"])[0].lower() not in ("true", "1"):
                    folders = {inside + path.removeprefix(inside).split("/")[0] for path in within} - within.keys()
                    within = {path: content for path, content in within.items() if "/" not in path.removeprefix(inside)}
                self._json([*map(_folder, sorted(folders)), *(_entry(*item) for item in within.items())])
            case ["paths-info", revision]:
                _, files = self._commit(repository, revision)
                wanted = parse_qs(body.decode()).get("paths") or json.loads(body or b"{}").get("paths", [])
                found = [_entry(path, files[path]) for path in wanted if path in files]
                found += [_folder(path) for path in wanted if any(name.startswith(f"{path}/") for name in files)]
                self._json(found)
            case ["branch", branch]:
                if branch in repository.branches:
                    raise _Error(409, message="Reference already exists")
                repository.branches[branch] = repository.branches["main"]
                self._json({})
            case ["preupload", revision]:
                self._commit(repository, revision)
                modes = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                        "shouldIgnore": False,
                    }
                    for file in json.loads(body)["files"]
                ]
                self._json({"files": modes})
            case ["commit", revision]:
                self._commit(repository, revision)
                sha = repository.commit(self._files_of(body), revision)
                told = {"commitUrl": f"{self.server.address}/{name}/commit/{sha}", "commitOid": sha, "success": True}
                self._json(told)
            case _:
                raise _Error(404)

    def _files_of(self, body: bytes) -> dict[str, bytes]:
        """What a commit of lines of JSON adds."""
        files = {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.uploads[value["oid"]]
        return files

    def _create(self, asked: dict[str, Any]) -> None:
        if not self.headers.get("Authorization"):
            raise _Error(401, message="Invalid username or password.")
        owner = asked.get("organization") or "somebody"
        if owner == "others":
            raise _Error(403, message='You don\'t have the rights to create a model under the namespace "others"')
        key, name = asked.get("type", "model"), f"{owner}/{asked['name']}"
        url = {"url": f"{self.server.address}/{name}", "name": name, "id": name}
        if (key, name) in self.server.repositories:
            self._json({**url, "error": "You already created this model repo"}, 409)
            return
        repository = self.server.repositories[key, name] = Repository(private=_is_private(asked))
        repository.commit(_OWN)
        self._json(url)

    def _batch(self, name: str, asked: dict[str, Any]) -> None:
        self._repository("models", name)
        objects = [
            {**thing, "actions": {"upload": {"href": f"{self.server.address}/uploads/{thing['oid']}"}}}
            for thing in asked["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _file(self, kind: str, name: str, revision: str, path: str) -> None:
        sha, files = self._commit(self._repository(kind, name), revision)
        if path not in files:
            raise _Error(404, "EntryNotFound", f"{path} does not exist")
        content, status, headers = files[path], 200, {"ETag": f'"{_oid(files[path])}"', "X-Repo-Commit": sha}
        if (asked := self.headers.get("Range")) and (bounds := asked.removeprefix("bytes=").partition("-")):
            first, last = int(bounds[0]), int(bounds[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            content, status = content[first : last + 1], 206
        self._send(status, content, headers, cut=self.command == "GET" and bool(self.server.cut) and self.server.cut in path)


def _is_private(asked: Mapping[str, Any]) -> bool:
    """As huggingface_hub 2 asks for it, and as 1 did."""
    return asked.get("visibility") == "private" or bool(asked.get("private"))


def _entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "oid": ""}
