"""Tests of the tokenizer (the ids of bert4keras, offsets into the text), of the vocabulary and of its builder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.cli import UserError
from common.tokenizer import SPECIAL_TOKENS, Tokenizer

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
VOCABULARY = ROOT / "data" / "vocab.txt"
GOOGLE_VOCABULARY = SHARED / "encoders" / "chinese_vocab_21128.txt"
ODD_TEXTS = [
    "",
    " \u3000\t",
    "第一行\r\n第二行\n",
    "零宽\u200b空格，软\u00ad连字符，控制\x07符，行分隔\u2028段分隔\u2029尾",
    "Café CAFE\u0301 İstanbul ΟΔΟΣ ΟΔΟΣ\u0301α ﬁn Ａｂｃ",
    "한국어 がぎぐ ｶﾞ 豈 \U00020000\U0002b825",
    "👍🏽❤️表情\ue5e5私用\ufffd替换",
    "半个代理\ud83d对",
    "x" * 200 + " " + "y" * 201,
    "[CLS]标记[MASK]##号",
    "1984年12月31日，￥3,000.50元；37℃≈98.6℉ 2008－2009",
]


@pytest.fixture(scope="module")
def ours() -> Tokenizer:
    return Tokenizer.from_vocab(VOCABULARY)


def reference(path: Path, **options):
    from bert4keras.tokenizers import Tokenizer as Reference

    return Reference(str(path), **{"do_lower_case": True} | options)


def shared_texts() -> list[str]:
    """Return every 20th text, context and question of the official data, without repeats."""
    texts = []
    for name in ("duie/train", "duie/dev", "duie/test1", "duee/train", "duee/dev", "duee/test1"):
        with (SHARED / "data" / f"{name}.json").open(encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    for name in ("dureader_robust/dev", "dureader_robust/demo_train", "cmrc2018/train"):
        articles = json.loads((SHARED / "data" / f"{name}.json").read_text(encoding="utf-8"))["data"]
        for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
            texts += [paragraph["context"], *(question["question"] for question in paragraph["qas"])]
    return list(dict.fromkeys(texts))[::20]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("生于1984年。", [("生", 0, 1), ("于", 1, 2), ("1984", 2, 6), ("年", 6, 7), ("。", 7, 8)]),
        ("20082", [("2008", 0, 4), ("##2", 4, 5)]),
        ("12月", [("1", 0, 1), ("##2", 1, 2), ("月", 2, 3)]),
        ("Aé\u200b b", [("a", 0, 1), ("##e", 1, 2), ("b", 4, 5)]),
        ("İ京", [("i", 0, 1), ("京", 1, 2)]),
        ("e\u0301x", [("ex", 0, 3)]),
        ("龘\ud800", [("[UNK]", 0, 1), ("[UNK]", 1, 2)]),
        ("\n\u2028 ", []),
    ],
)
def test_tokens_and_offsets(ours, text, tokens):
    (encoding,) = ours.encode_batch([text])
    assert [(ours.tokens[i], *span) for i, span in zip(encoding.ids, encoding.offsets.tolist(), strict=True)] == tokens
    assert encoding.ids.dtype == encoding.offsets.dtype == np.int32
    assert encoding.offsets.shape == (len(tokens), 2)


@pytest.mark.parametrize("word_level", [False, True])
def test_a_batch_is_its_texts(word_level):
    tokenizer = Tokenizer([*Tokenizer.from_vocab(VOCABULARY).tokens, "表情", "控制", "连字符"], word_level)
    assert tokenizer.encode_batch([]) == []
    for text, encoding in zip(ODD_TEXTS, tokenizer.encode_batch(ODD_TEXTS), strict=True):
        (alone,) = tokenizer.encode_batch([text])
        np.testing.assert_array_equal(encoding.ids, alone.ids)
        np.testing.assert_array_equal(encoding.offsets, alone.offsets)
        starts, ends = encoding.offsets.T
        assert (starts >= 0).all()
        assert (starts < ends).all()
        assert (ends <= len(text)).all()


def assert_same_ids(tokenizer: Tokenizer, other, texts: list[str]):
    encodings = tokenizer.encode_batch(texts)
    different = [
        text
        for text, encoding in zip(texts, encodings, strict=True)
        if other.encode(text)[0][1:-1] != encoding.ids.tolist()
    ]
    assert not different


def test_ids_of_bert4keras_for_odd_texts_and_across_unicode(ours):
    chars = map(chr, [*range(0x2100), *range(0xF900, 0x10000, 3), *range(0x2100, 0x110000, 211)])
    assert_same_ids(ours, reference(VOCABULARY), ODD_TEXTS + [f"a{char}b {char}1{char}" for char in chars])


def test_ids_of_bert4keras_for_cased_texts(tmp_path, ours):
    cased = [token.upper() for token in ours.tokens if token.upper() != token and token[0] != "["]
    Tokenizer([*ours.tokens, *dict.fromkeys(cased), "é", "É"]).save(tmp_path / "vocab.txt")
    tokenizer = Tokenizer.from_vocab(tmp_path / "vocab.txt", lower_case=False)
    chars = map(chr, [*range(0x2100), *range(0xF900, 0x10000, 3), *range(0x2100, 0x110000, 211)])
    texts = [*ODD_TEXTS, "BERT和bert 都是É É", *(f"A{char}b {char}1{char}" for char in chars)]
    assert_same_ids(tokenizer, reference(tmp_path / "vocab.txt", do_lower_case=False), texts)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
@pytest.mark.parametrize("vocabulary", [VOCABULARY, GOOGLE_VOCABULARY], ids=["ours", "google"])
def test_ids_and_offsets_of_bert4keras_for_real_texts(vocabulary):
    texts = shared_texts()
    tokenizer, other = Tokenizer.from_vocab(vocabulary), reference(vocabulary)
    assert_same_ids(tokenizer, other, texts)
    texts = [text for text in texts if "İ" not in text]  # after it bert4keras' offsets are one too high
    for text, encoding in zip(texts, tokenizer.encode_batch(texts), strict=True):
        places = other.rematch(text, other.tokenize(text))[1:-1]
        assert [(place[0], place[-1] + 1) for place in places] == list(map(tuple, encoding.offsets.tolist()))


def test_word_level_ids_of_bert4keras(tmp_path, ours):
    import jieba

    texts = [*ODD_TEXTS, "他毕业于北京大学，是著名导演。", "Café里的科学家研究人工智能 2020年"]
    if SHARED.exists():
        texts += shared_texts()[::10]
    found = {word for text in texts for word in jieba.cut(text.lower(), HMM=False) if 1 < len(word) < 20}
    words = sorted(word for word in found if word.isalpha())
    path = tmp_path / "vocab.txt"
    Tokenizer(list(dict.fromkeys([*ours.tokens, *words, "导演"]))).save(path)
    other = reference(path, pre_tokenize=lambda text: jieba.cut(text, HMM=False))
    tokenizer = Tokenizer.from_vocab(path, word_level=True)
    assert_same_ids(tokenizer, other, texts)
    (encoding,) = tokenizer.encode_batch(["导演\u200b很忙"])
    assert [tokenizer.tokens[i] for i in encoding.ids] == ["导演", "很", "忙"]
    assert encoding.offsets.tolist() == [[0, 2], [3, 4], [4, 5]]


@pytest.mark.parametrize("text", ["", "怎么还款？", "用iphone7付款", "open ai的gpt", "《红楼梦》2010年版", "a-b, c"])
def test_decode_gives_the_text_back(ours, text):
    """Only white space next to Chinese characters and marks is lost."""
    decoded = ours.decode(ours.encode_batch([text])[0].ids)
    assert decoded == text.replace(", ", ",")
    assert [*ours.encode_batch([decoded])[0].ids] == [*ours.encode_batch([text])[0].ids]


def test_save_keeps_the_vocabulary(tmp_path):
    tokens = [*SPECIAL_TOKENS, "\u2028", "中", "##a"]
    Tokenizer(tokens).save(tmp_path / "vocab.txt")
    assert Tokenizer.from_vocab(tmp_path / "vocab.txt").tokens == tokens
    assert (tmp_path / "vocab.txt").read_bytes() == "".join(f"{token}\n" for token in tokens).encode()


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_vocabulary(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\ufeff{}\r\n".format("\r\n".join(SPECIAL_TOKENS)).encode())
    assert Tokenizer.from_vocab(tmp_path / "vocab.txt").tokens == list(SPECIAL_TOKENS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "vocab.txt: No such file"),
        (b"", "vocab.txt: the vocabulary is empty"),
        (b"[PAD]\n\xff\n", "vocab.txt: the vocabulary is not UTF-8"),
        (b"[PAD]\n[UNK]\n[SEP]\n[MASK]\n", r"vocab.txt: the vocabulary lacks \[CLS\]"),
        (b"[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n", r"vocab.txt, line 2: \[PAD\] is expected on line 1"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n[SEP]\n", r"vocab.txt: the vocabulary has \[SEP\] 2 times"),
        (b"[PAD]\n\n[UNK]\n", "vocab.txt, line 2: blank"),
    ],
)
def test_vocabulary_errors(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        Tokenizer.from_vocab(path)


def build(*arguments, seed: str = "0") -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "data" / "build_vocab.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONHASHSEED": seed})


def test_build_vocab(tmp_path):
    corpus, first, second = tmp_path / "corpus.txt", tmp_path / "1.txt", tmp_path / "2.txt"
    corpus.write_text("Reading reader\n" * 9 + "鱻鱻鱻龘龘\n氣温37℃ Ⅳ Ⅳ Ⅳ\n" + "coding\n" * 9, encoding="utf-8")
    for output, seed in ((first, "1"), (second, "2")):
        done = build("--input", corpus, "--size", 4700, "--output", output, seed=seed)
        assert done.returncode == 0, done.stderr
    assert first.read_bytes() == second.read_bytes()
    tokens = first.read_text(encoding="utf-8").split("\n")[:-1]
    assert len(tokens) <= 4700
    assert tokens[:5] == list(SPECIAL_TOKENS)
    assert {"鱻", "的", "##ⅳ", "1999", "reading", "##ding"} <= set(tokens)
    assert not {"龘", "##鱻", "##1999", "氣"} & set(tokens)
    Tokenizer.from_vocab(first)


def test_build_vocab_errors(tmp_path):
    absent = tmp_path / "absent.txt"
    errors = {tmp_path / "vocab.txt": f"{absent}: no such file", tmp_path: f"{tmp_path}: is a folder"}
    for output, error in errors.items():
        done = build("--input", absent, "--output", output)
        assert done.returncode == 2
        assert error in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_our_vocabulary_hides_no_edge_of_a_number(ours):
    assert ours.vocab_size == 8000
    assert ours.tokens[:5] == list(SPECIAL_TOKENS)
    assert len(set(ours.tokens)) == 8000
    with_digits = [t for t in ours.tokens if any(c in "0123456789" for c in t) and len(t.removeprefix("##")) > 1]
    assert with_digits == [str(year) for year in range(1900, 2030)]
    ascii_text = "".join(map(chr, range(33, 127)))
    (encoding,) = ours.encode_batch([ascii_text + "，。、；：？！“”‘’（）《》【】—…￥％＋０９Ａｚあア"])
    assert ours.unk_id not in encoding.ids
