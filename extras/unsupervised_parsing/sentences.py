"""Reads sentences, cuts them into spans (tokens or words), and makes pieces of them that an encoder can take."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Protocol

import numpy as np

from common.cli import UserError
from common.config import find_files
from common.files import read_lines
from common.tokenizer import SPECIAL_TOKENS, Tokenizer, load_jieba
from perturb import Piece

MAX_LENGTH = 128  # the most WordPieces in a `Piece`, with [CLS] and [SEP]; the work grows faster than the length
SPAN_TOKENS = 16  # a span with more WordPieces, such as a web address, is cut to its first ones
ENDS = ("。！？!?；;", "，,、：:")  # a long sentence is cut after a mark of the first group, or else of the second

# This tokenizer knows no word, so each word that WordPiece would cut is one [UNK]. Only the offsets matter.
_WORDS = Tokenizer(SPECIAL_TOKENS)


class Segmenter(Protocol):
    """Cuts a text into words or tokens."""

    def __call__(self, text: str, /) -> list[str]:
        """Cut a text that has no white space. The words or tokens together are the text."""


@dataclass(frozen=True)
class Sentence:
    """A line, cut into spans. Together they are the line without its white space."""

    spans: list[str]
    after_space: frozenset[int] = frozenset()  # numbers of the tokens after white space; not set for given words

    @property
    def text(self) -> str:
        return "".join(self.spans)


def read_sentences(path: str, spans: str = "tokens") -> Iterator[tuple[int, Sentence]]:
    """Yield (line number, sentence) of a text file, or of a treebank if the name ends in .conllu.

    `spans` says what the spans are: "tokens", "jieba" (words as jieba cuts them) or "given" (the words of a treebank,
    or of a text with spaces between words). A blank line is a sentence without spans.
    """
    if path.endswith(".conllu"):
        trees = read_treebank(path)
        lines: Iterable[tuple[int, list[str]]] = (
            (tree.line, tree.words if spans == "given" else ["".join(tree.words)]) for tree in trees
        )
    else:
        lines = ((number, line.split()) for number, line in read_lines(path))
    if spans == "tokens":
        cut: Segmenter | None = tokens
    elif spans == "jieba":
        cut = load_jieba().lcut
    else:
        cut = None
    for number, parts in lines:
        yield number, to_sentence(parts, cut) if cut else Sentence(parts)


def to_sentence(parts: list[str], cut: Segmenter) -> Sentence:
    """Cut the parts of a line, which have white space between them, into spans."""
    spans = [cut(part) for part in parts]
    starts = accumulate(map(len, spans))
    return Sentence(list(chain(*spans)), frozenset(starts))


def tokens(text: str) -> list[str]:
    """Cut a text into tokens: Chinese characters, punctuation marks, and runs of letters and digits.

    Characters that are no token for any encoder (accents, control characters) stay with the token before them.

    >>> tokens("她在2009年读过BERT。")
    ['她', '在', '2009', '年', '读', '过', 'BERT', '。']
    """
    starts = np.unique(_WORDS.encode_batch([text])[0].offsets[:, 0])[1:]
    bounds = [0, *starts.tolist(), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def is_mark(span: str) -> bool:
    """Return whether a span has only punctuation marks and symbols."""
    return all(unicodedata.category(character)[0] in "PS" for character in span)


@dataclass(frozen=True)
class Tree:
    """A sentence of a treebank."""

    line: int  # the line of its first word
    words: list[str]
    heads: list[int]  # of each word; heads count from 1, and 0 is the root
    marks: list[bool]  # whether each word is punctuation


def read_text(text: str) -> Iterator[str]:
    """Yield the lines of a file, of a folder's *.txt, or of the files that fit a pattern."""
    for path in find_files(text):
        for _, line in read_lines(path):
            yield line


def read_treebank(path: str) -> Iterator[Tree]:
    """Yield the sentences of a file in CoNLL-U.

    Raises UserError if there is no sentence, if a line is not the next word in ten columns, or if heads do not form a
    tree.
    """
    rows: list[tuple[str, int, bool]] = []
    first, found = 0, False
    for number, line in chain(read_lines(path), [(0, "")]):  # the blank line ends the last sentence
        line = line.rstrip("\r\n")
        columns = line.split("\t")
        if line.startswith("#") or (len(columns) == 10 and re.fullmatch(r"\d+[-.]\d+", columns[0])):
            continue  # a comment, or a multiword token or empty node, which is not in the tree
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
                raise UserError(f"{path}, line {first}: the heads of this sentence do not form a tree")
            yield Tree(first, words, heads, marks)
            rows, found = [], True
    if not found:
        raise UserError(f"{path}: no sentence in CoNLL-U")


def is_tree(heads: list[int]) -> bool:
    """Return whether there is one root, and the heads above every word lead to it."""
    if heads.count(0) != 1 or max(heads) > len(heads):
        return False
    for word in range(1, len(heads) + 1):
        for _ in heads:
            word = heads[word - 1] if word else 0
        if word:
            return False
    return True


def cut_long(sentence: Sentence, tokenizer: Tokenizer, overlap: int) -> list[tuple[int, Piece]]:
    """Cut a sentence into pieces of at most `MAX_LENGTH` WordPieces, after a punctuation mark if possible.

    Args:
        sentence: what to cut.
        tokenizer: of the encoder. It cuts each span into WordPieces by itself.
        overlap: the number of spans that each piece repeats from the end of the piece before it.

    Returns:
        (number of the first span, piece) for each piece.
    """
    encodings = [encoding.ids[:SPAN_TOKENS] for encoding in tokenizer.encode_batch(sentence.spans)]
    ids = [span if len(span) else np.array([tokenizer.unk_id], np.int32) for span in encodings]
    ends = np.cumsum([0, *map(len, ids)])
    found: list[tuple[int, Piece]] = []
    first = 0
    while first < len(ids):
        end = int(np.searchsorted(ends, ends[first] + MAX_LENGTH - 2, "right")) - 1
        if end < len(ids):
            end = _last_mark(sentence.spans, first + 1 + overlap, end)
        token_ids = np.concatenate([[tokenizer.cls_id], *ids[first:end], [tokenizer.sep_id]], dtype=np.int32)
        found.append((first, Piece(token_ids, (ends[first : end + 1] - ends[first] + 1).astype(np.int32))))
        first = end - overlap if end < len(ids) else end
    return found


def _last_mark(spans: list[str], start: int, end: int) -> int:
    """Return where to cut in [start, end]: after the last mark that ends a sentence, else a clause, else at `end`."""
    for marks in ENDS:
        for i in range(end, start - 1, -1):
            if spans[i - 1] in marks:
                return i
    return end
