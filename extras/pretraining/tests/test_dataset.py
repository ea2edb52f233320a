from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import dataset
from common.cli import UserError
from common.spans import token_windows
from dataset import Corpus, Text, Windows, choose, file_weights, masked_batch, passes, read_corpus, to_corpus

PASSAGES = ["小明在北京大学学习计算机科学，喜欢TensorFlow和Transformers。", "今天天气很好", "2009年5月"]


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text("\n".join(PASSAGES), encoding="utf-8")
    return Text([tmp_path / "text.txt"])


@pytest.fixture
def corpus(text, tokenizer):
    return to_corpus(text, tokenizer)


def numbered(sizes):
    """Return a corpus of files with these numbers of passages. Each passage is one word of three tokens."""
    tokens = np.arange(3 * sum(sizes), dtype=np.uint16) + 5
    bounds = np.arange(0, len(tokens) + 1, 3)
    return Corpus(tokens, np.arange(len(tokens)) % 3 == 0, bounds, np.repeat(np.arange(len(sizes)), sizes))


# --- lines -> passages


def test_every_200th_passage_of_a_file_is_kept_out(tmp_path):
    for name, lines in (("a", 450), ("b", 210)):
        content = "\n\n".join(f" {name}{i}\r" for i in range(1, lines + 1))  # blank lines are not counted
        (tmp_path / name).write_bytes(content.encode("utf-8-sig"))
    files = [tmp_path / "a", tmp_path / "b"]
    everything, train, dev = (list(Text(files, part)) for part in ("all", "train", "dev"))
    assert dev == [(0, "a200"), (0, "a400"), (1, "b200")]
    assert everything[0] == (0, "a1")
    assert len(everything) == 660
    assert sorted(train + dev) == sorted(everything)
    assert Text(files, "train").digest[0] == 657


def test_words_begin_where_jieba_says(corpus, tokenizer):
    first = slice(*corpus.bounds[:2])
    tokens = [tokenizer.tokens[i] for i in corpus.token_ids[first]]
    words: list[str] = []
    for token, begin in zip(tokens, corpus.begins_word[first], strict=True):
        words = [*words, token] if begin else [*words[:-1], words[-1] + token.removeprefix("##")]
    assert " ".join(words) == "小明 在 北京大学 学习 计算机科学 ， 喜欢 tensorflow 和 transformers 。"


def test_tokens_are_the_tokenizers(corpus, tokenizer):
    for i, encoding in enumerate(tokenizer.encode(PASSAGES)):
        np.testing.assert_array_equal(corpus.token_ids[slice(*corpus.bounds[i : i + 2])], encoding.ids)
    assert corpus.token_ids.dtype == np.uint16


