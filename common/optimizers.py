"""Optimizers: AdamW and AdaX with clipping, learning rates with warm-up and decay, and averages of the weights."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.config import OptimizerConfig
from common.kinds import depth_of, is_of_encoder

# Weight decay leaves out biases, and the scales and offsets of layer norms.
NOT_DECAYED = r"(^|/)(bias|beta|gamma)(/replica_\d+)?:"


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly to `peak` over `warmup_steps` and falls to 0 at `total_steps`.

    `decay` says how it falls: "linear", "cosine", or "constant" for not at all. The rate is above 0 at every step
    before `total_steps`. With a warm-up, step 0 has peak / warmup_steps, and step warmup_steps - 1 has `peak`.
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int = 0, decay: str = "linear"):
        if decay not in ("constant", "linear", "cosine"):
            raise ValueError(f"unknown decay: {decay}")
        self.peak, self.total_steps, self.warmup_steps, self.decay = peak, total_steps, warmup_steps, decay

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Return the learning rate, a float32 scalar, of a step. Steps count from 0."""
        step = tf.cast(step, tf.int64)  # differences of integers are exact, however long the training
        factor = tf.cast(step + 1, tf.float32) / max(self.warmup_steps, 1)
        left = tf.cast(self.total_steps - step, tf.float32) / max(self.total_steps - self.warmup_steps, 1)
        left = tf.clip_by_value(left, 0.0, 1.0)
        if self.decay == "cosine":
            left = tf.sin(math.pi / 2 * left) ** 2  # (1 + cos(pi * (1 - left))) / 2
        return self.peak * tf.minimum(factor, 1.0 if self.decay == "constant" else left)


