from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.config import OptimizerConfig
from common.optimizers import AdamW, AdaX, WarmupDecay, averaged_weights, make_optimizer

BOTH = pytest.mark.parametrize("optimizer_class", [AdamW, AdaX])
SEEN_ROWS = np.tile([0, 1, 1, 2], 16).reshape(16, 4)  # rows of the embedding, which come up again and again
TARGETS = np.ones((16, 4, 1), np.float32)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def run(optimizer, weights, gradients):
    """Return the weights after one step for each row of `gradients`, taken in a tf.function."""
    variable = tf.Variable(weights, name="kernel")
    step = tf.function(lambda gradient: optimizer.apply_gradients([(gradient, variable)]))
    for gradient in gradients:
        step(tf.constant(gradient))
    return variable.numpy()


def clipped(gradients, **settings):
    """Return the gradients as the optimizer has clipped them, computed from its first moments."""
    optimizer = AdamW(beta_1=0.5, **settings)
    variables = [tf.Variable(tf.zeros_like(gradient)) for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return [m.numpy() * 2 for m in optimizer._momentums]


def adax(weights, gradients, rate, decay, beta_1=0.9, beta_2=1e-4, epsilon=1e-12):
    """Apply AdaX by the formula of the article, in float64 and with decoupled weight decay."""
    w, m, v = weights.astype(np.float64), 0.0, 0.0
    for t, g in enumerate(gradients.astype(np.float64), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = (1 + beta_2) * v + beta_2 * g**2
        w = w - rate * decay * w
        w = w - rate * m / np.sqrt(v / ((1 + beta_2) ** t - 1) + epsilon)
    return w


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adax_equals_the_formula_over_1000_steps(decay):
    weights = np.copysign(1 + abs(noise(50)), noise(50, seed=1))
    gradients = noise(1000, 50, seed=2) * np.geomspace(1e-6, 10, 50, dtype=np.float32)
    expected = adax(weights, gradients, 1e-4, decay)
    np.testing.assert_allclose(run(AdaX(1e-4, decay), weights, gradients), expected, rtol=1e-5)


@BOTH
def test_rates_multiply_the_learning_rate_but_not_the_decay(optimizer_class):
    gradients = noise(20, 5)

    def moved(learning_rate, rates, decay):
        optimizer = optimizer_class(learning_rate, weight_decay=decay, rates=rates)
        variable = tf.Variable(np.ones(5, np.float32), name="crf/transitions")
        for gradient in gradients:
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
        return variable.numpy()

    ten_times = moved(1e-3, {"transitions": 10.0}, 0.0)
    np.testing.assert_allclose(ten_times, moved(1e-2, None, 0.0), rtol=1e-6)
    np.testing.assert_array_equal(moved(1e-3, {"kernel": 10.0}, 0.0), moved(1e-3, None, 0.0))
    decayed = ten_times - moved(1e-3, {"transitions": 10.0}, 0.1)
    np.testing.assert_allclose(decayed, 20 * 1e-3 * 0.1, rtol=0.1)


def named(*names):
    return [tf.Variable(np.ones(1, np.float32), name=name) for name in names]


def test_rates_by_config_and_by_layer():
    blocks = [f"Transformer-{i}-FeedForward/dense/kernel" for i in range(11)]
    variables = named("Embedding-Token/embeddings", *blocks, "heads/biases/kernel")
    config = OptimizerConfig(layer_decay=0.5, rates={"biases": 4, "Transformer-10-": 3}, warmup=0, weight_decay=0)
    optimizer = make_optimizer(config, 1.0, 10, variables)
    factors = [optimizer._factor(variable) for variable in variables]
    assert factors == [0.5**12, *(0.5 ** (11 - i) for i in range(10)), 1.5, 4]


def test_head_rate_is_of_all_but_the_encoder_and_what_has_a_rate():
    variables = named("Embedding-Token/embeddings", "Transformer-0-FeedForward-Norm/gamma", "answers/biases/kernel",
                      "transitions/matrix")  # fmt: skip
    config = OptimizerConfig(head_rate=4, rates={"biases": 2}, warmup=0)
    optimizer = make_optimizer(config, 1.0, 10, variables, {"transitions": 10})
    assert [optimizer._factor(variable) for variable in variables] == [1, 1, 8, 10]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rates": {"transition": 2, "head": 2}}, "optimizer.rates: no weight has 'head' in its name; .* transitions$"),
        ({"layer_decay": 0.9}, "optimizer.layer_decay: the blocks of this encoder share their weights"),
    ],
)
def test_rates_of_nothing_are_refused(config, message):
    variables = named("Embedding-Token/embeddings", "Transformer-FeedForward/dense/kernel", "transitions/matrix")
    with pytest.raises(UserError, match=message):
        make_optimizer(OptimizerConfig(**config), 1.0, 10, variables)


