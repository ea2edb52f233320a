"""Tests that encoders load in the forms in which people have them, or that a message says what is not supported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from common.cli import UserError
from common.encoder import build_encoder, resolve_encoder, save_encoder
from common.files import read_json
from encoder_folders import CONFIG, INPUTS, VOCABULARY, load, write_folder
from encoder_folders import folder as folder

KINDS = Path(__file__).parents[2] / "shared" / "encoders" / "kinds"
DOCUMENT = Path(__file__).parents[1] / "docs" / "encoders.md"
REFUSED = {
    "padlast": r"padlast/vocab.txt, line 119: \[PAD\] is expected on line 1, because token 0 is padding here; exchange",
    "roberta-decoder": "config.json: is_decoder is True, only False is supported",
    "roformer-v2": "config.json: norm_type is 'rms_norm', only 'layer_norm' is supported",
    "tf-albert-brightmart": "the first form of brightmart's ALBERT .* expected Google's form, such as albert_tiny_goo",
}
# What each kind is said to be, on standard error.
NOTES = {
    "ernie1": "embeddings that have no token in the vocabulary and are left out: 4",
    "padded-vocab": "embeddings that have no token in the vocabulary and are left out: 8",
    "ernie3-twice": "tokens that are twice in the vocabulary, where the later line is their id: $",
    "appended": "tokens at the end of the vocabulary that have no embeddings and get fresh ones: 1",
    "wobert": "texts are cut into words; words of several Chinese characters in the vocabulary: 3",
}


@pytest.mark.skipif(not KINDS.exists(), reason="needs ../shared")
@pytest.mark.parametrize("kind", sorted(path.name for path in KINDS.glob("*")))
def test_kinds_that_people_have(kind, capsys):
    """The hidden states and scores are those of transformers, or the folder is refused with the reason."""
    if kind in REFUSED:
        with pytest.raises(UserError, match=REFUSED[kind]):
            load(str(KINDS / kind))
        return
    gold = np.load(KINDS / kind / "expected.npz")
    inputs, real = [gold["ids"], gold["seg"]], gold["att"] == 1
    encoder, _ = load(str(KINDS / kind))
    np.testing.assert_allclose(encoder(inputs).numpy()[real], gold["h"][real], atol=1e-4)
    assert NOTES.get(kind, "") in capsys.readouterr().err
    if kind == "untied":
        with pytest.raises(UserError, match="tie_word_embeddings is false"):
            load(str(KINDS / kind), with_mlm=True)
    elif (KINDS / kind / "logits.npy").exists():
        encoder, report = load(str(KINDS / kind), with_mlm=True)
        assert report.missing == []
        scores = np.load(KINDS / kind / "logits.npy")
        np.testing.assert_allclose(encoder(inputs)[1].numpy()[real], scores[real], atol=1e-4)


def test_the_document_has_a_row_for_each_kind():
    rows = [line.split(" | ")[0].removeprefix("| ") for line in DOCUMENT.read_text(encoding="utf-8").splitlines()]
    kinds = read_json(DOCUMENT.with_suffix(".json"))
    assert all(rows.count(kind) == 1 for kind, _ in kinds.values())
    assert {path.name for path in KINDS.glob("*")} <= kinds.keys()


@pytest.mark.skipif(not KINDS.exists(), reason="needs ../shared")
def test_texts_are_cut_as_each_vocabulary_says():
    def tokens(kind, text):
        tokenizer = resolve_encoder(str(KINDS / kind)).tokenizer
        return [tokenizer.tokens[i] for i in tokenizer.encode_batch([text])[0].ids]

    assert tokens("cased", "A b中国") == ["A", "b", "中", "国"]
    assert tokens("bge", "A b中国") == ["a", "b", "中", "国"]
    assert tokens("saved-by-transformers5", "A b中国") == ["a", "b", "中", "国"]
    assert tokens("wobert", "中国的小说") == ["中国", "的", "小说"]
    assert tokens("appended", "新词") == ["[UNK]", "[UNK]"]  # as in transformers; the note says how to change it
    twice = resolve_encoder(str(KINDS / "ernie3-twice")).tokenizer
    assert twice.encode_batch(["$"])[0].ids.tolist() == [100]
    assert twice.tokens[90] == twice.tokens[100] == "$"


def edit(folder: Path, vocabulary: list[str] | None = None, **settings: object) -> str:
    if vocabulary:
        (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return str(folder)


def test_more_embeddings_than_tokens(folder, tmp_path, capsys):
    """They are cut off, so no command can choose an id without a token. What is saved has the vocabulary's size."""
    whole, _ = load(str(folder), with_mlm=True)
    spec = edit(folder, VOCABULARY[:-2])
    encoder, _ = load(spec, with_mlm=True)
    assert "no token in the vocabulary and are left out: 2" in capsys.readouterr().err
    inputs = [np.minimum(INPUTS[0], 10), INPUTS[1]]
    for cut, full in zip(encoder(inputs), whole(inputs), strict=True):
        np.testing.assert_allclose(cut, full[..., : cut.shape[-1]], atol=1e-6)
    save_encoder(encoder, resolve_encoder(spec), tmp_path / "saved")
    saved, report = load(str(tmp_path / "saved"), with_mlm=True)
    assert report.missing == []
    np.testing.assert_array_equal(saved(inputs)[1], encoder(inputs)[1])