class AdamW(keras.optimizers.AdamW):
    """tf_keras' AdamW (arXiv:1711.05101) with one kernel per update and different clipping.

    With c = `clip_norm`, and n the norm of the gradient over all weights, the gradient is multiplied by min(1, c / n)
    if `clip` is "hard", and by c / (n + c) if it is "soft" (kexue.fm/archives/7469). It is not clipped if `clip_norm`
    is None.

    There are two differences from tf_keras' `global_clipnorm`. If a row of embeddings was looked up several times, its
    gradients are added up before they are squared. And if n is not finite, the whole gradient counts as zero, even
    without `clip_norm`, instead of making every weight NaN. `nonfinite_steps` counts the steps at which that happened.

    Sparse gradients become dense ones, as the moments of every row decay at every step anyway.

    `rates` maps parts of names to factors. The learning rate of a variable is multiplied by the factors of all parts
    that occur in its name. The factors do not change its weight decay.
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

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Any, tf.Variable]],
        name: str | None = None,
        skip_gradients_aggregation: bool = False,
    ) -> tf.Variable:
        if not skip_gradients_aggregation:  # the norm is taken of the sum over all replicas
            grads_and_vars = self.aggregate_gradients(grads_and_vars)
        grads, variables = zip(*grads_and_vars, strict=True)
        clipped = self._clip([grad if grad is None else tf.convert_to_tensor(grad) for grad in grads])
        return super().apply_gradients(zip(clipped, variables, strict=True), name, skip_gradients_aggregation=True)

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

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        # tf_keras spells this out in twelve operations, each a pass over the weights. Here it is one kernel.
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

    def _rate(self, variable: tf.Variable) -> tf.Tensor:
        return self._factor(variable) * tf.cast(self.learning_rate, variable.dtype)

    def _factor(self, variable: tf.Variable) -> float:
        return math.prod(factor for name, factor in self.rates.items() if name in variable.name)

    def _moments(self, variable: tf.Variable) -> tuple[tf.Variable, tf.Variable]:
        index = self._index_dict[self._var_key(variable)]
        return self._momentums[index], self._velocities[index]

    def finalize_variable_values(self, var_list: list[tf.Variable]) -> None:
        """Do nothing. Keras would replace the weights by their averages here, at the end of `fit`.

        `fit` runs once for each epoch, and training continues with the weights. See `averaged_weights`.
        """


class AdaX(AdamW):
    """AdaX (arXiv:2004.09740, as in kexue.fm/archives/7387) with AdamW's weight decay and clipping.

    The longer training lasts, the further back its second moment remembers:

        m = beta_1 * m + (1 - beta_1) * g
        v = (1 + beta_2) * v + beta_2 * g^2
        w = w - learning_rate * m / sqrt(v / ((1 + beta_2)^t - 1) + epsilon)

    v would grow beyond any float, so the optimizer keeps the quotient v / ((1 + beta_2)^t - 1) instead. This is a
    moving average of g^2, in which step t has the weight beta_2 / ((1 + beta_2)^t - 1).
    """

    def __init__(self, *args, beta_2: float = 1e-4, epsilon: float = 1e-12, name: str = "AdaX", **kwargs):
        super().__init__(*args, beta_2=beta_2, epsilon=epsilon, name=name, **kwargs)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        m, v = self._moments(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        weight = self.beta_2 / tf.math.expm1(math.log1p(self.beta_2) * step)  # 0 when the power overflows
        _descend(m, 1 - self.beta_1, m - gradient)
        _descend(v, weight, v - tf.square(gradient))
        direction = m * tf.math.rsqrt(v + self.epsilon)
        if self._use_weight_decay(variable):
            direction += self.weight_decay / self._factor(variable) * variable
        _descend(variable, self._rate(variable), direction)

    def _apply_weight_decay(self, variables: list[tf.Variable]) -> None:
        """Do nothing. `update_step` adds the decay to the step.

        If the decay was subtracted on its own, float32 would round much of it off.
        """


def _descend(variable: tf.Variable, rate: float | tf.Tensor, direction: tf.Tensor) -> None:
    """Subtract rate * direction from a variable, without memory for the product."""
    tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=direction)


def make_optimizer(
    config: OptimizerConfig,
    learning_rate: float,
    total_steps: int,
    variables: Sequence[tf.Variable] = (),
    rates: dict[str, float] | None = None,
) -> AdamW:
    """Make the optimizer that a config describes.

    The learning rate of a variable is multiplied by every factor that applies to it:

    - by the values of `config.rates` and `rates` whose keys occur in its name,
    - by `config.head_rate` if it is not one of the encoder's and has no factor in `rates`,
    - by d if it is in the encoder's last block, by d^2 if it is in the block below, and so on down to the embeddings,
      where d is `config.layer_decay` (arXiv 1801.06146).

    Under `mixed_float16` Keras' `compile` wraps the optimizer in a LossScaleOptimizer.

    Args:
        config: the key `optimizer` of the training's config.
        learning_rate: the highest rate, at the end of the warm-up.
        total_steps: the steps of the whole training.
        variables: what will be trained.
        rates: further factors, by a part of the variables' names.

    Raises:
        UserError: a key of `config.rates` occurs in no name, or `config.layer_decay` is not 1 and the blocks of the
            encoder share their weights.
    """
    classes: dict[str, type[AdamW]] = {"adamw": AdamW, "adax": AdaX}
    optimizer = classes[config.name](
        WarmupDecay(learning_rate, total_steps, round(config.warmup * total_steps), config.schedule),
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        clip=config.clip,
        rates=_factors(config, rates or {}, [variable.name for variable in variables]),
        use_ema=config.average is not None,
        ema_momentum=config.average or 0.0,
    )
    optimizer.exclude_from_weight_decay(var_names=[NOT_DECAYED])
    return optimizer


def _factors(config: OptimizerConfig, rates: dict[str, float], names: list[str]) -> dict[str, float]:
    """Map each part of the names to the product of its factors. Raises UserError as `make_optimizer` does."""
    for key in config.rates:
        if not any(key in name for name in names):
            some = ", ".join(sorted({name.partition("/")[0] for name in names}))
            raise UserError(f"optimizer.rates: no weight has {key!r} in its name; the layers are {some}")
    factors: dict[str, float] = {}
    others = [name for name in names if not any(key in name for key in rates)]
    for more in (rates, config.rates, _head_rates(config.head_rate, others), _layer_rates(config.layer_decay, names)):
        factors |= {key: factors.get(key, 1.0) * factor for key, factor in more.items()}
    return factors


def _head_rates(rate: float, names: list[str]) -> dict[str, float]:
    """Give the same factor to all layers outside the encoder."""
    heads = {name.partition("/")[0] for name in names if not is_of_encoder(name)}
    return {f"{layer}/": rate for layer in heads if rate != 1}


def _layer_rates(decay: float, names: list[str]) -> dict[str, float]:
    """Give the last block the factor `decay`, the one below decay^2, and so on. Embeddings get the least."""
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
    """Give the model its averaged weights inside the `with` block, and its own weights, bit-identical, after it.

    Evaluate and save the best weights inside, and save the state of training outside. If the optimizer keeps no
    averages, this does nothing.
    """
    if not optimizer.use_ema:
        yield
        return
    variables = model.trainable_variables
    optimizer.build(variables)  # before the first step this makes the averages, equal to the weights
    own = [variable.numpy() for variable in variables]
    getattr(optimizer, "inner_optimizer", optimizer)._overwrite_model_variables_with_average_value(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)
