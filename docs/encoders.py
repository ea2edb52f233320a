"""Write the table of encoder kinds in docs/encoders.md: python docs/encoders.py [FOLDER ...].

Each FOLDER holds tiny encoders, one in each folder, with the outputs that `transformers` computed for them
(`expected.npz`). By default they are looked for in `shared/encoders` next to the repository. For each encoder the
script loads it, and computes the largest difference of the hidden states and of the scores of the
masked-language-model head from those outputs. If the encoder is refused, the table has the message.
"""

import argparse
import contextlib
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError, run_command
from common.encoder import build_encoder, load_pretrained, resolve_encoder
from common.files import atomic_write, read_json

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENT = REPOSITORY / "docs" / "encoders.md"
KINDS = REPOSITORY / "docs" / "encoders.json"  # folder -> what is special about it, published names of the kind
TABLE = re.compile(r"(?<=<!-- kinds -->\n).*?(?=<!-- end of kinds -->)", re.DOTALL)
SHARED = REPOSITORY.parent / "shared" / "encoders"


class Expected(NamedTuple):
    """The outputs of transformers."""

    token_ids: np.ndarray  # int [batch, length]
    segment_ids: np.ndarray  # int [batch, length]
    real: np.ndarray  # bool [batch, length], false at padding
    hidden: np.ndarray  # float32 [batch, length, size]
    scores: np.ndarray | None  # float32 [batch, length, entries]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[SHARED / "hf_tiny", SHARED / "kinds"])
    folders = parser.parse_args().folders
    kinds = read_json(KINDS)
    rows = ["| kind | published encoders of this kind | hidden states | scores |", "| --- | --- | --- | --- |"]
    for name, (kind, published) in kinds.items():
        folder = next((place / name for place in folders if (place / name).is_dir()), None)
        if folder is None:
            raise UserError(f"{name}: no such folder in {', '.join(map(str, folders))}")
        rows.append(f"| {kind} | {published} | {' | '.join(differences(folder))} |")
    text, found = TABLE.subn(lambda _: "\n".join(rows) + "\n", DOCUMENT.read_text(encoding="utf-8"))
    assert found == 1
    with atomic_write(DOCUMENT) as file:
        file.write(text)
    print(*rows, sep="\n")


def differences(folder: Path) -> tuple[str, str]:
    """Return the largest difference of the hidden states and of the scores, or the message of a refusal and "-"."""
    try:
        (hidden,) = outputs(folder, with_mlm=False)
    except UserError as error:
        return f"refused: {str(error).removeprefix(f'{folder}').lstrip('/: ')}", "-"
    expected = read_expected(folder)
    of_hidden = largest(hidden, expected.hidden, expected.real)
    if expected.scores is None:
        return of_hidden, "-"
    try:
        _, scores = outputs(folder, with_mlm=True)
    except UserError as error:
        return of_hidden, f"refused: {error}"
    return of_hidden, largest(scores, expected.scores, expected.real)


def outputs(folder: Path, with_mlm: bool) -> list[np.ndarray]:
    """Return the hidden states and, `with_mlm`, the scores. Raises UserError if the encoder is refused."""
    source = resolve_encoder(str(folder))
    encoder = build_encoder(source.architecture, seed=0, with_mlm=with_mlm)
    with contextlib.redirect_stderr(io.StringIO()):
        load_pretrained(encoder, source)
    expected = read_expected(folder)
    computed = encoder([expected.token_ids, expected.segment_ids])
    return [output.numpy() for output in (computed if with_mlm else [computed])]


def read_expected(folder: Path) -> Expected:
    """Read the outputs of transformers. The two collections of tiny encoders have them in two forms."""
    found = np.load(folder / "expected.npz")
    if "h" in found:
        path = folder / "logits.npy"
        scores = np.load(path) if path.exists() else None
        return Expected(found["ids"], found["seg"], found["att"] == 1, found["h"], scores)
    real = np.arange(found["token_ids"].shape[1]) < found["lengths"][:, None]
    tokens, segments, hidden = (found[key] for key in ("token_ids", "segment_ids", "last_hidden_state"))
    return Expected(tokens, segments, real, hidden, found.get("mlm_logits"))


def largest(computed: np.ndarray, expected: np.ndarray, real: np.ndarray) -> str:
    """Return the largest absolute difference at tokens that are not padding."""
    return f"{np.abs(computed - expected)[real].max():.0e}"


if __name__ == "__main__":
    run_command(main)
