"""Composes the demo set of named entities, in the form of CLUENER 2020."""

from typing import Any

from names import Maker, Slots, fill, json_lines

# kind of a slot -> label; other slots have none. <label:...> is an entity with slots in it.
ENTITY_LABELS = {
    "address": "address",
    "county": "address",
    "city": "address",
    "book": "book",
    "company": "company",
    "game": "game",
    "office": "government",
    "film": "movie",
    "person": "name",
    "role": "name",
    "team": "organization",
    "position": "position",
    "sight": "scene",
}
ENTITIES = """
{company}{position}{person}昨天在{city}说
{person}曾任{office}{position}，现住{address}
{office}提醒市民，{address}今起封闭施工
{person}带领{team}来到{city}，{position}{person2}没有随队
{team}{position}{person}赛后说，{team}还会更好
{person}和{person2}都为{team}效力过
小说《{book}》的作者是{person}
{person}的新书《{book}》写的是{sight}
《{book}》由{company}出版，{position}{person}作序
电影《{film}》请来{person}出演{role}
{person}执导的《{film}》本周上映，{company}出品
影迷在{city}{address}排队看《{film}》
网游《{game}》由{company}开发，今天公测
{company}的{game}有{number}万玩家
玩家{person}把《{game}》通关了，他是{company}的{position}
{sight}位于{county}，门票{money}
周末去{sight}还是{sight2}？{person}更喜欢{sight}
{office}称，{sight}{date}重新开放
{county}{office}{position}{person}到{sight}考察
{company}搬到了{address}，{company2}留在{address2}
{company}与{company2}在{city}签约，{office}{position}{person}出席
先有小说《<book:{title}>》，后有电影《<movie:{title}>》，{person}都看过
《<movie:{title}>》改编自网游《<game:{title}>》，由{person}主演
<organization:{city}{team}>在{city}主场迎战{team2}
<scene:{address}旧址>免费参观，{position}{person}当讲解
<government:{county}派出所>的{person}抓到了小偷
<company:{person}工作室>回应：{person}没有去过{city}
{role}是《{film}》里的{position}，也是《{game}》里的{position2}
从{city}到{city2}，再到{city}，{person}走了{number}天
今天有小雨，气温{number}度
""".strip().splitlines()
ENTITY_SPLITS = {"train": 400, "dev": 100, "test": 50}


def compose_entities(maker: Maker) -> dict[str, Any]:
    """Compose a text from one template, sometimes from two, with other words around them.

    The row has text and label. The latter leads from each label to its strings, and from each string to its places:
    [first character, last character].
    """
    rng = maker.rng
    text = rng.choice(("近日，", "据悉，", "【快讯】")) if rng.random() < 0.2 else ""
    found = []
    for number, template in enumerate(rng.sample(ENTITIES, rng.choices((1, 2), (75, 25))[0])):
        text += "；" if number else ""
        filled, places = fill(template, Slots(maker, {}), len(text))
        text += filled
        for name, spans in places.items():
            label = ENTITY_LABELS.get(name.rstrip("0123456789"), name)
            found += [(start, end, label) for start, end in spans if label in ENTITY_LABELS.values()]
    labels: dict[str, dict[str, list[list[int]]]] = {}
    for start, end, label in sorted(found):
        labels.setdefault(label, {}).setdefault(text[start:end], []).append([start, end - 1])
    return {"text": text + rng.choice(("", "。")), "label": labels}


def files(seed: int) -> dict[str, str]:
    """Return the contents of the files by name. Test has only texts and ids."""
    maker = Maker(seed)
    contents = {"schema.json": json_lines({"label": label} for label in sorted(set(ENTITY_LABELS.values())))}
    for split, size in ENTITY_SPLITS.items():
        rows = [compose_entities(maker) for _ in range(size)]
        if split == "test":
            rows = [{"id": number, "text": row["text"]} for number, row in enumerate(rows)]
        contents[f"{split}.json"] = json_lines(rows)
    return contents
