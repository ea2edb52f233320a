"""What a training step asks of the replicas that share a batch. There is one for each GPU or worker."""

import tensorflow as tf
import tf_keras as keras

STEPS = 2**40  # more than any training has, so no two replicas ever give a step the same number


def sum_over_replicas(x: tf.Tensor) -> tf.Tensor:
    """Add up a value over all replicas."""
    return tf.distribute.get_replica_context().all_reduce("SUM", x)


def step_of_replica(step: tf.Tensor) -> tf.Tensor:
    """Give a step another number on each replica, so that each draws its own dropout."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return step + tf.cast(replica, tf.int64) * STEPS


class MeanOfReplicated(keras.metrics.Mean):
    """The mean of a value that is the same on all replicas.

    Keras' own mean adds up what the replicas have whenever it is read or saved, and waits for the other workers to do
    the same.
    """

    def add_weight(self, name: str, **kwargs) -> tf.Variable:
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(name, synchronization=tf.VariableSynchronization.AUTO, aggregation=first, **kwargs)