def test_the_corpus_is_kept_and_made_anew_when_the_text_changes(text, corpus, tokenizer, tmp_path, monkeypatch):
    def read():
        return read_corpus(Text(text.files), tokenizer, tmp_path / "corpus.npz")

    read()
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "to_corpus", None)
        for ours, theirs in zip(vars(read()).values(), vars(corpus).values(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    text.files[0].write_text("今天", encoding="utf-8")
    assert len(read().token_ids) == 2
    good = (tmp_path / "corpus.npz").read_bytes()
    for damaged in (b"", b"corpus", good[:-30], good.replace(b"\x93NUMPY", b"\x93NUMPX"), good.replace(b"key", b"kez")):
        (tmp_path / "corpus.npz").write_bytes(damaged)
        assert len(read().token_ids) == 2
    assert (tmp_path / "corpus.npz").read_bytes() == good


# --- passages -> windows


def test_windows_are_those_of_the_tasks(corpus, tokenizer):
    windows = Windows(corpus, tokenizer, max_length=12, stride=8)
    encodings = tokenizer.encode(PASSAGES)
    expected = [window.token_ids for encoding in encodings for window in token_windows(encoding, tokenizer, 12, 8)]
    assert len(windows) == len(expected)
    for window, token_ids, length in zip(windows, expected, windows.lengths, strict=True):
        np.testing.assert_array_equal(window.token_ids, token_ids)
        assert len(window.begins_word) == len(token_ids) == length


def test_passes_give_every_window_as_often_as_its_file_weighs(tokenizer):
    windows = Windows(numbered([40, 30, 9, 5]), tokenizer, 8, 6)
    plan = passes(windows, [0.4, 1.0, 2.0, 0.0], batch_size=2, max_length=8, seed=3)
    seen: Counter[int] = Counter()
    for number in range(1, 6):
        batches = next(plan)
        assert max(windows.lengths[batch].max() * len(batch) for batch in batches) <= 16
        seen.update(np.concatenate(batches).tolist())
        times = [[seen[i] for i in np.flatnonzero(windows.files == file).tolist()] for file in range(4)]
        assert [sum(of_file) for of_file in times] == [16 * number, 30 * number, 18 * number, 0]
        assert all(max(of_file) - min(of_file) <= 1 for of_file in times)


def test_passes_are_a_function_of_the_seed(tokenizer):
    windows = Windows(numbered([40, 30]), tokenizer, 8, 6)

    def first_two(seed):
        plan = passes(windows, [0.5, 1.0], 2, 8, seed)
        return [[batch.tolist() for batch in next(plan)] for _ in range(2)]

    assert first_two(3) == first_two(3)
    assert first_two(3) != first_two(4)
    assert first_two(3)[0] != first_two(3)[1]


def test_weights_by_the_first_pattern_that_fits(tmp_path):
    files = [tmp_path / name for name in ("law_local.txt", "law_national.txt", "wiki.txt")]
    assert file_weights(files, {"*_local*": 0.2, "law_*": 0.5}) == [0.2, 0.5, 1.0]
    with pytest.raises(UserError, match="no train file is called laws_"):
        file_weights(files, {"laws_*": 0.2})
    with pytest.raises(UserError, match="all train files have the weight 0"):
        file_weights(files, {"*": 0})


# --- windows -> batch


@pytest.mark.parametrize("whole_words", [False, True])
def test_about_15_percent_are_chosen_and_never_cls_or_sep(whole_words):
    rng = np.random.default_rng(0)
    shares = []
    for n in (1, 2, 7, 40, 254):
        for _ in range(200):
            begins_word = np.r_[True, rng.random(n) < 0.6, True]
            positions = choose(begins_word, whole_words, rng)
            assert set(positions) <= set(range(1, n + 1))
            assert (np.diff(positions) > 0).all()
            shares.append(len(positions) / n)
    assert np.mean(shares[-200:]) == pytest.approx(0.15, abs=0.005)


def test_whole_words_stay_whole():
    rng = np.random.default_rng(0)
    begins_word = np.r_[True, rng.random(120) < 0.6, True]
    word = np.cumsum(begins_word)
    for _ in range(50):
        chosen = np.zeros(122, bool)
        chosen[choose(begins_word, True, rng)] = True
        for number in np.unique(word[1:-1]):
            assert len(set(chosen[1:-1][word[1:-1] == number])) == 1


@pytest.fixture
def features(tokenizer):
    """Return twenty windows of 90 tokens and one of three tokens. Every word has three tokens."""
    corpus = replace(numbered([601]), bounds=np.array([*range(0, 1801, 90), 1803]), files=np.zeros(21, int))
    return list(Windows(corpus, tokenizer, 128, 126))


def test_what_is_shown_and_what_is_to_be_found(features, tokenizer):
    counts: Counter[str] = Counter()
    for seed in range(100):
        inputs, tokens = masked_batch(features, np.random.default_rng(seed), tokenizer, whole_words=0.5)
        for row, feature in enumerate(features):
            n, found = len(feature.token_ids), tokens[row] > 0
            positions = inputs["positions"][row][found]
            shown = inputs["token_ids"][row, :n]
            np.testing.assert_array_equal(tokens[row][found], feature.token_ids[positions])
            assert set(np.flatnonzero(shown != feature.token_ids)) <= set(positions)
            assert (inputs["token_ids"][row, n:] == 0).all()
            counts["mask"] += np.sum(shown[positions] == tokenizer.mask_id)
            counts["same"] += np.sum(shown[positions] == tokens[row][found])
            counts["all"] += len(positions)
    assert counts["mask"] / counts["all"] == pytest.approx(0.8, abs=0.01)
    assert counts["same"] / counts["all"] == pytest.approx(0.1, abs=0.01)
    assert inputs["positions"].dtype == inputs["token_ids"].dtype == tokens.dtype == np.int32


def test_whole_words_in_their_share_of_the_batches(features, tokenizer):
    def split_words(seed, share):
        _, tokens = masked_batch(features, np.random.default_rng(seed), tokenizer, share)
        return any(np.any(np.bincount((row[row > 0] - 5) // 3) % 3) for row in tokens)  # words are three tokens

    assert not any(split_words(seed, 1.0) for seed in range(20))
    assert all(split_words(seed, 0.0) for seed in range(20))
    assert 20 < sum(split_words(seed, 0.5) for seed in range(60)) < 40


def test_without_noise_all_are_shown_as_mask(features, tokenizer):
    inputs, tokens = masked_batch(features, np.random.default_rng(0), tokenizer, 0.0, noise=0.0)
    shown = np.take_along_axis(inputs["token_ids"], inputs["positions"], 1)
    assert (shown[tokens > 0] == tokenizer.mask_id).all()
