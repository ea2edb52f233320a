"""Decoding token by token gives the same as running the whole sequence."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from common.encoder import build_encoder
from dataset import question_inputs
from decoder import Decoder
from generation import allowed, beam_search, draw, sample

QUESTIONS = ["澍合手机怎么开机", "多少钱"]


@pytest.fixture(scope="module")
def questions(tokenizer):
    return [encoding.ids for encoding in tokenizer.encode_batch(QUESTIONS)]


def scores_of(encoder, first, second):
    """Return the scores of the next token, from the whole sequence."""
    token_ids = np.concatenate([first, second]).astype(np.int32)[None]
    segment_ids = np.repeat([0, 1], [len(first), len(second)]).astype(np.int32)[None]
    return encoder([token_ids, segment_ids])[1].numpy()[0, -1]


@pytest.mark.parametrize("model", ["roformer", "bert", "nezha", "albert", "electra"])
def test_a_step_gives_the_scores_of_the_whole_sequence(model):
    sizes = {
        "vocab_size": 50, "hidden_size": 32, "embedding_size": 16 if model in ("albert", "electra") else 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "hidden_act": "gelu_erf",
        "max_position": 32, "segment_vocab_size": 2, "layer_norm_eps": 1e-12,
    }  # fmt: skip
    encoder = build_encoder({"model": model, **sizes}, seed=1, with_mlm=True, unilm=True)
    for number, variable in enumerate(encoder.weights):  # biases as well, which start at 0
        variable.assign_add(tf.random.stateless_normal(variable.shape, (1, number), stddev=0.1))
    rng = np.random.default_rng(0)
    firsts, second = [rng.integers(5, 50, n) for n in (4, 7)], rng.integers(5, 50, (2, 5)).astype(np.int32)
    padded = np.zeros((2, 7), np.int32)
    for row, first in zip(padded, firsts, strict=True):
        row[: len(first)] = first
    decoder = Decoder(encoder, {"model": model, **sizes})
    scores, state = decoder.start(padded)
    for length in range(6):
        expected = [scores_of(encoder, first, row[:length]) for first, row in zip(firsts, second, strict=True)]
        np.testing.assert_allclose(scores, expected, atol=1e-5)
        if length < 5:
            scores, state = decoder.step(second[:, length], state)


def test_one_beam_and_the_likeliest_token_alone_are_the_same_as_without_a_cache(run_of, questions, tokenizer):
    encoder, architecture, _ = run_of
    expected = []
    for row in question_inputs(questions, tokenizer)["token_ids"]:
        written: list[int] = []
        while len(written) < 12:
            scores = allowed(scores_of(encoder, row[row != 0], written)[None], tokenizer, len(written))[0]
            if scores.argmax() == tokenizer.sep_id:
                break
            written.append(scores.argmax())
        expected.append(written)
    decoder = Decoder(encoder, architecture)
    drawn = sample(decoder, tokenizer, questions, 2, 1e-9, 12, seeds=[1, 2])
    assert [[ids.tolist() for ids in of_one] for of_one in drawn] == [[ids, ids] for ids in expected]
    for found, ids in zip(beam_search(decoder, tokenizer, questions, 1, 12), expected, strict=True):
        assert [one.tolist() for one in found] == [ids] * (len(ids) < 12)  # a question that has not ended is left out


def test_beams_are_in_the_order_of_their_probabilities(run_of, questions, tokenizer):
    encoder, architecture = build_encoder(run_of[1], seed=1, with_mlm=True, unilm=True), run_of[1]
    bias = encoder.get_layer("MLM-Bias").weights[0]
    bias.assign_add(4 * (np.arange(tokenizer.vocab_size) == tokenizer.sep_id))  # otherwise no beam ends
    found = beam_search(Decoder(encoder, architecture), tokenizer, questions, 4, 20)
    rows = question_inputs(questions, tokenizer)["token_ids"]
    for row, written in zip(rows, found, strict=True):
        means = []
        for ids in written:
            steps = [*ids.tolist(), tokenizer.sep_id]
            logs = [
                log_softmax(allowed(scores_of(encoder, row[row != 0], steps[:n])[None], tokenizer, n)[0])[step]
                for n, step in enumerate(steps)
            ]
            means.append(np.mean(logs))
        assert len(written) == len({ids.tobytes() for ids in written}) == 4
        assert means == sorted(means, reverse=True)


def test_samples_of_a_question_do_not_depend_on_the_others(run_of, questions, tokenizer):
    decoder = Decoder(*run_of[:2])

    def texts(numbers, copies=3):
        chosen = [questions[i] for i in numbers]
        found = sample(decoder, tokenizer, chosen, copies, 0.9, 12, seeds=[(7, i) for i in numbers])
        return [[tokenizer.decode(ids) for ids in of_one] for of_one in found]

    both = texts([0, 1])
    assert both == [texts([0])[0], texts([1])[0]]
    assert len({text for of_one in both for text in of_one}) > 1


def test_draws_are_from_the_nucleus_by_their_probability():
    probabilities = np.array([0.1, 0.5, 0.05, 0.3, 0.05])
    draws = (np.arange(8000) + 0.5) / 8000
    chosen = draw(np.repeat(probabilities[None], 8000, 0), 0.75, draws)
    shares = np.bincount(chosen, minlength=5) / 8000
    np.testing.assert_allclose(shares, [0, 5 / 8, 0, 3 / 8, 0], atol=1e-3)
    assert set(draw(np.repeat(probabilities[None], 8000, 0), 1.0, draws)) == set(range(5))
