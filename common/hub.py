"""Downloads encoders from the Hugging Face hub, through huggingface_hub and its cache."""

from pathlib import Path

import huggingface_hub
from huggingface_hub import errors

from common.checkpoints import encoder_files
from common.cli import UserError


def fetch_encoder(name: str) -> Path:
    """Return the folder in the cache that holds config, vocab.txt and weights of the repository `name` ("org/name").

    If these files are in the cache and the config is called config.json, the hub is not asked. Otherwise they, and no
    others, are downloaded, with progress on standard error. HF_HOME, HF_ENDPOINT and HF_TOKEN have the meaning that
    huggingface_hub gives them.

    Raises UserError if there is no such repository, if it lacks one of these files, and if the download fails.
    """
    try:
        config = huggingface_hub.try_to_load_from_cache(name, "config.json")
        if isinstance(config, str):
            folder = Path(config).parent
            encoder_files((path.name for path in folder.iterdir()), name)
            return folder
    except UserError:
        pass  # an earlier download was interrupted
    except errors.HFValidationError as error:
        raise UserError(f"{name}: no such folder, and not a name on the hub: {error}") from error
    try:
        files = [file.rfilename for file in huggingface_hub.model_info(name).siblings or ()]
        config, weights = encoder_files(files, name)
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=[config, "vocab.txt", *weights]))
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"{name}: no such folder, and no repository on the hub that you may read") from error
    except (errors.HTTPError, errors.XetDownloadError, OSError) as error:
        raise UserError(f"{name}: no such folder, and fetching it from the hub failed: {error}") from error
