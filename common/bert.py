"""bert4keras' models, changed so that they run correctly on current TensorFlow.

Nothing is patched in place. bert4keras makes every layer through `Transformer.apply`. `Compat` overrides this method
and uses the layers of this module instead of the originals.

1. Stateless dropout. Keras' dropout draws from hidden state: a resumed run would differ from an uninterrupted one, and
   a recomputed block would draw another mask, which would silently make gradients wrong. `StatelessDropout` is a pure
   function of (seed, optimizer step, layer).
2. Dropout of the attention probabilities. bert4keras makes a new Dropout layer inside each call of its
   MultiHeadAttention, where `apply` cannot replace it. `MultiHeadAttention` here does its own dropout.
3. Initial weights. bert4keras gives the same unseeded initializer to all layers. In current Keras it returns the same
   values for the same shape, so all kernels of one shape would be equal. `TruncatedNormal` here returns new values
   with each call, as a pure function of its seed.
4. Scores of the masked-language-model head. bert4keras multiplies by float32 embeddings whatever the precision policy
   is. That fails in float16 and runs as a slow sparse product in bfloat16. `Embedding` here casts the embeddings.
5. Layer normalisation. bert4keras fixes epsilon at 1e-12 (BERT) or 1e-7 (others), but checkpoints state their own.
   `LayerNormalization` here uses the checkpoint's, and makes half as many passes over the tokens.
6. Inputs. They are float32 in bert4keras; token ids are int32 here.
7. Speed of the dense layers. On [batch, length, size] TensorFlow fuses neither bias nor GELU into the matrix product.
   `FeedForward` and `MultiHeadAttention` here work on [batch * length, size].
8. Rotary positions. bert4keras slices every other entry, which is slow and does not convert to OpenVINO. `rotate`
   multiplies by a matrix instead.

Two more things are done elsewhere. `common/__init__.py` sets bert4keras' environment variables before TensorFlow is
imported. `common.encoder` makes "gelu" mean the form that the checkpoint was trained with. In bert4keras it means the
form that was set last. The forms are in `common.activations`.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras
from bert4keras import layers, models

from common.activations import GELU

PIECE = 2**56  # added to the step for each piece of a batch; no replica has so large a step (common/replicas.py)

# A context variable gives every thread its own key: a distribution strategy traces each replica in its own thread.
_dropout_key: ContextVar[tuple[int, int | tf.Tensor | tf.Variable] | None] = ContextVar("dropout key", default=None)


@contextmanager
def dropout_seed(seed: int, step: int | tf.Tensor | tf.Variable) -> Iterator[None]:
    """Set the (seed, step) of all dropout that is called inside the `with` block.

    Enter the context inside a traced `tf.function`: if it is entered outside, a `step` that is not a variable becomes a
    constant.
    """
    token = _dropout_key.set((seed, step))
    try:
        yield
    finally:
        _dropout_key.reset(token)


def dropout_of_piece(number: int) -> AbstractContextManager[None]:
    """Inside the `with` block, give a piece of a batch its own dropout. Piece 0 has that of an undivided batch."""
    key = _dropout_key.get()
    return nullcontext() if key is None else dropout_seed(key[0], tf.cast(key[1], tf.int64) + number * PIECE)


def stateless_dropout(x: tf.Tensor, rate: float, name: str) -> tf.Tensor:
    """Apply dropout that is a pure function of (seed, step, name), with (seed, step) from `dropout_seed`.

    Args:
        x: float [...].
        rate: the share of entries that become 0. The others are scaled by 1 / (1 - rate).
        name: identifies the place in the model, as every place needs a mask of its own.

    Raises:
        RuntimeError: outside `dropout_seed`, where dropout could not be reproduced.
    """
    seed_and_step = _dropout_key.get()
    if seed_and_step is None:
        raise RuntimeError(f"dropout {name!r} called in training outside of `with dropout_seed(seed, step)`")
    seed, step = seed_and_step
    key = np.int64((seed & 0x7FFFFFFF) << 32 | zlib.crc32(name.encode()))
    # 16 random bits decide on each entry. TensorFlow's own dropout uses 32 bits for each entry and more passes.
    zeroed = min(round(rate * 2**16), 2**16 - 1)
    size = tf.size(x)
    bits = tf.random.stateless_uniform(
        [(size + 1) // 2], tf.stack([key, tf.cast(step, tf.int64)]), None, None, tf.uint32, alg="philox"
    )
    keep = tf.reshape(tf.bitcast(bits, tf.uint16), [-1])[:size] >= tf.constant(zeroed, tf.uint16)
    return x * (tf.cast(tf.reshape(keep, tf.shape(x)), x.dtype) * (2**16 / (2**16 - zeroed)))


class StatelessDropout(keras.layers.Layer):
    """Dropout that is a pure function of the (seed, step) of `dropout_seed` and of the layer's name.

    The name has to be given, because an automatic one depends on what else was built in the process.
    """

    def __init__(self, rate: float, name: str, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.rate = rate
        self.supports_masking = True

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return stateless_dropout(inputs, self.rate, self.name) if training and self.rate else inputs


class MultiHeadAttention(layers.MultiHeadAttention):
    """bert4keras' softmax attention with stateless dropout. Positions are plain, rotary or relative as in NEZHA.

    Rotary positions are sines and cosines in turn, [1, length, key_size], and relative ones vectors
    [length, length, key_size]. The dense layers work on the tokens of all sequences as one matrix.
    """

    def call(
        self,
        inputs: list[tf.Tensor],
        mask: Sequence[tf.Tensor | None] | None = None,
        training: bool | None = None,
        block: int = 0,
        a_bias: bool | None = None,
        p_bias: Literal["rotary", "typical_relative"] | None = None,
        chosen: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Return the attention's output [batch, length, size], or [batch, p, size] with p `chosen` tokens.

        Args:
            inputs: the sources of queries, keys and values, [batch, length, size] each. With `a_bias` a mask follows,
                bool [batch, length, length] or [length, length], true where a token (row) may attend to another
                (column). With `p_bias` the positions come last.
            mask: its third entry, bool [batch, length], is false at padding.
            training: whether to apply dropout.
            block: number of the transformer block. ALBERT uses one layer in all blocks, with new dropout in each.
            a_bias: whether `inputs` contains a mask.
            p_bias: the kind of positions that `inputs` contains, if any.
            chosen: the tokens that attend, int32 [batch, p]. None means all. They cannot be combined with `a_bias`.
        """
        asking = inputs[0] if chosen is None else tf.gather(inputs[0], chosen, batch_dims=1)
        query = self._projected(self.q_dense, asking, self.key_size)
        key = self._projected(self.k_dense, inputs[1], self.key_size)
        value = self._projected(self.v_dense, inputs[2], self.head_size)
        allowed = None if mask is None or mask[2] is None else mask[2][:, None, None, :]
        if a_bias:
            visible = inputs[3][..., None, :, :]
            allowed = visible if allowed is None else allowed & visible
        if p_bias == "rotary":
            own = inputs[-1] if chosen is None else tf.gather(inputs[-1][0], chosen)
            query, key = _rotated(query, own), _rotated(key, inputs[-1])
        query *= self.key_size**-0.5
        scores = tf.matmul(query, key, transpose_b=True)
        if p_bias == "typical_relative":
            relative, axes = (inputs[-1], "jkd") if chosen is None else (tf.gather(inputs[-1], chosen), "bjkd")
            scores += tf.einsum(f"bhjd,{axes}->bhjk", query, relative)
        if allowed is not None:  # adding is cheaper than the broadcast `where` of bert4keras
            scores += tf.where(allowed, tf.zeros((), scores.dtype), scores.dtype.min / 2)
        attention = tf.nn.softmax(scores)
        if training and self.attention_dropout:
            attention = stateless_dropout(attention, self.attention_dropout, f"{self.name}/{block}")
        output = tf.matmul(attention, value)
        if p_bias == "typical_relative":
            output += tf.einsum(f"bhjk,{axes}->bhjd", attention, relative)
        mixed = tf.reshape(tf.transpose(output, [0, 2, 1, 3]), [-1, self.heads * self.head_size])
        return tf.reshape(self.o_dense(mixed), [tf.shape(query)[0], tf.shape(query)[2], self.out_dim])

    def _projected(self, dense: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, size: int) -> tf.Tensor:
        """Apply a dense layer: [batch, length, ...] -> [batch, heads, length, size]."""
        shape = [tf.shape(x)[0], tf.shape(x)[1], self.heads, size]
        return tf.transpose(tf.reshape(dense(_tokens(x)), shape), [0, 2, 1, 3])


