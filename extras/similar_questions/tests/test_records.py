"""The forms of files of similar questions, which are known by their content."""

import re

import pytest

from common.cli import UserError
from dataset import read_groups
from records import Row, read_rows

ROWS = [Row("怎么退货", "如何退货", True), Row("怎么付款", "退货, 换货", False)]
TABS = "怎么退货\t如何退货\t1\n怎么付款\t退货, 换货\t0\n"
COMMAS = '怎么退货,如何退货,1\n怎么付款,"退货, 换货",0\n'


@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a.csv", "a.json"])
@pytest.mark.parametrize(
    "content",
    [
        TABS,
        COMMAS,
        "\ufeff" + TABS.replace("\n", "\r\n") + "\r\n",
        "\ufeff" + COMMAS.replace("\n", "\r\n"),
        TABS.replace("\t1\n", "\t1.0\n").replace("\t0\n", "\t0.0\n"),
        f"sentence1\tsentence2\tlabel\n{TABS}",
        f"text_a,text_b,label\n{COMMAS}",
        COMMAS.replace("怎么退货", '"怎么退货"'),
        '{"sentence1": "怎么退货", "sentence2": "如何退货", "label": "1"}\n'
        '{"sentence1": "怎么付款", "sentence2": "退货, 换货", "label": 0}\n',
    ],
)
def test_forms_of_pairs(name, content, tmp_path):
    (tmp_path / name).write_bytes(content.encode())
    assert list(read_rows(tmp_path / name)) == ROWS


def test_pairs_without_a_label_are_similar(tmp_path):
    (tmp_path / "a").write_text("怎么退货,如何退货\n怎么付款,在哪付钱\n")
    assert [group.questions for group in read_groups(tmp_path / "a")] == [
        ("怎么退货", "如何退货"),
        ("怎么付款", "在哪付钱"),
    ]


def test_quoted_columns_may_have_line_breaks(tmp_path):
    (tmp_path / "a").write_text('"怎么\n退货",如何退货,1\n怎么付款,在哪付钱,2\n')
    with pytest.raises(UserError, match=r"line 3: .* found '2' in place of 0 or 1"):
        list(read_rows(tmp_path / "a"))


SHARED = {
    "bq.csv": "",
    "clue.jsonl": "",
    "float.tsv": "",
    "header.tsv": "",
    "lcqmc.txt": "",
    "id.tsv": "line 1: .* found 4 columns; if the first one is an id, leave it out (with tabs: cut -f 2-",
    "none.jsonl": "no two similar questions",
    "str.jsonl": 'line 1: expected {"text": question, "synonyms": [question, ...]}',
}


def test_the_shared_files(shared):
    files = list((shared / "cases" / "question_formats").iterdir())
    assert {path.name for path in files} == set(SHARED)
    for path in files:
        if message := SHARED[path.name]:
            with pytest.raises(UserError, match=re.escape(message).replace(r"\.\*", ".*")):
                read_groups(path)
        else:
            assert read_groups(path)[0].questions == ("怎么退货", "如何退货")
