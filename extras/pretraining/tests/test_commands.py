"""The commands for a finished encoder (evaluate, fill, export), and the one that writes the texts of official files."""

import io
import json
import sys

import numpy as np
import pytest

import evaluate
import export
import fill
import texts
from baselines import DISCOUNT, Counts
from common.encoder import resolve_encoder
from common.testing.commands import write
from common.tokenizer import Tokenizer
from masked import load_model

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "天", "地", "玄", "黄"]


def test_evaluate_scores_the_held_out_passages_and_the_baselines(trained, call, capsys):
    text = trained.parent / "train.txt"
    call(evaluate.main, "--encoder", trained / "encoder", "--input", text, "--dev", "--train", text)
    scores = json.loads(capsys.readouterr().out)
    said = json.loads((trained / "metrics.json").read_text())["dev"]
    assert {name: scores[name] for name in said} == pytest.approx(said, rel=1e-3)
    for name in ("unigram", "bigram"):
        assert list(scores[name]) == list(said)
    assert scores["bigram"]["perplexity"] < scores["unigram"]["perplexity"]


def test_bigram_is_a_smoothed_distribution():
    counts = Counts(["天地玄黄", "天地", "天玄"], Tokenizer(TOKENS))
    after = counts.pairs.toarray() + counts.left_over[:, None] * counts.frequency
    np.testing.assert_allclose(after.sum(1), 1)
    sky, earth = TOKENS.index("天"), TOKENS.index("地")
    assert after[sky, earth] == pytest.approx((2 - DISCOUNT) / 3 + DISCOUNT * 2 / 3 * counts.frequency[earth])
    np.testing.assert_allclose(after[TOKENS.index("[MASK]")], counts.frequency)  # never seen


def test_bigram_looks_at_both_neighbours():
    counts = Counts(["天地玄黄"] * 9 + ["天玄黄"] * 3, Tokenizer(TOKENS))

    def best(*tokens):
        """Return the likeliest token instead of the second one."""
        ids = np.array([[TOKENS.index(token) for token in tokens]], np.int32)
        scores = counts.bigram({"token_ids": ids, "positions": np.array([[1]], np.int32)})
        return TOKENS[scores[0, 0].argmax()]

    assert best("天", "[MASK]", "玄") == "地"
    assert best("天", "[MASK]", "黄") == "玄"
    assert best("天", "[MASK]", "[MASK]") == "地"


def test_fill_gives_what_the_model_thinks_likeliest(trained, call, capsys, monkeypatch, tokenizer):
    sentences = ["记者在[MASK]都获[MASK]", "[MASK]"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(sentences).encode())))
    call(fill.main, "--encoder", trained / "encoder", "--input", "-", "--top", 3)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["text"] for record in records] == sentences
    assert [len(record["masks"]) for record in records] == [2, 1]
    model = load_model(resolve_encoder(str(trained / "encoder")))
    ids = [tokenizer.cls_id, *tokenizer.encode_batch(["记者在"])[0].ids, tokenizer.mask_id]
    ids += [*tokenizer.encode_batch(["都获"])[0].ids, tokenizer.mask_id, tokenizer.sep_id]
    scores = model({"token_ids": np.array([ids]), "positions": np.array([[4, 7]])}).numpy()[0]
    probabilities = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    for row, found in zip(probabilities, records[0]["masks"], strict=True):
        assert [token for token, _ in found] == [tokenizer.tokens[i] for i in np.argsort(-row)[:3]]
        assert [p for _, p in found] == pytest.approx(np.sort(row)[:-4:-1], abs=1e-4)


def test_export_writes_a_checkpoint_of_the_same_weights(trained, call, tmp_path):
    call(export.main, "--encoder", trained / "encoder", "--output", tmp_path / "exported")
    assert sorted(path.name for path in (tmp_path / "exported").iterdir()) == [
        "bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index",
        "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip
    exported = resolve_encoder(str(tmp_path / "exported"))
    original = resolve_encoder(str(trained / "encoder"))
    assert exported.architecture == original.architecture
    assert exported.weights is not None
    assert original.weights is not None
    ours, theirs = exported.weights(), original.weights()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_texts_of_official_files(call, tmp_path):
    write(tmp_path, {
        "lines.json": '{"text": "天地 \\n玄黄", "event_list": [{"trigger": "玄"}]}\n{"text": "天"}\n{"text": ""}\n',
        "object.json": json.dumps({"data": [{"paragraphs": [
            {"context": "地玄", "qas": [{"question": "天", "answers": [{"text": "玄", "answer_start": 1}]}]},
            {"context": "天", "qas": []},
        ]}]}, indent=1),
        "questions.json": '{"context": "黄", "question": "天", "answers": [{"text": "地"}]}\n' * 2,
    })  # fmt: skip
    files = [tmp_path / name for name in ("lines.json", "object.json", "questions.json")]
    call(texts.main, "--input", *files, "--output", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "天地 玄黄\n天\n地玄\n黄\n"