def test_more_tokens_than_embeddings(folder, tmp_path, capsys):
    """The new rows are those of a fresh encoder, and every load makes the same ones."""
    spec = edit(folder, [*VOCABULARY, "日", "月"])
    rows = [load(spec)[0].get_layer("Embedding-Token").get_weights()[0] for _ in range(2)]
    assert "that have no embeddings and get fresh ones: 2" in capsys.readouterr().err
    np.testing.assert_array_equal(*rows)
    published = load_file(folder / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(rows[0][:-2], published)
    assert 0 < np.abs(rows[0][-2:]).min() < np.abs(rows[0][-2:]).max() <= 0.04
    assert (rows[0][-2] != rows[0][-1]).all()


@pytest.mark.parametrize("prefix", ["roberta.", "encoder.", "0.auto_model.", "model.text_encoder.", "a.bert."])
def test_names_that_differ_by_a_prefix(folder, prefix):
    expected = load(str(folder))[0](INPUTS)
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("bert.", prefix, 1): value for name, value in weights.items()}
    save_file(renamed, folder / "model.safetensors")
    np.testing.assert_array_equal(load(str(folder))[0](INPUTS), expected)


def test_other_names_and_two_encoders(folder):
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name.replace("word_emb", "tok_emb"): value for name, value in weights.items()}, folder / "model.safetensors"
    )
    with pytest.raises(
        UserError, match="lacks 1 tensors.* bert/embeddings/word_embeddings; the most similar .*tok_emb"
    ):
        load(str(folder))
    two = {f"{side}.{name.removeprefix('bert.')}": weights[name] for side in ("query", "passage") for name in weights}
    save_file(two, folder / "model.safetensors")
    with pytest.raises(UserError, match="lacks 37 tensors.* most similar of its other names is (query|passage)/"):
        load(str(folder))
    others = {name.replace("bert.", "teacher.bert."): value + 1 for name, value in weights.items()}
    save_file(weights | others, folder / "model.safetensors")
    with pytest.raises(UserError, match="is a second bert/.*; expected the weights of one encoder"):
        load(str(folder))


def tokenizer_json(vocabulary: dict[str, Any], lower_case: bool = True, **changes: object) -> str:
    normalizer = {
        "type": "BertNormalizer",
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": lower_case,
    }
    model = {"type": "WordPiece", "continuing_subword_prefix": "##", "vocab": vocabulary}
    added = [{"id": i, "content": token, "special": True} for token, i in list(vocabulary.items())[:5]]
    return json.dumps({"added_tokens": added, "normalizer": normalizer, "model": model} | changes)


