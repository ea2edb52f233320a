"""A Keras model that trains on one loss over nested outputs: the training step."""

from typing import Any, Protocol, TypeAlias

import tensorflow as tf
import tf_keras as keras

from common.accumulation import check_devices, loss_and_gradients_in_pieces
from common.batching import Batches
from common.bert import dropout_seed
from common.devices import naming_lost_workers, shares
from common.losses import Weighted
from common.replicas import MeanOfReplicated, step_of_replica, sum_over_replicas

Losses: TypeAlias = tf.Tensor | Weighted | list[tf.Tensor | Weighted]


class Loss(Protocol):
    """Compares targets, nested as the batches nest them, with outputs, nested as the model nests them.

    It returns a loss for each row, float32 [batch], and the model takes their mean. It may also return losses with
    weights, for a weighted mean, or a list of either, whose means are added up.
    """

    def __call__(self, targets: Any, outputs: Any, /) -> Losses: ...


class LossModel(keras.Model):
    """A functional model whose loss sees all targets and outputs at once. Keras' own losses see them one by one."""

    def __init__(self, *args, seed: int = 0, **kwargs):
        super().__init__(*args, **kwargs)
        self.seed = seed
        self.loss_tracker = MeanOfReplicated(name="loss")
        self.distribute_reduction_method = "first"  # by default Keras adds up what the replicas log

    def compile(self, optimizer: keras.optimizers.Optimizer, loss: Loss, accumulate: int = 1, **kwargs) -> None:
        """Set the optimizer, the loss, and the number of pieces to cut each batch into (common/accumulation.py).

        Raises UserError for more than one piece on several devices.
        """
        super().compile(optimizer=optimizer, **kwargs)
        self.loss_function, self.accumulate = loss, accumulate
        if accumulate > 1:
            check_devices(self.distribute_strategy)

    def fit(self, batches: Batches, **kwargs) -> keras.callbacks.History:
        """Train on the batches in their order. If there are several devices, each computes its rows of every batch."""
        kwargs |= {"steps_per_epoch": len(batches), "verbose": 0}
        with naming_lost_workers():
            return super().fit(shares(batches, self.distribute_strategy), **kwargs)

    def train_step(self, data: tuple[Any, ...]) -> dict[str, tf.Tensor]:
        inputs, targets, *weights = data
        if self.accumulate > 1:
            loss, gradients = loss_and_gradients_in_pieces(self, inputs, targets)
        else:
            loss, gradients = self.loss_and_gradients(inputs, targets, 0, *weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(sum_over_replicas(loss))
        return {"loss": self.loss_tracker.result()}

    def loss_and_gradients(
        self, inputs: Any, targets: Any, piece: int | tf.Tensor = 0, rows: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list]:
        """Return the loss of a batch, or of one piece of it, and the gradients. Each replica returns its share of both.

        `piece` is the number of the piece. The dropout of a layer is a function of (seed, step, piece, replica). `rows`
        are the weights of the rows, float32 [batch].
        """
        step = tf.cast(self.optimizer.iterations, tf.int64) * self.accumulate + tf.cast(piece, tf.int64)
        scaler = self.optimizer if isinstance(self.optimizer, keras.mixed_precision.LossScaleOptimizer) else None
        with dropout_seed(self.seed, step_of_replica(step)), tf.GradientTape() as tape:
            loss = mean_loss(self.loss_function(targets, self(inputs, training=True)), rows)
            scaled = scaler.get_scaled_loss(loss) if scaler else loss
        gradients = tape.gradient(scaled, self.trainable_variables)
        return loss, scaler.get_unscaled_gradients(gradients) if scaler else gradients

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.loss_tracker]


def mean_loss(losses: Losses, rows: tf.Tensor | None = None) -> tf.Tensor:
    """Return the mean of the losses over the batch, a scalar. The means of a list of losses are added up.

    `rows` are the weights of the rows, float32 [batch]; without them all count. With several replicas each returns its
    share, so that adding the shares (or their gradients) gives the mean.
    """
    terms = losses if isinstance(losses, list) else [losses]
    return tf.add_n([_mean(term if isinstance(term, Weighted) else Weighted(term, 1.0), rows) for term in terms])


def _mean(term: Weighted, rows: tf.Tensor | None) -> tf.Tensor:
    losses, weights = term.losses, tf.ones_like(term.losses) * tf.cast(term.weights, term.losses.dtype)
    if rows is not None:
        weights *= tf.reshape(rows, [-1, *[1] * (losses.shape.rank - 1)])
    total = sum_over_replicas(tf.reduce_sum(weights))
    return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), total)  # a piece may have no rows
