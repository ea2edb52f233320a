"""Output heads: what they start from, the pair head in factored form, and the conditional layer normalisation of the
pointer head.
"""

import tensorflow as tf
import tf_keras as keras

from common.bert import rotary_angles, rotate
from common.losses import MASKED

# Both biases start here, their sum at -8: about one positive among the thousands of pairs of a sentence. From 0 a
# model spends its first thousand steps on learning that pairs are rarely positive.
PRIOR = -4.0


def hidden_states(encoder):
    """The input `token_ids` int32 [batch, length] of a model to be, the encoder's hidden states of it, and its
    `text_mask`. All tokens are of segment 0.
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    return token_ids, encoder([token_ids, tf.zeros_like(token_ids)]), text_mask(token_ids)


def second_segment_states(encoder):
    """Makes the inputs `token_ids` and `segment_ids` int32 [batch, length]. Returns them by name, the encoder's hidden
    states of them, and a mask bool [batch, length] of the tokens of segment 1.
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    segment_ids = keras.Input([None], dtype="int32", name="segment_ids")
    hidden = encoder([token_ids, segment_ids])
    mask = text_mask(token_ids) & (segment_ids == 1)
    return {"token_ids": token_ids, "segment_ids": segment_ids}, hidden, mask


def text_mask(token_ids):
    """bool [batch, length]: neither padding nor [CLS], the first token, nor [SEP], the last one."""
    is_token = token_ids != 0
    has_next = tf.pad(is_token[:, 1:], [[0, 0], [0, 1]])
    return has_next & tf.pad(is_token[:, :-1], [[0, 0], [1, 0]])


class PairHead(keras.layers.Layer):
    """Scores every pair of tokens (i, j) for every label by factors (efficient GlobalPointer,
    kexue.fm/archives/8877, arXiv 2208.03054):

        s_h(i, j) = scores(i, j) + row_bias_h(i) + column_bias_h(j)

    `scores` = q k^T / sqrt(head_size) is shared by the labels. The biases come from the hidden states themselves,
    where the paper takes them from q and k: that learns faster with a fresh encoder. Returned are the factors; see
    `common.losses.factored_multilabel_crossentropy` for training without the [batch, labels, length, length]
    tensor. Whoever decodes adds up the factors for the pairs of interest.

    q and k get rotary positions (RoPE, arXiv 2104.09864), so that scores know the distance j - i.

    upper_triangle: mask j < i, for spans.
    call(hidden [batch, length, size], mask bool [batch, length]) returns float32
    (scores [batch, length, length], row_bias [batch, labels, length], column_bias [batch, labels, length]);
    masked entries of `scores` hold `MASKED`.
    """

    def __init__(self, n_labels, head_size=64, upper_triangle=True, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.head_size, self.upper_triangle = head_size, upper_triangle
        self.projection = keras.layers.Dense(2 * head_size, dtype="float32", name="projection")
        self.biases = keras.layers.Dense(
            2 * n_labels, bias_initializer=keras.initializers.Constant(PRIOR), dtype="float32", name="biases"
        )

    def call(self, hidden, mask):
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


class ConditionalLayerNormalization(keras.layers.Layer):
    """Layer normalisation whose scale and offset depend on a vector (kexue.fm/archives/7124).

    call(hidden [batch, length, size], condition [batch, n]) returns [batch, length, size]. The condition's
    kernels start at zero, so training starts from plain layer normalisation.
    """

    def build(self, input_shape):
        size = input_shape[-1]
        self.scale = keras.layers.Dense(size, kernel_initializer="zeros", bias_initializer="ones", name="scale")
        self.offset = keras.layers.Dense(size, kernel_initializer="zeros", name="offset")
        super().build(input_shape)

    def call(self, hidden, condition):
        x = tf.cast(hidden, tf.float32)
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        normalised = tf.cast((x - mean) * tf.math.rsqrt(variance + 1e-12), hidden.dtype)
        return normalised * self.scale(condition)[:, None] + self.offset(condition)[:, None]
