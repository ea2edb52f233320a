"""What the output heads have in common: their inputs, the mask of the text, and the factored pair head."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from common.bert import rotary_angles, rotate
from common.losses import MASKED

# Both biases start at this value, so their sum starts at -8: about one positive among the thousands of pairs of a
# sentence. From 0 a model would spend its first thousand steps on learning that pairs are rarely positive.
PRIOR = -4.0


def hidden_states(encoder: keras.Model) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the input `token_ids` int32 [batch, length] of a new model, its hidden states and its `text_mask`.

    All tokens belong to segment 0. The hidden states are [batch, length, size].
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    return token_ids, encoder([token_ids, tf.zeros_like(token_ids)]), text_mask(token_ids)


def second_segment_states(encoder: keras.Model) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    """Return the inputs of a new model with two segments, its hidden states, and a mask of the text in segment 1.

    The inputs are `token_ids` and `segment_ids`, both int32 [batch, length]. The mask is bool [batch, length].
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    segment_ids = keras.Input([None], dtype="int32", name="segment_ids")
    hidden = encoder([token_ids, segment_ids])
    mask = text_mask(token_ids) & (segment_ids == 1)
    return {"token_ids": token_ids, "segment_ids": segment_ids}, hidden, mask


def text_mask(token_ids: tf.Tensor) -> tf.Tensor:
    """Mark all tokens but padding, the first ([CLS]) and the last one ([SEP]): bool [batch, length]."""
    is_token = token_ids != 0
    has_next = tf.pad(is_token[:, 1:], [[0, 0], [0, 1]])
    return has_next & tf.pad(is_token[:, :-1], [[0, 0], [1, 0]])


class PairHead(keras.layers.Layer):
    """Scores every pair of tokens (i, j) for every label, and returns the scores as factors.

        s_h(i, j) = scores(i, j) + row_bias_h(i) + column_bias_h(j)

    This is the efficient GlobalPointer (kexue.fm/archives/8877, arXiv 2208.03054). All labels share `scores` =
    q k^T / sqrt(head_size). q and k have rotary positions (RoPE, arXiv 2104.09864), so scores depend on j - i.
    Unlike in the paper the biases are computed from the hidden states and not from q and k, which learns faster with a
    fresh encoder. `common.losses.factored_multilabel_crossentropy` trains on the factors, without the tensor
    [batch, labels, length, length]. A decoder adds them up for the pairs that it needs.

    Called with hidden states [batch, length, size] and a mask bool [batch, length], it returns float32 (scores
    [batch, length, length], row_bias [batch, labels, length], column_bias [batch, labels, length]). Masked entries
    of `scores` hold `MASKED`. With `upper_triangle`, which is for spans, pairs with j < i are masked as well.
    """

    def __init__(self, n_labels: int, head_size: int = 64, upper_triangle: bool = True, **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self.head_size, self.upper_triangle = head_size, upper_triangle
        self.projection = keras.layers.Dense(2 * head_size, dtype="float32", name="projection")
        self.biases = keras.layers.Dense(
            2 * n_labels, bias_initializer=keras.initializers.Constant(PRIOR), dtype="float32", name="biases"
        )

    def call(self, hidden: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        hidden = tf.cast(hidden, tf.float32)
        query, key = tf.split(self.projection(hidden), 2, axis=-1)
        biases = tf.linalg.matrix_transpose(self.biases(hidden))
        row_bias, column_bias = tf.split(biases, 2, axis=1)
        angles = rotary_angles(tf.shape(hidden)[1], self.head_size)
        sine, cosine = tf.sin(angles), tf.cos(angles)
        query = rotate(query, sine, cosine)
        key = rotate(key, sine, cosine)
        scores = tf.matmul(query, key, transpose_b=True) / self.head_size**0.5
        pairs = mask[:, :, None] & mask[:, None, :]
        if self.upper_triangle:
            pairs &= tf.linalg.band_part(tf.ones_like(pairs), 0, -1)
        return tf.where(pairs, scores, MASKED), row_bias, column_bias