def test_a_vocabulary_in_tokenizer_json(folder):
    (folder / "vocab.txt").unlink()
    vocabulary = {token: i for i, token in enumerate(VOCABULARY) if token != "玄"}  # as if it were there twice
    (folder / "tokenizer.json").write_text(tokenizer_json(vocabulary, lower_case=False), encoding="utf-8")
    tokenizer = resolve_encoder(str(folder)).tokenizer
    assert tokenizer.tokens == ["[id7]" if token == "玄" else token for token in VOCABULARY]
    assert not tokenizer.lower_case
    assert resolve_encoder(edit(folder, do_lower_case=True)).tokenizer.lower_case  # as in transformers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", 'tokenizer.json: expected {"model"'),
        (tokenizer_json({}), r"tokenizer.json: the vocabulary lacks \[PAD\]"),
        (tokenizer_json({"天": 10**12}), "tokenizer.json: token '天' has id 1000000000000, expected 0 to 0"),
        (tokenizer_json({"天": "1"}), "tokenizer.json: token '天' has id '1'"),
        (tokenizer_json({}, model={"type": "BPE", "vocab": {}}), "a tokenizer of type 'BPE', expected WordPiece"),
        (tokenizer_json({}, added_tokens=[[]]), "added_tokens is not a list of objects"),
        (tokenizer_json({}, added_tokens=[{"content": []}]), r"token '\[\]' has id None"),
        (tokenizer_json({}, normalizer={"type": "Lowercase"}), "expected a normalizer of type BertNormalizer"),
    ],
)
def test_what_tokenizer_json_must_have(folder, content, message):
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message.replace("{", r"\{")):
        resolve_encoder(str(folder))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_lower_case": "no"}, "do_lower_case should be true or false, not 'no'"),
        ({"strip_accents": False}, "strip_accents is False, only True is supported"),
        ({"do_lower_case": False, "strip_accents": True}, "strip_accents is True, only False is supported"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars is False, only True is supported"),
    ],
)
def test_settings_of_tokenizers_that_are_not_supported(folder, settings, message):
    with pytest.raises(UserError, match=f"tokenizer_config.json: {message}"):
        resolve_encoder(edit(folder, **settings))


@pytest.mark.parametrize("options", [{"lower_case": False}, {"word_level": True}])
def test_a_saved_encoder_cuts_texts_as_before(folder, tmp_path, options):
    settings = {"do_lower_case": options.get("lower_case", True), "word_level": options.get("word_level", False)}
    source = resolve_encoder(edit(folder, **settings))
    save_encoder(build_encoder(source.architecture, 0), source, tmp_path / "saved")
    tokenizer = resolve_encoder(str(tmp_path / "saved")).tokenizer
    assert (tokenizer.lower_case, tokenizer.word_level) == (settings["do_lower_case"], settings["word_level"])


def test_a_few_words_are_noted_and_many_are_cut(folder):
    few, many = [*VOCABULARY[:-1], "天地"], [*VOCABULARY[:-1], "天地", "玄黄"]
    assert not resolve_encoder(edit(folder, [*few, *map(chr, range(0x4E00, 0x4E20))])).tokenizer.word_level
    assert resolve_encoder(edit(folder, many)).tokenizer.word_level
    assert not resolve_encoder(edit(folder, many, word_level=False)).tokenizer.word_level


def test_a_random_head_is_said_where_it_is_loaded(folder, tmp_path, capsys):
    source = resolve_encoder(str(folder))
    encoder = build_encoder(source.architecture, 0, with_mlm=True)
    save_encoder(encoder, source, tmp_path / "fresh")
    for name, said in (("fresh", True), ("trained", False), ("chinese_roberta_wwm_large_ext_L-24_H-1024_A-16", True)):
        if name == "trained":
            bias = encoder.get_layer("MLM-Bias").weights[0]
            bias.assign(bias + 1)
            save_encoder(encoder, source, tmp_path / name)
        elif name != "fresh":
            (tmp_path / "trained").rename(tmp_path / name)
        capsys.readouterr()
        load(str(tmp_path / name), with_mlm=True)
        assert ("its masked-language-model head is random" in capsys.readouterr().err) == said
        load(str(tmp_path / name))
        assert "is random" not in capsys.readouterr().err


def test_the_generator_s_head_is_not_the_discriminator_s(folder, capsys):
    weights = load_file(folder / "model.safetensors")
    weights |= {"discriminator_predictions.dense.bias": np.ones(8), "generator_predictions.dense.bias": np.ones(4)}
    save_file(weights, folder / "model.safetensors")
    _, report = load(str(folder), with_mlm=True)
    assert len(report.missing) == 5
    assert "not in the file, so fresh: cls/predictions (5)" in capsys.readouterr().err


def test_the_config_of_a_discriminator_is_found_by_its_name(tmp_path):
    for name in ("electra_config.json", "small_discriminator_config.json", "discriminator.json"):
        path = Path(write_folder(tmp_path / name.replace(".", "_"), name, CONFIG))
        save_file({"electra.embeddings.word_embeddings.weight": np.zeros((13, 8))}, path / "model.safetensors")
        assert resolve_encoder(str(path)).architecture["model"] == "electra"
