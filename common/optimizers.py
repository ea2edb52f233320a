"""Optimizers: AdamW and AdaX with clipping, a warm-up with decay, and weights averaged over the steps."""

import contextlib
import math
from collections.abc import Iterator, Sequence

import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.config import OptimizerConfig
from common.kinds import depth_of, is_of_encoder

# Biases, and the scales and offsets of layer norms: decay is for what multiplies the input.
NOT_DECAYED = r"(^|/)(bias|beta|gamma)(/replica_\d+)?:"


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise to `peak` over `warmup_steps`, then `decay` to 0 at `total_steps`.

    `decay` is "constant" (none), "linear" or "cosine". The rate is above 0 at every step before
    `total_steps`: step 0 has peak / warmup_steps, step warmup_steps - 1 has `peak`.
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int = 0, decay: str = "linear"):
        if decay not in ("constant", "linear", "cosine"):
            raise ValueError(f"unknown decay: {decay}")
        self.peak, self.total_steps, self.warmup_steps, self.decay = peak, total_steps, warmup_steps, decay

    def __call__(self, step):
        """The learning rate (float32 scalar) of the step, an integer from 0."""
        step = tf.cast(step, tf.int64)  # differences of integers: exact however long the run
        factor = tf.cast(step + 1, tf.float32) / max(self.warmup_steps, 1)
        left = tf.cast(self.total_steps - step, tf.float32) / max(self.total_steps - self.warmup_steps, 1)
        left = tf.clip_by_value(left, 0.0, 1.0)
        if self.decay == "cosine":
            left = tf.sin(math.pi / 2 * left) ** 2  # (1 + cos(pi * (1 - left))) / 2
        return self.peak * tf.minimum(factor, 1.0 if self.decay == "constant" else left)


