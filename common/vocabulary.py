"""Reads the vocabulary of a published encoder and how it cuts texts, from vocab.txt or from files of `transformers`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import read_json, write_json
from common.tokenizer import Tokenizer
from common.tokens import check_tokens, read_tokens

VOCABULARY, TOKENIZER, SETTINGS = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
# A vocabulary with more words than this for each Chinese character is one of words. One to which a few words were
# appended has fewer.
WORDS_PER_CHARACTER = 0.05
# Key of tokenizer_config.json -> its name in the normalizer of tokenizer.json.
NORMALIZER = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def vocabulary_files(names: set[str]) -> list[str] | None:
    """Return which of the files of a folder or repository are to be read, or None if there is no vocabulary."""
    vocabulary = [name for name in (VOCABULARY, TOKENIZER) if name in names]
    return [vocabulary[0], *({SETTINGS} & names)] if vocabulary else None


def read_tokenizer(folder: Path, names: Sequence[str]) -> Tokenizer:
    """Read the tokenizer from the files that `vocabulary_files` chose.

    `do_lower_case` says whether texts are lower-cased. By default they are. `word_level`, a key of this project, says
    whether words of several Chinese characters are tokens. By default they are if the vocabulary has many of them.

    Raises UserError for a file that is damaged, for a tokenizer of another kind, and for settings that are not
    supported.
    """
    path = folder / names[0]
    tokens, settings = (read_tokens(path), {}) if path.name == VOCABULARY else _read_tokenizer_json(path)
    check_tokens(tokens, path)
    if SETTINGS in names:
        found = read_json(folder / SETTINGS)
        if not isinstance(found, dict):
            raise UserError(f"{folder / SETTINGS}: expected an object")
        settings |= found
        path = folder / SETTINGS
    lower_case = settings.get("do_lower_case", True)
    word_level = settings.get("word_level", len(chinese_words(tokens)) > WORDS_PER_CHARACTER * _characters(tokens))
    for key, value in (("do_lower_case", lower_case), ("word_level", word_level)):
        if not isinstance(value, bool):
            raise UserError(f"{path}: {key} should be true or false, not {value!r}")
    for key, value in (("strip_accents", lower_case), ("tokenize_chinese_chars", True), ("do_basic_tokenize", True)):
        if settings.get(key) not in (None, value):
            raise UserError(f"{path}: {key} is {settings[key]!r}, only {value!r} is supported with it")
    return Tokenizer(tokens, word_level, lower_case)


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write vocab.txt and tokenizer_config.json, which `read_tokenizer` and transformers read."""
    tokenizer.save(folder / VOCABULARY)
    write_json(folder / SETTINGS, {"do_lower_case": tokenizer.lower_case, "word_level": tokenizer.word_level})


def chinese_words(tokens: Sequence[str]) -> list[str]:
    """Return the tokens that are words of several Chinese characters."""
    return [token for token in tokens if len(token) > 1 and CHINESE.fullmatch(token)]


def _characters(tokens: Sequence[str]) -> int:
    return sum(len(token) == 1 and CHINESE.fullmatch(token) is not None for token in tokens)


def _read_tokenizer_json(path: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the tokens and the settings of a tokenizer.json, the settings as in tokenizer_config.json.

    An id without a token gets a name that no text contains. ERNIE 3.0 has such an id, as one of its tokens is twice in
    its vocab.txt.
    """
    match read_json(path):
        case {"model": {"vocab": dict(found), **model}, **rest}:
            vocabulary: dict[str, Any] = found
        case _:
            raise UserError(f'{path}: expected {{"model": {{"type": "WordPiece", "vocab": {{TOKEN: ID, ...}}}}}}')
    if model.get("type", "WordPiece") != "WordPiece" or model.get("continuing_subword_prefix", "##") != "##":
        raise UserError(f"{path}: a tokenizer of type {model.get('type')!r}, expected WordPiece with the prefix '##'")
    added = rest.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, dict) and "content" in token for token in added):
        raise UserError(f"{path}: added_tokens is not a list of objects with a content")
    vocabulary |= {str(token["content"]): token.get("id") for token in added}
    most = 2 * len(vocabulary)  # a file of a few bytes could ask for all memory
    tokens: dict[int, str] = {}
    for token, token_id in vocabulary.items():
        if type(token_id) is not int or not 0 <= token_id < most:
            raise UserError(f"{path}: token {token!r} has id {token_id!r}, expected 0 to {len(vocabulary) - 1}")
        tokens[token_id] = token if token.split() == [token] else f"[id{token_id}]"  # white space ends a token
    normalizer = rest.get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        raise UserError(f"{path}: expected a normalizer of type BertNormalizer")
    settings = {key: normalizer[name] for key, name in NORMALIZER.items() if name in normalizer}
    return [tokens.get(i, f"[id{i}]") for i in range(max(tokens, default=-1) + 1)], settings
