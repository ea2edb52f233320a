"""Tests of encoders from the hub. A local server takes the hub's place, as it cannot be reached from everywhere."""

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest
from safetensors.numpy import save

from common.testing.torch_writer import saved

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "好"]
CONFIG = {
    "model_type": "bert",
    "vocab_size": len(VOCABULARY),
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
}
TEXTS = {"config.json": json.dumps(CONFIG).encode(), "vocab.txt": "\n".join(VOCABULARY).encode()}
WEIGHTS = save({"bert.embeddings.LayerNorm.weight": np.ones(4, np.float32)})
SHARDS = {
    "model-00001-of-00002.safetensors": WEIGHTS,
    "model-00002-of-00002.safetensors": save({"bert.embeddings.LayerNorm.bias": np.zeros(4, np.float32)}),
}
TORCH = {"pytorch_model.bin": saved({"bert.embeddings.LayerNorm.weight": np.ones(4, np.float32)})}
TORCH_SHARDS = {
    "pytorch_model-00001-of-00002.bin": TORCH["pytorch_model.bin"],
    "pytorch_model-00002-of-00002.bin": saved({"bert.embeddings.LayerNorm.bias": np.zeros(4, np.float32)}),
}


def hdf5():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["bert/tf_bert_model/bert/embeddings/LayerNorm/beta:0"] = np.zeros(4, np.float32)
    return buffer.getvalue()


REPOSITORIES = {
    "org/full": {**TEXTS, **TORCH, "model.safetensors": WEIGHTS, "tf_model.h5": b"x", "README.md": b"x"},
    "org/parts": {**TEXTS, **TORCH, **SHARDS, "model.safetensors.index.json": b"{}"},
    "org/hdf5": {**TEXTS, **TORCH, "tf_model.h5": hdf5(), "flax_model.msgpack": b"x"},
    "org/torch": {**TEXTS, **TORCH, "flax_model.msgpack": b"x", "training_args.bin": b"x"},
    "org/sharded": {**TEXTS, **TORCH_SHARDS, "pytorch_model.bin.index.json": b"{}"},
    "org/old": {**TEXTS, "pytorch_model.bin": b"\x80\x02."},
}

# As transformers 5 saves it.
SAVED = {
    "org/saved": {
        "config.json": TEXTS["config.json"],
        "model.safetensors": WEIGHTS,
        "tokenizer.json": json.dumps(
            {
                "model": {"type": "WordPiece", "vocab": {token: i for i, token in enumerate(VOCABULARY)}},
                "normalizer": {"type": "BertNormalizer", "lowercase": True},
            }
        ).encode(),
        "tokenizer_config.json": b"{}",
    }
}


class Server(ThreadingHTTPServer):
    """Answers on a free port of this machine, and keeps the paths of all GET requests in `log`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hub)
        self.log: list[str] = []


class Hub(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        if self.command == "GET":
            self.server.log.append(path)
        if path.endswith("/revision/missing"):
            return self.reply(b"{}", 404, [("X-Error-Code", "RevisionNotFound")])
        for name, files in (REPOSITORIES | SAVED).items():
            if path.startswith(f"/api/models/{name}"):
                return self.reply(json.dumps(self.listing(path, name, files)).encode())
            for file, content in files.items():
                if path == f"/{name}/resolve/{COMMIT}/{file}":
                    return self.reply(content)
        self.reply(b"{}", 404, [("X-Error-Code", "RepoNotFound")])

    def listing(self, path, name, files):
        if "/tree/" in path:
            return [{"type": "file", "path": f, "size": len(c), "oid": "0"} for f, c in files.items()]
        return {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}

    def reply(self, content, status=200, headers=()):
        self.send_response(status)
        etag = hashlib.sha1(content).hexdigest()
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        for key, value in headers:
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub():
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    stop(server)


def stop(server):
    server.shutdown()
    server.server_close()


# This runs in a process of its own, because huggingface_hub reads its settings when it is imported.
RESOLVE = """
import sys
from common.cli import UserError
from common.encoder import resolve_encoder
for name in sys.argv[1:]:
    try:
        source = resolve_encoder(name)
        print(len(source.weights()), source.tokenizer.vocab_size, source.architecture["hidden_size"])
    except UserError as error:
        print(error)
assert "tensorflow" not in sys.modules
"""


def resolve(names, home, server, code=RESOLVE):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    command = [sys.executable, "-c", code, *names]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def fetched(server):
    """Return the paths of all fetched files, sorted by name."""
    return sorted(path.replace(f"/resolve/{COMMIT}", "") for path in server.log if "/resolve/" in path)


def test_only_what_is_read_is_fetched_and_then_comes_from_the_cache(hub, tmp_path):
    *loaded, old, missing = resolve([*REPOSITORIES, "org/missing"], tmp_path, hub)
    assert loaded == ["1 6 4", "2 6 4", "1 6 4", "1 6 4", "2 6 4"]
    assert "pytorch_model.bin: not a readable PyTorch file: it is not a zip" in old
    assert missing == "org/missing: no such folder, and no repository on the hub that you may read"
    assert fetched(hub) == [
        *(f"/org/full/{name}" for name in ("config.json", "model.safetensors", "vocab.txt")),
        *(f"/org/hdf5/{name}" for name in ("config.json", "tf_model.h5", "vocab.txt")),
        *(f"/org/old/{name}" for name in ("config.json", *TORCH, "vocab.txt")),
        *(f"/org/parts/{name}" for name in ("config.json", *SHARDS, "vocab.txt")),
        *(f"/org/sharded/{name}" for name in ("config.json", *TORCH_SHARDS, "vocab.txt")),
        *(f"/org/torch/{name}" for name in ("config.json", *TORCH, "vocab.txt")),
    ]
    stop(hub)
    *cached, new = resolve(
        ["org/full", "org/parts", "org/hdf5", "org/torch", "org/sharded", "org/other"], tmp_path, hub
    )
    assert cached == ["1 6 4", "2 6 4", "1 6 4", "1 6 4", "2 6 4"]
    assert new.startswith("org/other: no such folder, and fetching it from the hub failed: ")


def test_a_revision_is_fetched_and_recorded(hub, tmp_path):
    spec = "org/torch@refs/pr/7"
    loaded, missing = resolve([spec, "org/torch@missing"], tmp_path, hub)
    assert (loaded, missing) == ("1 6 4", "org/torch@missing: the repository has no branch, tag or commit missing")
    assert "/api/models/org/torch/revision/refs%2Fpr%2F7" in hub.log
    assert fetched(hub) == [f"/org/torch/{name}" for name in ("config.json", *TORCH, "vocab.txt")]
    stop(hub)
    assert resolve([spec, f"org/torch@{COMMIT}"], tmp_path, hub) == ["1 6 4"] * 2
    name = "import sys; from common.encoder import resolve_encoder; print(resolve_encoder(sys.argv[1]).name)"
    assert resolve([spec], tmp_path, hub, name) == [f"org/torch@{COMMIT}"]


def test_what_cuts_the_texts_is_fetched(hub, tmp_path):
    assert resolve(["org/saved"], tmp_path, hub) == ["1 6 4"]
    assert fetched(hub) == [
        f"/org/saved/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    ]


def test_an_interrupted_download_is_taken_up_again(hub, tmp_path):
    assert resolve(["org/full"], tmp_path, hub) == ["1 6 4"]
    next(tmp_path.rglob("model.safetensors")).unlink()
    assert resolve(["org/full"], tmp_path, hub) == ["1 6 4"]
