"""Decoding token by token: the keys and values of earlier tokens are kept, so each step computes only the new ones."""

from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras as keras

from common import kinds
from common.bert import rotary_angles, rotate
from common.encoder import mlm_head


class State(NamedTuple):
    """What is kept of the T tokens that each row has so far."""

    keys: tf.Tensor  # float32 [rows, layers, heads, T, size]
    values: tf.Tensor  # the same
    positions: tf.Tensor  # int32 [rows, T]
    valid: tf.Tensor  # bool [rows, T], false for padding

    def rows(self, indices: Any) -> "State":
        """Return the state of these rows. `indices`, int [n], may reorder, repeat or drop rows."""
        return State(*(tf.gather(part, indices) for part in self))


class Decoder:
    """Runs the encoder of `build_encoder(..., with_mlm=True, unilm=True)` token by token.

    Call `start` with the first questions, then `step` for each token of the second questions. Both return the scores of
    the next token and the state for the next step. The scores are those that the encoder would give at the last token
    of the whole sequence.
    """

    def __init__(self, encoder: keras.Model, architecture: dict[str, Any]):
        self.encoder, self.architecture = encoder, architecture
        self.head = mlm_head(encoder)
        self.layers = architecture["num_hidden_layers"]
        self._names = {layer.name for layer in encoder.layers}
        ids, part = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, self.layers, None, None, None])
        state = State(part, part, ids, tf.TensorSpec([None, None], tf.bool))
        self.start = tf.function(self._start, [ids])
        self.step = tf.function(self._step, [tf.TensorSpec([None], tf.int32), state])

    def _start(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Read the first questions, int32 [rows, L] with [CLS] and [SEP]. Returns scores [rows, entries] and state."""
        rows, length = tf.shape(token_ids)[0], tf.shape(token_ids)[1]
        valid = token_ids != 0
        positions = tf.broadcast_to(tf.range(length), [rows, length])
        hidden, keys, values = self._blocks(token_ids, 0, positions, None, valid, positions)
        last = tf.reduce_sum(tf.cast(valid, tf.int32), 1) - 1
        return self._scores(tf.gather(hidden, last[:, None], batch_dims=1)), State(keys, values, positions, valid)

    def _step(self, tokens: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Read the next token of each row, int32 [rows]. Returns scores [rows, entries] and state."""
        position = tf.reduce_sum(tf.cast(state.valid, tf.int32), 1, keepdims=True)
        positions = tf.concat([state.positions, position], 1)
        valid = tf.pad(state.valid, [[0, 0], [0, 1]], constant_values=True)
        hidden, keys, values = self._blocks(tokens[:, None], 1, position, state, valid, positions)
        return self._scores(hidden), State(keys, values, positions, valid)

    def _scores(self, hidden: tf.Tensor) -> tf.Tensor:
        return self.head(hidden)[:, 0]

    def _layer(self, name: str) -> Any:
        return self.encoder.get_layer(name)

    def _blocks(
        self,
        token_ids: tf.Tensor,
        segment: int,
        positions: tf.Tensor,
        past: State | None,
        valid: tf.Tensor,
        all_positions: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Compute the hidden states of n new tokens, and the keys and values of all T tokens, past and new.

        `token_ids` and `positions` are those of the new tokens, [rows, n]. `valid` and `all_positions` are those of all
        tokens, [rows, T]. Returns [rows, n, size] and twice [rows, layers, heads, T, size].
        """
        x = self._layer(kinds.TOKENS)(token_ids)
        x += self._layer(kinds.SEGMENTS).embeddings[segment]
        if kinds.POSITIONS in self._names:
            x += tf.gather(self._layer(kinds.POSITIONS).embeddings, positions)
        x = self._layer(kinds.EMBEDDING_NORM)(x)
        if kinds.EMBEDDING_MAPPING in self._names:
            x = self._layer(kinds.EMBEDDING_MAPPING)(x)
        angles = distances = None
        if kinds.ROTARY_POSITIONS in self._names:
            size = self.architecture["hidden_size"] // self.architecture["num_attention_heads"]
            angles = tf.gather(rotary_angles(tf.reduce_max(positions) + 1, size), positions)[:, None]
        if kinds.RELATIVE_POSITIONS in self._names:
            embeddings = self._layer(kinds.RELATIVE_POSITIONS).embeddings
            furthest = (embeddings.shape[0] - 1) // 2
            apart = tf.clip_by_value(all_positions[:, None, :] - positions[:, :, None], -furthest, furthest)
            distances = tf.gather(embeddings, apart + furthest)  # [rows, n, T, size]
        keys, values = [], []
        for block in range(self.layers):
            names = kinds.block_layers(block, self._names)
            attention, attention_norm, feed_forward, feed_forward_norm = map(self._layer, names)
            before = None if past is None else (past.keys[:, block], past.values[:, block])
            mixed, key, value = self._attend(attention, x, angles, distances, before, valid)
            x = attention_norm(x + mixed)
            x = feed_forward_norm(x + feed_forward(x))
            keys.append(key)
            values.append(value)
        return x, tf.stack(keys, 1), tf.stack(values, 1)

    def _attend(
        self,
        layer: Any,
        x: tf.Tensor,
        angles: tf.Tensor | None,
        distances: tf.Tensor | None,
        before: tuple[tf.Tensor, tf.Tensor] | None,
        valid: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Let n new tokens `x` [rows, n, hidden size] attend to all T tokens.

        `angles` [rows, 1, n, size / 2] are those of rotary positions, `distances` [rows, n, T, size] the embeddings of
        relative positions, `before` the keys and values of past tokens, both [rows, heads, T - n, size]. Returns
        [rows, n, hidden size], and the keys and values of all tokens, both [rows, heads, T, size].
        """
        rows, n = tf.shape(x)[0], tf.shape(x)[1]

        def projected(dense: Any, size: int) -> tf.Tensor:  # [rows, heads, n, size]
            return tf.transpose(tf.reshape(dense(x), [rows, n, layer.heads, size]), [0, 2, 1, 3])

        query = projected(layer.q_dense, layer.key_size)
        key = projected(layer.k_dense, layer.key_size)
        value = projected(layer.v_dense, layer.head_size)
        if angles is not None:
            sine, cosine = tf.sin(angles), tf.cos(angles)
            query = rotate(query, sine, cosine)
            key = rotate(key, sine, cosine)
        if before is not None:
            key = tf.concat([before[0], key], 2)
            value = tf.concat([before[1], value], 2)
        query *= layer.key_size**-0.5
        scores = tf.matmul(query, key, transpose_b=True)
        if distances is not None:
            scores += tf.einsum("bhjd,bjkd->bhjk", query, distances)
        attention = tf.nn.softmax(tf.where(valid[:, None, None, :], scores, scores.dtype.min / 2))
        output = tf.matmul(attention, value)
        if distances is not None:
            output += tf.einsum("bhjk,bjkd->bhjd", attention, distances)
        mixed = tf.reshape(tf.transpose(output, [0, 2, 1, 3]), [rows, n, layer.heads * layer.head_size])
        return layer.o_dense(mixed), key, value
