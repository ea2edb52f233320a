"""Encoders from the Hugging Face hub, through huggingface_hub's cache."""

from pathlib import Path

import huggingface_hub
from huggingface_hub import errors

from common.checkpoints import encoder_files
from common.cli import UserError


def fetch_encoder(name: str) -> Path:
    """The folder in the cache with config, vocab.txt and weights of the repository `name` ("org/name").

    What is in the cache already is used without asking the hub. Of the rest only the files that are read are
    fetched, with progress on standard error. HF_HOME, HF_ENDPOINT and HF_TOKEN work as in huggingface_hub.

    Raises UserError.
    """
    try:
        folder = Path(huggingface_hub.snapshot_download(name, local_files_only=True))
        encoder_files((path.name for path in folder.iterdir()), name)
        return folder
    except (errors.LocalEntryNotFoundError, UserError):
        pass  # nothing in the cache, or a part
    try:
        config, weights = encoder_files(huggingface_hub.list_repo_files(name), name)
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=[config, "vocab.txt", *weights]))
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"{name}: no such folder, and the hub has no such repository for you") from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise UserError(f"{name}: no such folder, and fetching it from the hub failed: {error}") from error
