"""What bert4keras needs to run rightly on current TensorFlow.

Nothing is patched in place: `Transformer.apply`, through which bert4keras makes every layer, is where
`Compat` puts the layers of this module instead of the originals.

1. Stateless dropout. Keras' dropout draws from hidden state: a resumed run differs from an uninterrupted
   one, and recomputing a block draws another mask, which makes gradients silently wrong. `StatelessDropout`
   is a pure function of (seed, optimizer step, layer).
2. Dropout of the attention probabilities. bert4keras makes a new Dropout layer inside each call of its
   MultiHeadAttention, out of reach of 1. `MultiHeadAttention` here does its own.
3. Initial weights. bert4keras gives one unseeded initializer to all layers, and in current Keras that
   returns the same values for the same shape: all kernels of one shape are equal. `TruncatedNormal` here
   returns new values with each call, a pure function of its seed.
4. Scores of the masked-language-model head. bert4keras multiplies by float32 embeddings whatever the
   policy: an error in float16, a slow sparse product in bfloat16. `Embedding` here casts them.
5. Layer normalisation. bert4keras fixes epsilon at 1e-12 (BERT) or 1e-7 (others); checkpoints state their
   own. `layer_normalization` takes half the passes over the tokens.
6. Inputs. bert4keras' are float32; token ids are int32.
7. Speed of the feed-forward layers and of attention's. On [batch, length, size] TensorFlow fuses neither bias nor
   GELU into the matrix product: `FeedForward` and `MultiHeadAttention` here work on [batch * length, size].
8. Rotary positions. bert4keras' form slices every other entry, which is slow, and does not convert to OpenVINO.

That both environment variables are set before TensorFlow is imported is seen to by `common/__init__.py`,
and that "gelu" means the form the checkpoint was trained with (bert4keras: whichever was set last) by
`common.encoder`; the forms themselves are those of `common.activations`.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import tensorflow as tf
import tf_keras as keras
from bert4keras import layers, models

from common.activations import GELU

# of its own in every thread: a distribution strategy traces each replica in one, and switches between them
_dropout_key: ContextVar[tuple[int, int | tf.Tensor | tf.Variable] | None] = ContextVar("dropout key", default=None)


@contextmanager
def dropout_seed(seed: int, step: int | tf.Tensor | tf.Variable) -> Iterator[None]:
    """Give (seed, step) to all dropout called inside the block, also to that called to recompute a block.

    Enter it inside a traced `tf.function`; entered outside, a `step` that is no variable becomes a constant.
    """
    token = _dropout_key.set((seed, step))
    try:
        yield
    finally:
        _dropout_key.reset(token)


def stateless_dropout(x: tf.Tensor, rate: float, name: str) -> tf.Tensor:
    """Zero a share `rate` of `x`, scale the rest by 1 / (1 - rate): a pure function of (seed, step, name).

    Raises RuntimeError outside `dropout_seed`: unseeded dropout would make runs irreproducible.
    """
    if _dropout_key.get() is None:
        raise RuntimeError(f"dropout {name!r} called in training outside of `with dropout_seed(seed, step)`")
    seed, step = _dropout_key.get()
    key = np.int64((seed & 0x7FFFFFFF) << 32 | zlib.crc32(name.encode()))
    # Half a number of 32 bits decides on each entry: TensorFlow's own dropout spends one on each, and more passes.
    zeroed = min(round(rate * 2**16), 2**16 - 1)
    size = tf.size(x)
    bits = tf.random.stateless_uniform(
        [(size + 1) // 2], tf.stack([key, tf.cast(step, tf.int64)]), None, None, tf.uint32, alg="philox"
    )
    keep = tf.reshape(tf.bitcast(bits, tf.uint16), [-1])[:size] >= tf.constant(zeroed, tf.uint16)
    return x * (tf.cast(tf.reshape(keep, tf.shape(x)), x.dtype) * (2**16 / (2**16 - zeroed)))


class StatelessDropout(keras.layers.Layer):
    """Dropout that is a pure function of (seed, step) of `dropout_seed` and of the layer's name.

    The name has to be given: an automatic one depends on what else was built in the process.
    """

    def __init__(self, rate: float, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        self.rate = rate
        self.supports_masking = True

    def call(self, inputs, training=None):
        return stateless_dropout(inputs, self.rate, self.name) if training and self.rate else inputs


class MultiHeadAttention(layers.MultiHeadAttention):
    """bert4keras' attention (softmax; plain, rotary or NEZHA's relative positions) with stateless dropout, its dense
    layers on the tokens of all sequences as one matrix.
    """

    def call(self, inputs, mask=None, training=None, block=0, a_bias=None, p_bias=None):
        """Return the mixed values [B, L, size].

        `inputs`: what queries, keys and values are made of [B, L, size]; with `a_bias` a boolean mask [B, L, L] or
        [L, L], who may look at whom; with `p_bias` the positions. `mask[2]` [B, L] is false at padding. `block` tells
        the uses of a shared layer apart (ALBERT).
        """
        batch, length = tf.shape(inputs[0])[0], tf.shape(inputs[0])[1]
        rest = inputs[3:]

        def projected(dense, x, size):
            """[B, L, n] -> [B, heads, L, size]."""
            return tf.transpose(tf.reshape(dense(_tokens(x)), [batch, length, self.heads, size]), [0, 2, 1, 3])

        query = projected(self.q_dense, inputs[0], self.key_size)
        key = projected(self.k_dense, inputs[1], self.key_size)
        value = projected(self.v_dense, inputs[2], self.head_size)
        allowed = None if mask is None or mask[2] is None else mask[2][:, None, None, :]
        if a_bias:
            visible = rest.pop(0)[..., None, :, :]
            allowed = visible if allowed is None else allowed & visible
        if p_bias == "rotary":
            sine, cosine = rest[0][:, None, :, ::2], rest[0][:, None, :, 1::2]
            query, key = rotate(query, sine, cosine), rotate(key, sine, cosine)
        query *= self.key_size**-0.5
        scores = tf.matmul(query, key, transpose_b=True)
        if p_bias == "typical_relative":
            scores += tf.einsum("bhjd,jkd->bhjk", query, rest[0])
        if allowed is not None:  # a sum is cheaper than bert4keras' broadcast `where`
            scores += tf.where(allowed, tf.zeros((), scores.dtype), scores.dtype.min / 2)
        attention = tf.nn.softmax(scores)
        if training and self.attention_dropout:
            attention = stateless_dropout(attention, self.attention_dropout, f"{self.name}/{block}")
        output = tf.matmul(attention, value)
        if p_bias == "typical_relative":
            output += tf.einsum("bhjk,jkd->bhjd", attention, rest[0])
        mixed = tf.reshape(tf.transpose(output, [0, 2, 1, 3]), [-1, self.heads * self.head_size])
        return tf.reshape(self.o_dense(mixed), [batch, length, self.out_dim])


def rotate(x, sine, cosine):
    """Turn the entries 2k and 2k + 1 of x [..., size] by angles; their sines and cosines [..., size / 2] broadcast.

    The swapped entries come from a product with a matrix of 0 and +-1, exact in every precision: slicing every other
    entry took a third of the time of an encoder's layer on a CPU.
    """
    size = x.shape[-1]
    swap = np.zeros((size, size))
    swap[range(1, size, 2), range(0, size, 2)] = -1
    swap[range(0, size, 2), range(1, size, 2)] = 1
    swapped = tf.tensordot(x, tf.constant(swap, x.dtype), 1)
    return x * tf.repeat(cosine, 2, axis=-1) + swapped * tf.repeat(sine, 2, axis=-1)


def rotary_angles(length, size):
    """float32 [length, size / 2]: position / 10000^(2k / size) radians (RoPE, arXiv 2104.09864)."""
    frequency = tf.pow(10000.0, -tf.range(0.0, size, 2) / size)
    return tf.range(tf.cast(length, tf.float32))[:, None] * frequency


class FeedForward(layers.FeedForward):
    """bert4keras' feed-forward layers, on the tokens of all sequences as one matrix."""

    def call(self, inputs):
        return tf.reshape(super().call(_tokens(inputs)), tf.shape(inputs))


