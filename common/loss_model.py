"""A Keras model that trains on one loss over nested outputs: the training step."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from common.batching import Batches
from common.bert import dropout_seed

REPLICA_STEPS = 2**40  # more than a training has: from the dropout of a replica to that of the next


class LossModel(keras.Model):
    """A functional model whose loss sees all targets and outputs at once, where `compile(loss=...)` would flatten them.

    The loss takes (targets, outputs), nested as the batches and the model nest them, and returns one of

    - a loss for each row, float32 [batch], whose mean counts,
    - losses and their weights, a tuple of two tensors of one shape, whose weighted mean counts,
    - a list of these, whose means add up.

    Dropout is a function of (seed, optimizer step, replica).
    """

    def __init__(self, *args, seed: int = 0, **kwargs):
        super().__init__(*args, **kwargs)
        self.seed = seed
        self.loss_tracker = MeanOfReplicated(name="loss")
        self.distribute_reduction_method = "first"  # Keras adds up what several workers log of a step

    def compile(self, optimizer, loss: Callable[[Any, Any], Any], accumulate: int = 1, **kwargs):
        """`accumulate` n computes each batch in n parts (common/accumulation.py). Raises UserError for that on several
        devices."""
        super().compile(optimizer=optimizer, **kwargs)
        self.loss_function, self.accumulate = loss, accumulate
        if accumulate > 1:
            from common.accumulation import check_devices

            check_devices(self.distribute_strategy)

    def fit(self, batches: Batches, **kwargs):
        """Trains on the batches in their order. With several devices each computes its rows of every batch."""
        settings = {"steps_per_epoch": len(batches), "shuffle": False, "verbose": 0} | kwargs
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return super().fit(iter(batches), **settings)
        from common.devices import naming_lost_workers, shares

        with naming_lost_workers():
            return super().fit(shares(batches, self.distribute_strategy), **settings)

    def train_step(self, data: tuple[Any, Any]) -> dict[str, tf.Tensor]:
        inputs, targets = data
        if self.accumulate > 1:
            from common.accumulation import loss_and_gradients_in_parts

            loss, gradients = loss_and_gradients_in_parts(self, inputs, targets)
        else:
            loss, gradients = self.loss_and_gradients(inputs, targets)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(sum_over_replicas(loss))
        return {"loss": self.loss_tracker.result()}

    def loss_and_gradients(self, inputs: Any, targets: Any, part: int | tf.Tensor = 0) -> tuple[tf.Tensor, list]:
        """Returns the loss of a batch, or of a part of it, and its gradients; of several replicas each its share."""
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int64)
        step = tf.cast(self.optimizer.iterations, tf.int64) * self.accumulate + tf.cast(part, tf.int64)
        scaler = self.optimizer if isinstance(self.optimizer, keras.mixed_precision.LossScaleOptimizer) else None
        # The gradients are taken inside, too: blocks that are recomputed draw their dropout then.
        with dropout_seed(self.seed, step + replica * REPLICA_STEPS):
            with tf.GradientTape() as tape:
                outputs = self(inputs, training=True)
                loss = mean_loss(self.loss_function(targets, outputs))
                scaled = scaler.get_scaled_loss(loss) if scaler else loss
            gradients = tape.gradient(scaled, self.trainable_variables)
        return loss, scaler.get_unscaled_gradients(gradients) if scaler else gradients

    @property
    def metrics(self):
        return [self.loss_tracker]


def mean_loss(losses: Any) -> tf.Tensor:
    """Reduces what a loss function returns, see `LossModel`, to a scalar. With several replicas each gets its share,
    so that adding the shares (or their gradients) gives the mean over the whole batch."""
    terms = losses if isinstance(losses, list) else [losses]
    return tf.add_n([_mean(*term) if isinstance(term, tuple) else _mean(term) for term in terms])


def _mean(values: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    weights = tf.ones_like(values) if weights is None else tf.cast(weights, values.dtype)
    total = sum_over_replicas(tf.reduce_sum(weights))
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), total)  # a replica may have no row


def sum_over_replicas(x: tf.Tensor) -> tf.Tensor:
    return tf.distribute.get_replica_context().all_reduce("SUM", x)


class MeanOfReplicated(keras.metrics.Mean):
    """The mean of a value that is the same on all replicas. Keras' own adds up what each has, whenever it is read or
    saved, and waits for the other workers to do the same."""

    def add_weight(self, name, **kwargs):
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(name, synchronization=tf.VariableSynchronization.AUTO, aggregation=first, **kwargs)
