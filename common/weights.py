"""Saves the weights of a model in a file of their own, and loads them."""

import io
from pathlib import Path

import numpy as np
import tf_keras as keras
from tf_keras.src.saving import saving_lib

from common.cli import UserError
from common.files import replaced


def save_weights(model: keras.Model, path: Path) -> None:
    """Save the weights of a model without those of its optimizer. Raises UserError if the disk is full.

    `Model.save_weights` would add those of the optimizer if the model is compiled. If the disk is full, HDF5 crashes
    the process, so here it writes to memory.
    """
    content = io.BytesIO()
    store = saving_lib.H5IOStore(content, mode="w")
    saving_lib._save_state(
        keras.Model(model.inputs, model.outputs), store, assets_store=None, inner_path="", visited_trackables=set()
    )
    store.close()
    with replaced(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_weights(model: keras.Model, path: Path) -> None:
    """Load what `save_weights` saved.

    Raises UserError if the file is missing, damaged or of another model, or if a weight in it is not finite.
    """
    bare = keras.Model(model.inputs, model.outputs)  # leaves out the mean of the losses, which may be infinite
    try:
        bare.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # HDF5 fails in many ways
        raise UserError(f"{path}: not the weights of this model ({str(error).splitlines()[0]})") from error
    for weight in bare.weights:
        if not np.isfinite(weight.numpy()).all():
            raise UserError(f"{path}: {weight.name} has values that are not finite")