def _tokens(x: tf.Tensor) -> tf.Tensor:
    """[B, L, size] -> [B * L, size]."""
    return tf.reshape(x, [-1, x.shape[-1]])


class LayerNormalization(layers.LayerNormalization):
    """bert4keras' layer normalisation, in float32 and in few passes over the tokens."""

    def call(self, inputs):
        return layer_normalization(inputs, self.gamma, self.beta, self.epsilon)


def layer_normalization(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axis (arXiv 1607.06450), in the dtype of x.

    x: [..., n], gamma and beta: [n]. The gradient is written out, from x and two numbers a row, in place of what
    stands between: derived operation by operation it is twice as many passes.
    """

    @tf.custom_gradient
    def normalized(x, gamma, beta):
        x32, scale = tf.cast(x, tf.float32), tf.cast(gamma, tf.float32)
        mean = tf.reduce_mean(x32, -1, keepdims=True)
        centred = x32 - mean
        inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + epsilon)

        def gradient(upstream):
            upstream = tf.cast(upstream, tf.float32)
            normal = (tf.cast(x, tf.float32) - mean) * inverse
            rows = list(range(x.shape.rank - 1))
            of_normal = upstream * scale
            along = tf.reduce_mean(of_normal * normal, -1, keepdims=True)
            of_x = (of_normal - tf.reduce_mean(of_normal, -1, keepdims=True) - normal * along) * inverse
            of_gamma = tf.reduce_sum(upstream * normal, rows)
            of_beta = tf.reduce_sum(upstream, rows)
            return tf.cast(of_x, x.dtype), tf.cast(of_gamma, gamma.dtype), tf.cast(of_beta, beta.dtype)

        return tf.cast(centred * inverse * scale + tf.cast(beta, tf.float32), x.dtype), gradient

    return normalized(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))


class Embedding(layers.Embedding):
    """bert4keras' embedding, also used backwards (`mode="dense"`): [B, L, size] -> scores [B, L, entries]."""

    def call(self, inputs, mode="embedding"):
        if mode == "embedding":
            return super().call(inputs)
        return tf.tensordot(inputs, tf.cast(self.embeddings, inputs.dtype), [[2], [1]])


class TruncatedNormal(keras.initializers.Initializer):
    """Truncated normal values, new ones with each call; the n-th call's are a pure function of (seed, n)."""

    def __init__(self, seed: int, stddev: float = 0.02):
        self.seed, self.stddev, self.calls = seed, stddev, 0

    def __call__(self, shape, dtype=tf.float32, **kwargs):
        self.calls += 1
        return tf.random.stateless_truncated_normal(
            shape, (self.seed, self.calls), stddev=self.stddev, dtype=dtype, alg="philox"
        )


class Compat:
    """Put before a bert4keras `Transformer` class: builds it from the layers above.

    With `with_mlm` the model returns [hidden states, MLM scores], where bert4keras returns the scores alone.
    """

    def __init__(self, seed: int = 0, layer_norm_eps: float = 1e-12, **kwargs):
        self._initializer = TruncatedNormal(seed)
        self.layer_norm_eps = layer_norm_eps
        self.block = 0
        self.boundaries = []  # the input of the first block and the output of each
        super().__init__(**kwargs)

    @property
    def initializer(self):
        return self._initializer

    def apply_main_layers(self, inputs, index):
        self.block = index
        outputs = super().apply_main_layers(inputs, index)
        self.boundaries += [outputs] if self.boundaries else [inputs, outputs]
        return outputs

    def apply_final_layers(self, inputs):
        outputs = super().apply_final_layers(inputs)
        return [inputs, outputs] if self.with_mlm else outputs

    def apply(self, inputs=None, layer=None, arguments=None, **kwargs):
        if layer is models.Input:
            kwargs["dtype"] = "int32"
        elif layer is models.Embedding:
            layer = Embedding
        elif layer is models.LayerNormalization:
            layer, kwargs["epsilon"] = LayerNormalization, self.layer_norm_eps
        elif layer is models.FeedForward:
            layer = FeedForward
        elif layer is models.MultiHeadAttention:
            layer, arguments = MultiHeadAttention, {**arguments, "block": self.block}
        elif layer is models.Dropout and self.dropout_rate:
            layer = StatelessDropout
            if self.prefixed(kwargs["name"]) in self.layers:  # ALBERT uses one layer in all its blocks
                kwargs["name"] += f"-{self.block}"
        if kwargs.get("activation") in GELU:
            kwargs["activation"] = GELU[kwargs["activation"]]
        return super().apply(inputs, layer, arguments, **kwargs)


class Bert(Compat, models.BERT):
    """BERT, and those that differ in their training only."""


class Albert(Compat, models.ALBERT):
    """BERT with one block used over and over."""


class Nezha(Compat, models.NEZHA):
    """BERT with relative positions in the attention."""


class RoFormer(Compat, models.RoFormer):
    """BERT with rotary positions in the attention."""


def with_unilm_mask(transformer: type) -> type:
    """The class with bert4keras' UniLM mask: the second input, the segments, says who may look at whom. (bert4keras'
    own mixture of the two also changes what the masked-language-model head returns.)
    """
    return type(transformer.__name__, (models.UniLM_Mask, transformer), {})
