import random

import pytest

from sentences import MAX_LENGTH, SPAN_TOKENS, Sentence, cut_long, is_mark, is_tree, read_sentences, to_sentence, tokens

TEXT = "小明在2009年读Transformers，很 好\u200b！ 3.5é%\ue000"


def test_tokens_are_what_wordpiece_cuts_and_lose_nothing():
    assert tokens("小明在2009年读Transformers，3.5é%") == [
        "小", "明", "在", "2009", "年", "读", "Transformers", "，", "3", ".", "5é", "%",
    ]  # fmt: skip
    sentence = to_sentence(TEXT.split(), tokens)
    assert sentence.text == "".join(TEXT.split())
    assert sentence.spans[7:] == ["，", "很", "好\u200b", "！", "3", ".", "5é", "%", "\ue000"]
    assert sorted(sentence.after_space)[:2] == [9, 11]
    assert tokens("\u200b") == ["\u200b"]


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_kept(seed):
    rng = random.Random(seed)
    alphabet = "小明在，。 \t\u3000aB9é\u0301\u200b\u00ad한가ｱ😀½\x1c\x00()"
    text = "".join(rng.choices(alphabet, k=60))
    sentence = to_sentence(text.split(), tokens)
    assert sentence.text == "".join(text.split())
    assert all(sentence.spans)


def test_marks():
    assert [is_mark(span) for span in ("，", "%", "……", "+", "3", "年", "a-")] == [True] * 4 + [False] * 3


def test_spans_of_a_file(tmp_path):
    (tmp_path / "text.txt").write_text("\ufeff我们 喜欢北京\n\n好\n", encoding="utf-8")

    def spans(kind):
        return [(number, sentence.spans) for number, sentence in read_sentences(str(tmp_path / "text.txt"), kind)]

    assert spans("tokens") == [(1, list("我们喜欢北京")), (2, []), (3, ["好"])]
    assert spans("given") == [(1, ["我们", "喜欢北京"]), (2, []), (3, ["好"])]
    assert spans("jieba") == [(1, ["我们", "喜欢", "北京"]), (2, []), (3, ["好"])]


@pytest.mark.parametrize("overlap", [0, 1])
@pytest.mark.parametrize("text", ["天地，玄黄" * 80, "天" * 400, "天地玄黄。" + "天，" * 150, "。" * 300])
def test_long_sentences_are_cut_and_nothing_is_lost(text, overlap, tokenizer):
    sentence = to_sentence([text], tokens)
    found = cut_long(sentence, tokenizer, overlap)
    assert len(found) > 1
    end = overlap
    for first, piece in found:
        n = len(piece.bounds) - 1
        assert len(piece.token_ids) <= MAX_LENGTH
        assert first == end - overlap
        ids = [tokenizer.cls_id, *tokenizer.encode_batch(["".join(sentence.spans[first : first + n])])[0].ids]
        assert piece.token_ids.tolist() == [*ids, tokenizer.sep_id]
        end = first + n
    assert end == len(sentence.spans)


def test_long_sentences_are_cut_after_marks(tokenizer):
    def firsts(text):
        return [first for first, _ in cut_long(to_sentence([text], tokens), tokenizer, overlap=0)]

    assert firsts("天" * 100 + "。" + "地" * 10 + "，" + "天" * 100) == [0, 101]
    assert firsts("天" * 100 + "，" + "天" * 100) == [0, 101]
    assert firsts("天" * 200) == [0, 126]


def test_tokens_of_spans(tokenizer):
    [(_, piece)] = cut_long(Sentence(["天地", "\u200b", "abc" * 60, "x" * 300]), tokenizer, 0)
    assert piece.bounds.tolist()[:3] == [1, 3, 4]
    assert piece.token_ids[3] == tokenizer.unk_id  # nothing of a span is a token
    assert piece.bounds[3] - piece.bounds[2] == SPAN_TOKENS
    assert piece.bounds[4] - piece.bounds[3] == 1  # longer than any word of WordPiece: one [UNK]


def test_trees():
    assert is_tree([2, 0, 2])
    assert not is_tree([2, 1, 0])
    assert not is_tree([0, 0])
    assert not is_tree([0, 3])