def _rotated(x: tf.Tensor, angles: tf.Tensor) -> tf.Tensor:
    """Rotate x [batch, heads, length, size] by sines and cosines in turn, [batch or 1, length, size]."""
    return rotate(x, angles[:, None, :, ::2], angles[:, None, :, 1::2])


def rotate(x: tf.Tensor, sine: tf.Tensor, cosine: tf.Tensor) -> tf.Tensor:
    """Rotate each pair of entries 2k and 2k + 1 by its angle.

    A product with a matrix of 0 and +-1 swaps the entries, which is exact in every precision. Slicing every other entry
    instead took a third of the time of an encoder's layer on a CPU.

    Args:
        x: [..., size].
        sine: sines of the angles, [..., size / 2], which broadcast to the pairs of `x`.
        cosine: cosines of the angles, of the same shape as `sine`.
    """
    size = x.shape[-1]
    swap = np.zeros((size, size))
    swap[range(1, size, 2), range(0, size, 2)] = -1
    swap[range(0, size, 2), range(1, size, 2)] = 1
    swapped = tf.tensordot(x, tf.constant(swap, x.dtype), 1)
    return x * tf.repeat(cosine, 2, axis=-1) + swapped * tf.repeat(sine, 2, axis=-1)


def rotary_angles(length: int | tf.Tensor, size: int) -> tf.Tensor:
    """Return position / 10000^(2k / size) in radians, float32 [length, size / 2] (RoPE, arXiv 2104.09864)."""
    frequency = tf.pow(10000.0, -tf.range(0.0, size, 2) / size)
    return tf.range(tf.cast(length, tf.float32))[:, None] * frequency