@pytest.mark.parametrize("step", [100_000, 2_000_000, 2**40])
def test_adax_stays_finite_and_keeps_its_memory(step):
    optimizer, variable = AdaX(1e-3, weight_decay=0.01), tf.Variable(noise(20))
    for gradient in noise(10, 20):
        optimizer.apply_gradients([(gradient, variable)])
    optimizer.iterations.assign(step)
    memory, before = optimizer._velocities[0].numpy(), variable.numpy()
    for gradient in noise(10, 20, seed=1):
        optimizer.apply_gradients([(gradient, variable)])
    moved = abs(variable.numpy() - before)
    assert np.all((moved > 0) & (moved < 0.1))
    np.testing.assert_allclose(optimizer._velocities[0], memory, rtol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])  # on a GPU tf_keras compiles each update
def test_adamw_equals_that_of_tf_keras(jit_compile):
    settings: dict[str, Any] = {"learning_rate": 1e-2, "weight_decay": 0.1, "beta_1": 0.8}
    optimizer = AdamW(**settings)
    optimizer.jit_compile = jit_compile
    expected = run(keras.optimizers.AdamW(**settings), noise(50), noise(100, 50, seed=1))
    actual = run(optimizer, noise(50), noise(100, 50, seed=1))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "adax"])
def test_decay_is_decoupled_and_spares_biases_and_norms(name):
    dense = keras.layers.Dense(3, name="beta-gate")
    model = keras.Sequential([keras.layers.Embedding(4, 3), dense, keras.layers.LayerNormalization()])
    model(tf.zeros((1, 2)))
    model.set_weights([np.ones(w.shape) for w in model.get_weights()])
    config = OptimizerConfig(name=name, weight_decay=0.1, schedule="constant", warmup=0)
    optimizer = make_optimizer(config, 0.5, 9)
    for _ in range(3):
        optimizer.apply_gradients([(tf.zeros_like(w), w) for w in model.trainable_weights])
    values = {weight.name.split("/")[-1]: weight.numpy() for weight in model.weights}
    decayed = {"embeddings:0", "kernel:0"}
    assert values.keys() == decayed | {"bias:0", "gamma:0", "beta:0"}
    for key, value in values.items():
        np.testing.assert_allclose(value, 0.95**3 if key in decayed else 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "length"),
    [({}, 5), ({"clip_norm": 10}, 5), ({"clip_norm": 2}, 2), ({"clip_norm": 5, "clip": "soft"}, 2.5)],
)
def test_clipping_scales_all_gradients_together(settings, length):
    gradients = clipped([tf.constant([3.0, 0.0]), tf.constant([[4.0]])], **settings)
    np.testing.assert_allclose(gradients[0], [3 * length / 5, 0], rtol=1e-6)
    np.testing.assert_allclose(gradients[1], [[4 * length / 5]], rtol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0, 1e10])
def test_soft_clipping_is_within_a_factor_of_two_of_hard_clipping(scale):
    gradient = [tf.constant(noise(8) * np.float32(scale))]
    hard, soft = (abs(clipped(gradient, clip_norm=1.0, clip=clip)[0]) for clip in ("hard", "soft"))
    assert np.all(hard / 2 <= soft * 1.00001)
    assert np.all(soft <= hard * 1.00001)


@BOTH
@pytest.mark.parametrize(("clip_norm", "bad"), [(None, np.nan), (1.0, np.inf), (1.0, 1e38)])
def test_a_gradient_that_is_not_finite_counts_as_zero(optimizer_class, clip_norm, bad):
    zeroed = noise(3, 20)
    zeroed[1] = 0
    poisoned = zeroed.copy()
    poisoned[1, 7:9] = bad
    first, second = optimizer_class(clip_norm=clip_norm), optimizer_class(clip_norm=clip_norm)
    np.testing.assert_array_equal(run(first, noise(20), poisoned), run(second, noise(20), zeroed))
    assert (first.nonfinite_steps, second.nonfinite_steps) == (1, 0)


