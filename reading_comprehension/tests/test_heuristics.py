from heuristics import first_sentences, nearest_sentences, sentences
from records import Question

CONTEXT = "云汀大学在北方。何川是谁？\n他的母校是云汀大学!江月毕业于南湖大学"


def test_sentences():
    assert sentences(CONTEXT) == ["云汀大学在北方", "何川是谁", "他的母校是云汀大学", "江月毕业于南湖大学"]
    assert sentences(" \n。") == []


def test_the_nearest_sentence_shares_the_rare_characters():
    asked = [Question("a", "江月毕业于哪里", CONTEXT, ()), Question("b", "何川的母校", CONTEXT, ())]
    assert nearest_sentences(asked) == {"a": "江月毕业于南湖大学", "b": "他的母校是云汀大学"}
    assert first_sentences(asked) == {"a": "云汀大学在北方", "b": "云汀大学在北方"}


def test_a_question_that_shares_nothing_gets_an_answer():
    asked = [Question("a", "x", CONTEXT, ()), Question("b", "", CONTEXT, ()), Question("c", "何川", "", ())]
    assert nearest_sentences(asked) == {"a": "云汀大学在北方", "b": "云汀大学在北方", "c": ""}
