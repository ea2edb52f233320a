"""What a training step needs from the replicas that share a batch. Each GPU, or worker without a GPU, is a replica."""

import tensorflow as tf
import tf_keras as keras

STEPS = 2**40  # more steps than any training has, so no two replicas ever have the same number


def sum_over_replicas(x: tf.Tensor) -> tf.Tensor:
    """Add up a value over all replicas. Each of them gets the sum."""
    return tf.distribute.get_replica_context().all_reduce("SUM", x)


def step_of_replica(step: tf.Tensor) -> tf.Tensor:
    """Give a step, int64 [], a different number on each replica, so that each draws its own dropout."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return step + tf.cast(replica, tf.int64) * STEPS


class MeanOfReplicated(keras.metrics.Mean):
    """The mean of a value that is the same on all replicas.

    Whenever Keras' own mean is read or saved, it adds up the values of all replicas, and waits for the other workers to
    do so as well.
    """

    def add_weight(self, name: str, **kwargs) -> tf.Variable:
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(name, synchronization=tf.VariableSynchronization.AUTO, aggregation=first, **kwargs)