@BOTH
def test_sparse_gradients_equal_dense_ones(optimizer_class):
    dense, sparse = tf.Variable(noise(5, 2)), tf.Variable(noise(5, 2))
    dense_optimizer, sparse_optimizer = optimizer_class(clip_norm=0.1), optimizer_class(clip_norm=0.1)
    for step in range(5):
        values, rows = noise(3, 2, seed=step), [step % 2, 4, 4]
        gradient = np.zeros((5, 2), np.float32)
        np.add.at(gradient, rows, values)
        dense_optimizer.apply_gradients([(tf.constant(gradient), dense)])
        sparse_optimizer.apply_gradients([(tf.IndexedSlices(values, rows, (5, 2)), sparse)])
    np.testing.assert_array_equal(dense, sparse)


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("constant", [0.5, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0]),
        ("cosine", [0.5, 1, 1, 0.8535534, 0.5, 0.1464466, 0, 0]),
    ],
)
def test_schedule(decay, expected):
    schedule = WarmupDecay(2e-5, total_steps=6, warmup_steps=2, decay=decay)
    np.testing.assert_allclose([schedule(step) for step in range(8)], np.multiply(expected, 2e-5), rtol=1e-6)
    np.testing.assert_allclose(schedule(tf.constant(2**62)), 2e-5 * expected[-1])
    assert schedule(0).dtype == tf.float32


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_schedule_is_exact_at_the_end_of_a_long_run(decay):
    total = 2**30
    short, long = WarmupDecay(1.0, 4, 0, decay), WarmupDecay(1.0, total, 0, decay)
    assert long(tf.constant(total // 4)) == short(1)
    assert long(tf.constant(total - 1)) > 0
    if decay == "linear":
        assert long(tf.constant(total - 3)) == 3 / total


@pytest.mark.parametrize("settings", [{"clip": "norm"}, {"amsgrad": True}])
def test_bad_settings_raise(settings):
    with pytest.raises(ValueError, match="clip|amsgrad"):
        AdamW(**settings)
    with pytest.raises(ValueError, match="decay"):
        WarmupDecay(1.0, 10, decay="cubic")


def small_model(**config):
    """Return a compiled model with an embedding. Its weights are the same in each call."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Embedding(30, 8), keras.layers.Dense(1)])
    model.build((None, 4))
    model.compile(make_optimizer(OptimizerConfig(**config), 1e-2, 10), "mse")
    return model


def train(model, steps):
    for _ in range(steps):
        model.train_on_batch(SEEN_ROWS, TARGETS)


def assert_equal(first, second):
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_array_equal(expected, actual)


@pytest.mark.parametrize(("config", "built"), [({}, True), ({"name": "adax", "average": 0.9, "clip": "soft"}, False)])
def test_resuming_from_a_checkpoint_is_exact(tmp_path, config, built):
    model, resumed = small_model(**config), small_model(**config)
    train(model, 5)
    path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(tmp_path / "state")
    train(model, 5)
    if built:
        resumed.optimizer.build(resumed.trainable_variables)
    status = tf.train.Checkpoint(model=resumed, optimizer=resumed.optimizer).restore(path)
    train(resumed, 5)
    status.assert_consumed()
    assert_equal(model.weights + model.optimizer.variables, resumed.weights + resumed.optimizer.variables)


def test_averaged_weights_are_swapped_in_and_back_exactly():
    model = small_model(average=0.75)
    history = [model.get_weights()]
    with averaged_weights(model.optimizer, model):  # before the first step
        assert_equal(model.get_weights(), history[0])
    for _ in range(4):
        train(model, 1)
        history.append(model.get_weights())
    with averaged_weights(model.optimizer, model):
        inside = model.get_weights()
    assert_equal(model.get_weights(), history[-1])
    for index, average in enumerate(history[0]):
        for weights in history[1:]:
            average = 0.75 * average + 0.25 * weights[index]
        np.testing.assert_allclose(inside[index], average, rtol=1e-5, atol=1e-7)
    assert abs(inside[1] - history[-1][1]).max() > 1e-3


@pytest.mark.parametrize("average", [None, 0.9])
def test_the_own_weights_come_back_after_an_error(average):
    model = small_model(average=average)
    train(model, 2)
    own = model.get_weights()
    with pytest.raises(KeyError), averaged_weights(model.optimizer, model):
        raise KeyError
    assert_equal(model.get_weights(), own)


@pytest.mark.parametrize(("name", "policy"), [("adamw", "mixed_float16"), ("adax", "mixed_bfloat16")])
def test_mixed_precision(name, policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = small_model(name=name, average=0.9)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    wrapped = isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)
    assert wrapped == (policy == "mixed_float16")
    before = model.evaluate(SEEN_ROWS, TARGETS, verbose=0)
    train(model, 10)
    with averaged_weights(model.optimizer, model):
        averaged = model.evaluate(SEEN_ROWS, TARGETS, verbose=0)
    assert model.evaluate(SEEN_ROWS, TARGETS, verbose=0) < averaged < before
    assert {variable.dtype for variable in model.trainable_variables} == {tf.float32}


def test_under_a_distribution_strategy_the_steps_are_the_same():
    plain = small_model(name="adax", average=0.9)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        mirrored = small_model(name="adax", average=0.9)
    for model in (plain, mirrored):
        train(model, 3)
    assert_equal(plain.get_weights(), mirrored.get_weights())
    with averaged_weights(plain.optimizer, plain), averaged_weights(mirrored.optimizer, mirrored):
        assert_equal(plain.get_weights(), mirrored.get_weights())