class AdamW(keras.optimizers.AdamW):
    """tf_keras' AdamW (arXiv:1711.05101) with one kernel per update and its own clipping.

    With `clip_norm` c the gradient, of norm n over all weights, is multiplied by min(1, c / n)
    (`clip="hard"`) or c / (n + c) (`clip="soft"`; kexue.fm/archives/7469). Unlike tf_keras'
    `global_clipnorm`, n sums the parts of an embedding row that was looked up several times before
    squaring, and a gradient that is not finite counts as zero instead of making every weight NaN;
    `nonfinite_steps` counts the steps at which that happened.

    Sparse gradients become dense ones: the moments of every row decay at every step anyway.

    `rates`: the learning rate of the variables in whose name a key occurs is multiplied by its value (weight decay is
    not).
    """

    def __init__(
        self,
        *args,
        clip_norm: float | None = None,
        clip: str = "hard",
        rates: dict[str, float] | None = None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.rates = rates or {}
        if clip not in ("hard", "soft"):
            raise ValueError(f"unknown clip: {clip}")
        if self.amsgrad:
            raise ValueError("the kernel has no amsgrad")
        self.clip_norm, self.clip = clip_norm, clip
        self.nonfinite_steps = tf.Variable(
            0, trainable=False, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )

    def apply_gradients(self, grads_and_vars, name=None, skip_gradients_aggregation=False):
        if not skip_gradients_aggregation:  # the norm is that of the sum over all replicas
            grads_and_vars = self.aggregate_gradients(grads_and_vars)
        grads, variables = zip(*grads_and_vars, strict=True)
        grads = self._clip([grad if grad is None else tf.convert_to_tensor(grad) for grad in grads])
        return super().apply_gradients(zip(grads, variables, strict=True), name, skip_gradients_aggregation=True)

    def _clip(self, grads: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
        norm = tf.linalg.global_norm(grads)
        finite = tf.math.is_finite(norm)
        self.nonfinite_steps.assign_add(tf.cast(~finite, tf.int64))
        if self.clip_norm is None:
            factor = 1.0
        elif self.clip == "hard":
            factor = self.clip_norm / tf.maximum(norm, self.clip_norm)
        else:
            factor = self.clip_norm / (norm + self.clip_norm)
        factor = tf.where(finite, factor, 0.0)
        return [grad if grad is None else tf.math.multiply_no_nan(grad, factor) for grad in grads]

    def update_step(self, gradient, variable):
        # One kernel for what tf_keras spells out in twelve operations, each a pass over the weights.
        m, v = self._moments(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=self._rate(variable),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _rate(self, variable) -> tf.Tensor:
        return self._factor(variable) * tf.cast(self.learning_rate, variable.dtype)

    def _factor(self, variable) -> float:
        return math.prod(factor for name, factor in self.rates.items() if name in variable.name)

    def _moments(self, variable) -> tuple[tf.Variable, tf.Variable]:
        index = self._index_dict[self._var_key(variable)]
        return self._momentums[index], self._velocities[index]

    def finalize_variable_values(self, var_list):
        """Left to `averaged_weights`: `fit` calls this at its end, and one `fit` may be one epoch of many."""


class AdaX(AdamW):
    """AdaX (arXiv:2004.09740, as in kexue.fm/archives/7387) with AdamW's weight decay and clipping.

    The second moment remembers the more the longer training lasts:

        m = beta_1 * m + (1 - beta_1) * g
        v = (1 + beta_2) * v + beta_2 * g^2
        w = w - learning_rate * m / sqrt(v / ((1 + beta_2)^t - 1) + epsilon)

    v grows beyond any float, so the quotient itself is kept: a moving average of g^2 in which step t has
    the weight beta_2 / ((1 + beta_2)^t - 1).
    """

    def __init__(self, *args, beta_2: float = 1e-4, epsilon: float = 1e-12, name: str = "AdaX", **kwargs):
        super().__init__(*args, beta_2=beta_2, epsilon=epsilon, name=name, **kwargs)

    def update_step(self, gradient, variable):
        m, v = self._moments(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        weight = self.beta_2 / tf.math.expm1(math.log1p(self.beta_2) * step)  # 0 when the power overflows
        _descend(m, 1 - self.beta_1, m - gradient)
        _descend(v, weight, v - tf.square(gradient))
        direction = m * tf.math.rsqrt(v + self.epsilon)
        if self._use_weight_decay(variable):
            direction += self.weight_decay / self._factor(variable) * variable
        _descend(variable, self._rate(variable), direction)

    def _apply_weight_decay(self, variables):
        """Left to `update_step`: on its own the decay of a step is so small that float32 rounds much off."""


def _descend(variable: tf.Variable, rate: float | tf.Tensor, direction: tf.Tensor) -> None:
    """variable -= rate * direction, with no memory for the product."""
    tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=direction)


def make_optimizer(
    config: OptimizerConfig,
    learning_rate: float,
    total_steps: int,
    variables: Sequence[tf.Variable] = (),
    rates: dict[str, float] | None = None,
) -> AdamW:
    """The optimizer that `config` describes, for a run of `total_steps` with the given highest rate.

    The rate of each of the `variables` is multiplied by all factors of `config.rates` and `rates` whose key occurs in
    its name; by `config.head_rate` if it is none of the encoder's and has no factor in `rates`; and with
    `config.layer_decay` d by d for a weight of the encoder's last block, by d^2 for one of the block below, and so on
    to the embeddings (arXiv 1801.06146). Raises UserError if a key of `config.rates` occurs in no name, or there are
    no blocks to tell apart.

    Under `mixed_float16` Keras' `compile` wraps it in a LossScaleOptimizer.
    """
    names = [variable.name for variable in variables]
    for key in config.rates:
        if not any(key in name for name in names):
            some = ", ".join(sorted({name.partition("/")[0] for name in names}))
            raise UserError(f"optimizer.rates: no weight has {key!r} in its name; the layers are {some}")
    factors: dict[str, float] = {}
    rates = rates or {}
    others = [name for name in names if not any(key in name for key in rates)]
    for more in (rates, config.rates, _head_rates(config.head_rate, others), _layer_rates(config.layer_decay, names)):
        factors |= {key: factors.get(key, 1.0) * factor for key, factor in more.items()}
    optimizer = {"adamw": AdamW, "adax": AdaX}[config.name](
        WarmupDecay(learning_rate, total_steps, round(config.warmup * total_steps), config.schedule),
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        clip=config.clip,
        rates=factors,
        use_ema=config.average is not None,
        ema_momentum=config.average or 0.0,
    )
    optimizer.exclude_from_weight_decay(var_names=[NOT_DECAYED])
    return optimizer


def _head_rates(rate: float, names: list[str]) -> dict[str, float]:
    """The factor of all layers that are not the encoder's."""
    heads = {name.partition("/")[0] for name in names if not is_of_encoder(name)}
    return {f"{layer}/": rate for layer in heads if rate != 1}


def _layer_rates(decay: float, names: list[str]) -> dict[str, float]:
    """Factors by name: decay for the last block, decay^2 for the one below, ..., the least for embeddings."""
    if decay == 1:
        return {}
    layers = {name.partition("/")[0] for name in names}
    depths = {layer: depth for layer in layers if (depth := depth_of(layer)) is not None}
    blocks = max(depths.values(), default=0)
    if not blocks:
        raise UserError("optimizer.layer_decay: the blocks of this encoder share their weights")
    return {f"{layer}/": decay ** (blocks + 1 - depth) for layer, depth in depths.items()}


@contextlib.contextmanager
def averaged_weights(optimizer: keras.optimizers.Optimizer, model: keras.Model) -> Iterator[None]:
    """Within the context the model has the averaged weights, after it again its own, to the bit.

    Evaluate and save the best weights inside; save the state of training outside. Does nothing for an
    optimizer that keeps no averages.
    """
    if not optimizer.use_ema:
        yield
        return
    variables = model.trainable_variables
    optimizer.build(variables)  # before the first step the averages are the weights
    own = [variable.numpy() for variable in variables]
    getattr(optimizer, "inner_optimizer", optimizer)._overwrite_model_variables_with_average_value(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)
