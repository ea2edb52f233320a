"""Lines of text -> sentences of spans (tokens or words) -> pieces that an encoder takes."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

import numpy as np

from common.cli import UserError
from common.files import read_lines
from common.tokenizer import SPECIAL_TOKENS, Tokenizer, load_jieba
from perturb import Piece

MAX_LENGTH = 128  # tokens of a piece with [CLS] and [SEP]: a sentence is masked in as many ways as it has tokens
SPAN_TOKENS = 16  # so many tokens stand for a longer span, as an address on the web
ENDS = ("。！？!?；;", "，,、：:")  # after which a long sentence is cut, the first before the second

# Knows no word, so each word that WordPiece would cut is one [UNK]; what matters are its offsets.
_WORDS = Tokenizer(SPECIAL_TOKENS)


@dataclass(frozen=True)
class Sentence:
    """Spans of a line, which has nothing else but white space."""

    spans: list[str]
    after_space: frozenset[int] = frozenset()  # the spans before which the line has white space

    @property
    def text(self) -> str:
        return "".join(self.spans)


def read_sentences(path: str, spans: str = "tokens") -> Iterator[tuple[int, Sentence]]:
    """(line number, sentence) of a text file, or of a treebank, whose name ends in .conllu. `spans` are "tokens", words
    by "jieba", or "given": by spaces, or by the treebank. A blank line is a sentence without spans.
    """
    if path.endswith(".conllu"):
        trees = read_treebank(path)
        lines = ((tree.line, tree.words if spans == "given" else ["".join(tree.words)]) for tree in trees)
    else:
        lines = ((number, line.split()) for number, line in read_lines(path))
    if spans == "tokens":
        cut = tokens
    elif spans == "jieba":
        cut = load_jieba().lcut
    else:
        cut = None
    for number, parts in lines:
        yield number, to_sentence(parts, cut) if cut else Sentence(parts)


def to_sentence(parts: list[str], cut: Callable[[str], list[str]]) -> Sentence:
    """`cut` takes what is between white space to its spans."""
    parts = [cut(part) for part in parts]
    starts = accumulate(map(len, parts))
    return Sentence(list(chain(*parts)), frozenset(starts))


def tokens(text: str) -> list[str]:
    """A Chinese character, a punctuation mark, or a run of letters and digits each; what is no token of any encoder
    (accents, control characters) stays with the token before it.
    """
    starts = np.unique(_WORDS.encode_batch([text])[0].offsets[:, 0])[1:]
    bounds = [0, *starts.tolist(), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def is_mark(span: str) -> bool:
    """Whether all of it is punctuation or symbols."""
    return all(unicodedata.category(character)[0] in "PS" for character in span)


@dataclass(frozen=True)
class Tree:
    """A sentence of a treebank."""

    line: int  # where it begins
    words: list[str]
    heads: list[int]  # of each word, from 1; 0 is the root
    marks: list[bool]  # the word is punctuation


def read_treebank(path: str) -> Iterator[Tree]:
    """Sentences of a file in CoNLL-U. Raises UserError: no such sentence, a line without ten columns, heads that are
    no tree.
    """
    rows, first, found = [], 0, False
    for number, line in chain(read_lines(path), [(0, "")]):
        line = line.rstrip("\r\n")
        columns = line.split("\t")
        if line.startswith("#") or (len(columns) == 10 and re.fullmatch(r"\d+[-.]\d+", columns[0])):  # not syntax
            continue
        if line.strip():
            if len(columns) != 10 or columns[0] != str(len(rows) + 1) or not re.fullmatch(r"\d{1,9}", columns[6]):
                raise UserError(f"{path}, line {number}: expected word {len(rows) + 1} in the ten columns of CoNLL-U")
            first = first if rows else number
            rows.append((columns[1], int(columns[6]), columns[3] == "PUNCT"))
        elif rows:
            words = [word for word, _, _ in rows]
            heads = [head for _, head, _ in rows]
            marks = [mark for _, _, mark in rows]
            if not is_tree(heads):
                raise UserError(f"{path}, line {first}: the heads of this sentence are no tree")
            yield Tree(first, words, heads, marks)
            rows, found = [], True
    if not found:
        raise UserError(f"{path}: no sentence in CoNLL-U")


def is_tree(heads: list[int]) -> bool:
    """Whether every word comes to the one root."""
    if heads.count(0) != 1 or max(heads) > len(heads):
        return False
    for word in range(1, len(heads) + 1):
        for _ in heads:
            word = heads[word - 1] if word else 0
        if word:
            return False
    return True


def cut_long(sentence: Sentence, tokenizer: Tokenizer, overlap: int) -> list[tuple[int, Piece]]:
    """(first span, piece) of all pieces of a sentence, of at most `MAX_LENGTH` tokens; cut after a mark where there is
    one. Each begins with the last `overlap` spans of the one before.
    """
    encodings = [encoding.ids[:SPAN_TOKENS] for encoding in tokenizer.encode_batch(sentence.spans)]
    ids = [span if len(span) else np.array([tokenizer.unk_id], np.int32) for span in encodings]
    ends = np.cumsum([0, *map(len, ids)])
    found, first = [], 0
    while first < len(ids):
        end = int(np.searchsorted(ends, ends[first] + MAX_LENGTH - 2, "right")) - 1
        if end < len(ids):
            end = _last_mark(sentence.spans, first + 1 + overlap, end)
        token_ids = np.concatenate([[tokenizer.cls_id], *ids[first:end], [tokenizer.sep_id]], dtype=np.int32)
        found.append((first, Piece(token_ids, (ends[first : end + 1] - ends[first] + 1).astype(np.int32))))
        first = end - overlap if end < len(ids) else end
    return found


def _last_mark(spans: list[str], start: int, end: int) -> int:
    """Behind the last span that ends a sentence, else a clause, among those that end in [start, end]; else `end`."""
    for marks in ENDS:
        for i in range(end, start - 1, -1):
            if spans[i - 1] in marks:
                return i
    return end