class FeedForward(layers.FeedForward):
    """bert4keras' feed-forward layers, on the tokens of all sequences as one matrix."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.reshape(super().call(_tokens(inputs)), tf.shape(inputs))


def _tokens(x: tf.Tensor) -> tf.Tensor:
    """Reshape [batch, length, size] to [batch * length, size]."""
    return tf.reshape(x, [-1, x.shape[-1]])


class LayerNormalization(layers.LayerNormalization):
    """bert4keras' layer normalisation, in float32 and with few passes over the tokens."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return layer_normalization(inputs, self.gamma, self.beta, self.epsilon)


def layer_normalization(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Return (x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axis (arXiv 1607.06450).

    The gradient is written out and needs only x and two numbers for each row. Automatic differentiation would make
    twice as many passes.

    Args:
        x: [..., n]. The result has the same dtype, but is computed in float32.
        gamma: scale [n].
        beta: offset [n].
        epsilon: added to the variance.
    """

    @tf.custom_gradient
    def normalized(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        x32, scale = tf.cast(x, tf.float32), tf.cast(gamma, tf.float32)
        mean = tf.reduce_mean(x32, -1, keepdims=True)
        centred = x32 - mean
        inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + epsilon)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
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
    """bert4keras' embedding, which casts its table to the inputs' dtype when it scores all entries of the vocabulary.

    In mode "embedding" ids [batch, length] become vectors [batch, length, size]. In mode "dense" vectors become scores
    [batch, length, entries].
    """

    def call(self, inputs: tf.Tensor, mode: Literal["embedding", "dense"] = "embedding") -> tf.Tensor:
        if mode == "embedding":
            return super().call(inputs)
        return tf.tensordot(inputs, tf.cast(self.embeddings, inputs.dtype), [[2], [1]])


class TruncatedNormal(keras.initializers.Initializer):
    """An initializer that returns new truncated normal values with each call. Call n depends only on (seed, n)."""

    def __init__(self, seed: int, stddev: float = 0.02):
        self.seed, self.stddev, self.calls = seed, stddev, 0

    def __call__(self, shape: Sequence[int], dtype: tf.DType = tf.float32, **kwargs: Any) -> tf.Tensor:
        self.calls += 1
        return tf.random.stateless_truncated_normal(
            shape, (self.seed, self.calls), stddev=self.stddev, dtype=dtype, alg="philox"
        )


class Compat(models.Transformer):
    """A mixin that builds a bert4keras `Transformer` from this module's layers. It must be the first base class.

    If the model has a masked-language-model head (`with_mlm`), it returns [hidden states, scores]; bert4keras returns
    only the scores. With `choose` it has a third input, positions int32 [batch, p]. Then the last block computes only
    the tokens at these positions, and the outputs are [batch, p, ...].
    """

    def __init__(self, seed: int = 0, layer_norm_eps: float = 1e-12, choose: bool = False, **kwargs: Any):
        self._initializer = TruncatedNormal(seed)
        self.layer_norm_eps = layer_norm_eps
        self.chosen = keras.Input([None], dtype="int32", name="Input-Chosen") if choose else None
        self.block = 0
        self.boundaries: list[tf.Tensor] = []  # the input of the first block, then the output of each block
        super().__init__(**kwargs)

    @property
    def initializer(self) -> TruncatedNormal:
        return self._initializer

    @property
    def _chooses(self) -> bool:
        """Whether the block that is being built computes only the chosen tokens."""
        return self.chosen is not None and self.block == self.num_hidden_layers - 1

    def build(self, **kwargs: Any) -> None:
        super().build(additional_input_layers=[] if self.chosen is None else [self.chosen], **kwargs)

    def apply_main_layers(self, inputs: tf.Tensor, index: int) -> tf.Tensor:
        self.block = index
        outputs = super().apply_main_layers(inputs, index)
        self.boundaries += [outputs] if self.boundaries else [inputs, outputs]
        return outputs

    def apply_final_layers(self, inputs: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
        outputs = super().apply_final_layers(inputs)
        return [inputs, outputs] if self.with_mlm else outputs

    def apply(
        self, inputs: Any = None, layer: Any = None, arguments: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Make a layer, or reuse the one that has this name, and call it; see `Transformer.apply`."""
        if layer is models.Input:
            kwargs["dtype"] = "int32"
        elif layer is models.Embedding:
            layer = Embedding
        elif layer is models.LayerNormalization:
            layer, kwargs["epsilon"] = LayerNormalization, self.layer_norm_eps
        elif layer is models.FeedForward:
            layer = FeedForward
        elif layer is models.MultiHeadAttention:
            layer, arguments = MultiHeadAttention, {**(arguments or {}), "block": self.block}
            if self._chooses:
                arguments["chosen"] = self.chosen
        elif layer is models.Add and self._chooses and kwargs["name"].endswith("SelfAttention-Add"):
            inputs = [tf.gather(inputs[0], self.chosen, batch_dims=1), inputs[1]]
        elif layer is models.Dropout and self.dropout_rate:
            layer = StatelessDropout
            if self.prefixed(kwargs["name"]) in self.layers:  # ALBERT uses one layer in all its blocks
                kwargs["name"] += f"-{self.block}"
        if kwargs.get("activation") in GELU:
            kwargs["activation"] = GELU[kwargs["activation"]]
        return super().apply(inputs, layer, arguments, **kwargs)


class Bert(Compat, models.BERT):
    """BERT, and models that differ from it only in their training."""


class Albert(Compat, models.ALBERT):
    """BERT with one block that is applied several times."""


class Nezha(Compat, models.NEZHA):
    """BERT with relative positions in the attention."""


class RoFormer(Compat, models.RoFormer):
    """BERT with rotary positions in the attention."""


def with_unilm_mask(transformer: type) -> type:
    """Return the class with bert4keras' UniLM mask: segment ids, the second input, say which tokens a token attends to.

    bert4keras' own function that adds the mask also changes what the masked-language-model head returns.
    """
    return type(transformer.__name__, (models.UniLM_Mask, transformer), {})
