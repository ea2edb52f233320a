import json

import pytest

CONTEXT = "何川去世"


@pytest.fixture
def check(tmp_path, check_zipped):
    """Check answers to questions 0 to 2. Return standard output, standard error and the exit code."""

    def check(answers):
        questions = [{"question": "谁", "id": number} for number in range(3)]
        data = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": questions}]}]}
        (tmp_path / "input.json").write_text(json.dumps(data), encoding="utf-8")
        return check_zipped(json.dumps(answers), "--input", tmp_path / "input.json")

    return check


def test_a_good_file(check):
    assert check({"0": "何川", "1": "何", "2": "去世"}) == ("OK: 3 answers\n", "", 0)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"0": "何川", "1": "何"}, "problem: input.json, id 2: a question has no answer"),
        (dict.fromkeys("0123", "何"), "problem: result.zip, id 3: an id is not in the input"),
        ({"0": "何川", "1": 1, "2": "何"}, "result.zip: the answer of '1' is not a string"),
        (["何川"], "result.zip: expected a JSON object"),
    ],
)
def test_what_the_leaderboard_would_not_take(check, answers, message):
    out, err, code = check(answers)
    assert (out, code) == ("", 2)
    assert message in err


def test_odd_answers_are_warnings(check):
    out, err, code = check({"0": "", "1": "谁", "2": "何"})
    assert (out, code) == ("OK: 3 answers\n", 0)
    assert err == (
        "warning: result.zip, id 0: an empty answer\nwarning: result.zip, id 1: an answer is not in its context\n"
    )
