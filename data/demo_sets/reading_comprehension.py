"""Composes the demo set of reading comprehension, in the form of DuReader-robust."""

import json
from random import Random
from typing import Any

from names import SPLITS, Maker, Slots, md5


def parse(lines: str) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Read lines of the form SENTENCE | SLOT QUESTION/QUESTION ... | SLOT QUESTION/QUESTION ...

    What is in a slot answers each of the slot's questions.
    """
    facts = []
    for line in lines.strip().splitlines():
        text, *rest = line.split(" | ")
        asked = []
        for item in rest:
            slot, questions = item.split(" ")
            asked.append((slot, questions.split("/")))
        facts.append((text, asked))
    return facts


FACTS = {
    "person": parse("""
{person}出生于{city} | city {person}出生在哪里/{person}是哪里人
{date}，{person}在{city}出生 | date {person}什么时候出生/{person}哪一年出生的 | city {person}在哪个城市出生
{person}毕业于{school} | school {person}毕业于哪所学校/{person}是哪个学校毕业的/{person}的母校
{person}的妻子是{person2} | person2 {person}的妻子是谁/{person}的老婆叫什么名字
{person}之父{person2}是一名教师 | person2 {person}的父亲是谁/{person}的爸爸叫什么
{person}在{date}获得了{award} | award {person}得过什么奖/{person}获得了哪个奖项 | date {person}什么时候获奖
{person}现任{company}董事长 | company {person}在哪家公司当董事长/{person}是哪家公司的董事长
{person}今年{age} | age {person}今年多大/{person}几岁了
{person}的代表作是《{film}》 | film {person}的代表作是什么/{person}的代表作叫什么
"""),
    "film": parse("""
《{film}》由{person}执导 | person {film}的导演是谁/谁执导了{film}
《{film}》由{person}和{person2}主演 | person {film}的第一主演是谁
《{film}》于{date}上映 | date {film}什么时候上映/{film}上映时间
《{film}》的票房达到{money} | money {film}的票房是多少/{film}票房多少钱
《{film}》在{city}取景 | city {film}在哪里取景/{film}拍摄地点
《{film}》改编自{person}的小说《{book}》 | book {film}改编自哪部小说/{film}的原著叫什么 | person {film}的原著作者是谁
"""),
    "company": parse("""
{company}成立于{date} | date {company}什么时候成立/{company}成立时间
{company}总部位于{city} | city {company}总部在哪里/{company}在哪个城市
{company}的创始人是{person} | person {company}是谁创办的/{company}的创始人
{company}共有员工{people} | people {company}有多少员工/{company}员工人数
{company}去年以{money}收购了{company2} | money {company}收购花了多少钱 | company2 {company}收购了哪家公司
"""),
    "contest": parse("""
{contest}在{city}举行 | city {contest}在哪里举行/{contest}举办地
{team}夺得{contest}冠军 | team {contest}冠军是谁/谁拿了{contest}的冠军
{contest}将于{date}开赛 | date {contest}什么时候开始/{contest}开赛时间
{person}在{contest}决赛中输给{person2} | person {contest}的亚军是谁 | person2 谁赢了{contest}的决赛
"""),
}
FILLERS = (
    "大家都很关心这件事",
    "具体情况以官方消息为准",
    "以上内容仅供参考",
    "希望能帮到你",
    "更多消息请继续关注",
    "这里就不多说了",
)


def passage(maker: Maker) -> dict[str, Any]:
    """Compose a context and its questions with their answers.

    The context holds facts about a few things, sometimes about two of one kind. The questions ask for some of them.
    """
    rng = maker.rng
    sentences, asked = [], []
    for topic in rng.choices(list(FACTS), k=rng.choices((1, 2, 3, 12), (30, 45, 22, 3))[0]):
        subject = {topic: maker.make(topic)}
        for text, questions in rng.sample(FACTS[topic], rng.randint(2, 4)):
            slots = Slots(maker, subject)
            sentences.append(text.format_map(slots))
            asked += [(rng.choice(forms).format_map(slots), slots[slot]) for slot, forms in questions]
    sentences += rng.sample(FILLERS, rng.choice((0, 1, 2)))
    rng.shuffle(sentences)
    context = rng.choice(("", "", "答：", "　　"))
    for sentence in sentences:
        context += sentence + rng.choice(("。", "。", "，", "；", "\n"))
    return {
        "context": context,
        "qas": [
            {"question": question + rng.choice(("", "", "？")), "answer": answer}
            for question, answer in rng.sample(asked, min(len(asked), rng.choice((1, 1, 2))))
        ],
    }


def answers(context: str, answer: str, rng: Random, located: bool) -> list[dict[str, Any]]:
    """Return the answers to a question as annotators give them.

    Some come a second time with the character after them. Rarely one is empty.

    Args:
        context: the context, which holds the answer
        answer: what answers the question
        rng: random generator
        located: whether the answers come with their places in the context; if not, these are -1
    """
    start = context.index(answer)
    found = [(answer, start)]
    if rng.random() < 0.2:
        found.append((context[start : start + len(answer) + 1], start))
    if rng.random() < 0.003:
        found.append(("", start))
    return [{"text": text, "answer_start": start if located else -1} for text, start in found]


def files(seed: int) -> dict[str, str]:
    """Return the contents of the files by name.

    As in the official files, dev has no offsets and test has no answers.
    """
    maker = Maker(seed)
    contents = {}
    for split, size in SPLITS.items():
        paragraphs, count = [], 0
        while count < size:
            made = passage(maker)
            context, qas = made["context"], made["qas"][: size - count]
            count += len(qas)
            questions = []
            for item in qas:
                question = {"question": item["question"], "id": md5(context + item["question"])}
                if split != "test":
                    question["answers"] = answers(context, item["answer"], maker.rng, located=split == "train")
                questions.append(question)
            paragraphs.append({"context": context, "qas": questions})
        data = {"data": [{"paragraphs": paragraphs, "title": ""}]}
        contents[f"{split}.json"] = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    return contents
