"""Downloads encoders from the Hugging Face hub, through huggingface_hub and its cache."""

from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import errors

from common.checkpoints import encoder_files
from common.cli import UserError


def fetch_encoder(spec: str) -> Path:
    """Return the folder in the cache that holds config, vocabulary and weights of a repository.

    `spec` is "org/name" or "org/name@revision", where the revision is a branch, a tag, a commit or "refs/pr/7". The
    folder is named after the commit. If the files are in the cache and the config is called config.json, the hub is not
    asked. Otherwise they, and no others, are downloaded, with progress on standard error. HF_HOME, HF_ENDPOINT and
    HF_TOKEN have the meaning that huggingface_hub gives them.

    Raises UserError if there is no such repository or revision, if it lacks one of these files, and if the download
    fails.
    """
    name, _, revision = spec.partition("@")
    at: dict[str, Any] = {"revision": revision or None}
    try:
        config = huggingface_hub.try_to_load_from_cache(name, "config.json", **at)
        if isinstance(config, str):
            folder = Path(config).parent
            encoder_files((path.name for path in folder.iterdir()), spec)
            return folder
    except UserError:
        pass  # an earlier download was interrupted
    except errors.HFValidationError as error:
        raise UserError(f"{spec}: no such folder, and not a name on the hub: {error}") from error
    try:
        found = huggingface_hub.model_info(name, **at).siblings or ()
        files = encoder_files((file.rfilename for file in found), spec)
        wanted = [files.config, *files.vocabulary, *files.weights]
        return Path(huggingface_hub.snapshot_download(name, **at, allow_patterns=wanted))
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{spec}: the repository has no branch, tag or commit {revision}") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"{spec}: no such folder, and no repository on the hub that you may read") from error
    except (errors.HTTPError, errors.XetDownloadError, OSError) as error:
        raise UserError(f"{spec}: no such folder, and fetching it from the hub failed: {error}") from error
