"""Composes the demo set of relation extraction, in the form of DuIE 2.0."""

import re
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from names import CLOSINGS, PRELUDES, SPLITS, Maker, Slots, json_lines

# predicate -> (subject type, object type of every slot), as in the official schema
SCHEMA = {
    "毕业院校": ("人物", {"@value": "学校"}),
    "配音": ("娱乐人物", {"inWork": "影视作品", "@value": "人物"}),
    "所属专辑": ("歌曲", {"@value": "音乐专辑"}),
    "父亲": ("人物", {"@value": "人物"}),
    "作者": ("图书作品", {"@value": "人物"}),
    "上映时间": ("影视作品", {"inArea": "地点", "@value": "Date"}),
    "票房": ("影视作品", {"inArea": "地点", "@value": "Number"}),
    "妻子": ("人物", {"@value": "人物"}),
    "歌手": ("歌曲", {"@value": "人物"}),
    "获奖": ("娱乐人物", {"inWork": "作品", "onDate": "Date", "@value": "奖项", "period": "Number"}),
    "丈夫": ("人物", {"@value": "人物"}),
    "饰演": ("娱乐人物", {"inWork": "影视作品", "@value": "人物"}),
    "董事长": ("企业", {"@value": "人物"}),
    "导演": ("影视作品", {"@value": "人物"}),
    "主演": ("影视作品", {"@value": "人物"}),
    "成立日期": ("机构", {"@value": "Date"}),
}


class Template(NamedTuple):
    """A text with slots, and the relations between them that it states."""

    text: str
    relations: list[list[str]]


class Sentence(NamedTuple):
    """A text, and its triples in the official form."""

    text: str
    triples: list[dict[str, Any]]


def parse(tables: dict[str, str]) -> dict[str, list[Template]]:
    """Read lines of the form TEXT | RELATION | RELATION ... A line that starts with "|" continues the one above.

    The text names slots as {kind} or {kind2}. A relation is PREDICATE SUBJECT OBJECT [SLOT=OBJECT ...].
    """
    parsed = {}
    for topic, lines in tables.items():
        rows = (line.split(" | ") for line in lines.strip().replace("\n|", " |").split("\n"))
        parsed[topic] = [Template(text, [relation.split() for relation in rest]) for text, *rest in rows]
    return parsed


# Every opening of a topic names the topic, so that a tail can go on about it.
OPENINGS = parse(
    {
        "film": """
《{film}》由{person}执导 | 导演 film person
电影《{film}》的导演是{person} | 导演 film person
{person}执导的《{film}》于{date}上映 | 导演 film person | 上映时间 film date
由{person}执导，{person2}、{person3}主演的《{film}》定档{date}
| 导演 film person | 主演 film person2 | 主演 film person3 | 上映时间 film date
导演{person}的新片《{film}》请来{person2}出演女主角 | 导演 film person | 主演 film person2
{person}、{person2}联合执导的《{film}》{date}首播 | 导演 film person | 导演 film person2 | 上映时间 film date
《{film}》（{date}）主演：{person}，{person2}，{person3}
| 上映时间 film date | 主演 film person | 主演 film person2 | 主演 film person3
《{film}》由{person}和{person2}领衔主演 | 主演 film person | 主演 film person2
《{film}》{date}在{area}上映 | 上映时间 film date inArea=area
《{film}》{date}登陆{area}，{date2}在{area2}公映
| 上映时间 film date inArea=area | 上映时间 film date2 inArea=area2
{area}观众{date}就能看到《{film}》 | 上映时间 film date inArea=area
《{film}》上映日期：{date}（{area}），{date2}（{area2}）
| 上映时间 film date inArea=area | 上映时间 film date2 inArea=area2
《{film}》累计票房突破{money} | 票房 film money
《{film}》在{area}拿下{money}票房 | 票房 film money inArea=area
《{film}》在{area}收获{money}票房，在{area2}收获{money2}
| 票房 film money inArea=area | 票房 film money2 inArea=area2
影片《{film}》{area}票房{money}，{area2}票房{money2}
| 票房 film money inArea=area | 票房 film money2 inArea=area2
{person}主演的《{film}》以{money}票房收官 | 主演 film person | 票房 film money
《{film}》票房：{money}；《{film2}》票房：{money2} | 票房 film money | 票房 film2 money2
{person}执导的《{film}》杀青，{person}说拍得很顺利 | 导演 film person
《{film}》主演：{person}（饰{role}），{person2}（饰{role2}）
| 主演 film person | 饰演 person role inWork=film | 主演 film person2 | 饰演 person2 role2 inWork=film
""",
        "person": """
{person}先后执导了《{film}》和《{film2}》 | 导演 film person | 导演 film2 person
{person}在《{film}》中饰演{role} | 饰演 person role inWork=film | 主演 film person
在电视剧《{film}》里，{person}扮演{role} | 饰演 person role inWork=film | 主演 film person
{person}饰演的{role}深入人心 | 饰演 person role
{role}是{person}在《{film}》里的角色，{role}的戏份不少
| 饰演 person role inWork=film | 主演 film person
{person}在《{film}》里演{role}，又在《{film2}》里演{role2}
| 饰演 person role inWork=film | 主演 film person | 饰演 person role2 inWork=film2 | 主演 film2 person
《{film}》中{person}与{person2}分别饰演{role}和{role2}
| 饰演 person role inWork=film | 主演 film person | 饰演 person2 role2 inWork=film | 主演 film person2
从《{film}》的{role}到《{film2}》的{role2}，演员{person}的演技有目共睹
| 饰演 person role inWork=film | 主演 film person | 饰演 person role2 inWork=film2 | 主演 film2 person
{person}为《{film}》中的{role}配音 | 配音 person role inWork=film
《{film}》{role}的配音是{person} | 配音 person role inWork=film
{role}的声优是{person} | 配音 person role
为什么{person}的声音那么耳熟，原来《{film}》里的{role}就是{person}配的音
| 配音 person role inWork=film
{person}曾为《{film}》的{role}、《{film2}》的{role2}配音
| 配音 person role inWork=film | 配音 person role2 inWork=film2
配音演员{person}，代表作有《{film}》{role}，《{film2}》{role2}等
| 配音 person role inWork=film | 配音 person role2 inWork=film2
动画《{film}》由{person}、{person2}分别给{role}和{role2}配音
| 配音 person role inWork=film | 配音 person2 role2 inWork=film
{person}获得{award} | 获奖 person award
{person}凭借《{film}》获得{award} | 获奖 person award inWork=film
{date}，{person}荣获{award} | 获奖 person award onDate=date
第{period}届{award}颁给了{person} | 获奖 person award period=period
{date}，{person}凭借《{film}》拿下第{period}届{award}
| 获奖 person award inWork=film onDate=date period=period
{person}{date}获{award}，{date2}又获{award2} | 获奖 person award onDate=date | 获奖 person award2 onDate=date2
{person}和{person2}同获第{period}届{award}
| 获奖 person award period=period | 获奖 person2 award period=period
凭《{film}》获{award}、凭《{film2}》获{award2}的{person}现身{city}
| 获奖 person award inWork=film | 获奖 person award2 inWork=film2
{person}毕业于{school} | 毕业院校 person school
毕业于{school}的{person}今年{number}岁 | 毕业院校 person school
{person}，{school}毕业，现居{city} | 毕业院校 person school
{person}和{person2}都是{school}毕业的 | 毕业院校 person school | 毕业院校 person2 school
{person}从{school}毕业后，又去{school2}深造 | 毕业院校 person school | 毕业院校 person school2
{school}校友{person}回到母校 | 毕业院校 person school
{person}的父亲{person2}曾在{city}任教 | 父亲 person person2
{person}是{person2}的女儿 | 父亲 person person2
{person}出生在{city}，父亲{person2}是医生 | 父亲 person person2
{person2}之子{person}近日亮相{city} | 父亲 person person2
{person}，父亲叫{person2}，妻子叫{person3}
| 父亲 person person2 | 妻子 person person3 | 丈夫 person3 person
{person}、{person2}兄弟二人的父亲是{person3} | 父亲 person person3 | 父亲 person2 person3
{person}与妻子{person2}定居{city} | 妻子 person person2 | 丈夫 person2 person
{person}迎娶{person2}，{person2}是{person}的同学 | 妻子 person person2 | 丈夫 person2 person
{person}的太太{person2}是一名老师 | 妻子 person person2 | 丈夫 person2 person
{person}嫁给了{person2} | 丈夫 person person2 | 妻子 person2 person
{person}的丈夫是{person2} | 丈夫 person person2 | 妻子 person2 person
{person}和老公{person2}一起出席活动 | 丈夫 person person2 | 妻子 person2 person
""",
        "song": """
《{song}》是{person}演唱的歌曲 | 歌手 song person
{person}的新歌《{song}》收录在专辑《{album}》中 | 歌手 song person | 所属专辑 song album
歌曲《{song}》出自专辑《{album}》 | 所属专辑 song album
{person}和{person2}合唱了一首《{song}》 | 歌手 song person | 歌手 song person2
专辑《{album}》收录了《{song}》《{song2}》《{song3}》等歌曲
| 所属专辑 song album | 所属专辑 song2 album | 所属专辑 song3 album
歌手{person}唱过《{song}》和《{song2}》 | 歌手 song person | 歌手 song2 person
点播一首{person}的《{song}》 | 歌手 song person
《{song}》真好听，{person}唱的《{song}》，我喜欢{person} | 歌手 song person
《{song}》，演唱：{person}，专辑：《{album}》 | 歌手 song person | 所属专辑 song album
《{song}》是{person}同名专辑的主打歌 | 歌手 song person | 所属专辑 song song
《{song}》原唱{person}，{date}收入《{album}》这张专辑 | 歌手 song person | 所属专辑 song album
""",
        "book": """
《{book}》的作者是{person} | 作者 book person
{person}所著的《{book}》一书已经出版 | 作者 book person
《{book}》是{person}写的一部长篇小说 | 作者 book person
{person}写过《{book}》《{book2}》等小说 | 作者 book person | 作者 book2 person
小说《{book}》，作者{person}，共{number}章 | 作者 book person
{person}写《{book}》用了{number}年，书中处处是{person}的影子 | 作者 book person
《{book}》，{person}、{person2}著，{number}页 | 作者 book person | 作者 book person2
作家{person}的代表作《{book}》{date}再版 | 作者 book person
""",
        "company": """
{company}成立于{date} | 成立日期 company date
{company}董事长{person}表示，今年将继续扩大生产 | 董事长 company person
{person}担任{company}董事长 | 董事长 company person
{company}：{person}当选董事长，{person}此前任总经理 | 董事长 company person
{date}，{company}在{city}注册成立 | 成立日期 company date
{company}创建于{date}，董事长为{person} | 成立日期 company date | 董事长 company person
{company}的前身{company2}始建于{date} | 成立日期 company2 date
{date}创办的{company}共有员工{number}人 | 成立日期 company date
{person}与{company}董事长{person2}会面 | 董事长 company person2
{company}董事长{person}、{company2}董事长{person2}出席 | 董事长 company person | 董事长 company2 person2
{person}辞去{company}董事长一职，由{person2}接任 | 董事长 company person | 董事长 company person2
公司名称：{company} 法人：{person} 成立日期：{date} | 成立日期 company date
""",
        "city": """
{person}到{city}看望了老朋友{person2}
{city}今天有小雨，气温{number}度
有{city}网友说《{film}》不好看，你怎么看
{company}计划在{city}开设{number}家门店
{date}，{person}路过{city}，在{school}门口拍了一张照片
大家还记得在{city}听过的《{song}》吗
""",
    }
)

# What may follow an opening, about the same film, person and so on. All other names in it are new.
TAILS = parse(
    {
        "film": """
，导演是{person} | 导演 film person
，由{person}担任导演 | 导演 film person
，{person}、{person2}等主演 | 主演 film person | 主演 film person2
，主演有{person} | 主演 film person
，片中{person}饰演{role} | 饰演 person role inWork=film | 主演 film person
，{person}为片中的{role}配音 | 配音 person role inWork=film
，{person}凭借该片获得{award} | 获奖 person award inWork=film
，{date}在{area}公映 | 上映时间 film date inArea=area
，将于{date}与观众见面 | 上映时间 film date
，最终票房{money} | 票房 film money
，{area}票房{money} | 票房 film money inArea=area
，影评人{person}给出了{number}分
，{person}到场祝贺
，同期的《{film2}》则反响平平
，外景地选在{city}
，很多人都说《{film}》值得再看一遍
""",
        "person": """
，毕业于{school} | 毕业院校 person school
，{date}获得{award} | 获奖 person award onDate=date
，还曾获第{period}届{award} | 获奖 person award period=period
，后来在《{film}》中饰演{role} | 饰演 person role inWork=film | 主演 film person
，并主演了《{film}》 | 主演 film person
，还唱过《{song}》 | 歌手 song person
，著有《{book}》 | 作者 book person
，{person2}也在现场
，{date}回到{city}
，记者问{person}有什么打算
""",
        "song": """
，由{person}演唱 | 歌手 song person
，收录于专辑《{album}》 | 所属专辑 song album
，{person}为它写了一段乐评
，{date}在{city}录制
，《{song}》一直排在前{number}名
""",
        "book": """
，作者为{person} | 作者 book person
，{person}写了序
，全书共{number}万字
，《{book}》的读者大多是学生
""",
        "company": """
，董事长是{person} | 董事长 company person
，成立时间为{date} | 成立日期 company date
，总部设在{city}，共有员工{number}人
，{person}今天到{company}参观
，经理{person}没有回应
""",
        "city": """
，{city}的天气不错
，{person}没有回应
，一共来了{number}人
""",
    }
)

TOPICS = {"film": 30, "person": 40, "song": 12, "book": 8, "company": 12, "city": 3}

# How the text may write a value differently from the annotation, with weights: case, width, space, short year.
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
REWRITES: dict[Callable[[str], str], int] = {
    str.upper: 5,
    lambda value: value.translate(FULL_WIDTH): 2,
    lambda value: f"{value[:1]} {value[1:]}": 3,
    lambda value: re.sub(r"^(19|20)(?=\d\d年)", "", value): 4,
}


def triple(relation: list[str], slots: dict[str, str]) -> dict[str, Any]:
    """Return a triple in the official form. The slots of its object come in the order of the schema."""
    predicate, subject, value, *rest = relation
    subject_type, types = SCHEMA[predicate]
    named = {"@value": value} | dict(item.split("=") for item in rest)
    used = [slot for slot in types if slot in named]
    return {
        "predicate": predicate,
        "object_type": {slot: types[slot] for slot in used},
        "subject_type": subject_type,
        "object": {slot: slots[named[slot]] for slot in used},
        "subject": slots[subject],
    }


def compose(maker: Maker) -> Sentence:
    """Compose a sentence of an opening and up to two tails about its topic, each with predicates of its own."""
    rng = maker.rng
    topic = rng.choices(list(TOPICS), list(TOPICS.values()))[0]
    known: dict[str, str] = {}
    text, triples, templates = "", [], OPENINGS[topic]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        template = rng.choice(templates)
        slots = Slots(maker, known)
        text += template.text.format_map(slots)
        triples += [triple(relation, slots) for relation in template.relations]
        if topic + "2" in slots:  # a tail about "the film" would not say which
            break
        known = {topic: slots[topic]}
        said = {item["predicate"] for item in triples}
        templates = [
            tail
            for tail in TAILS[topic]
            if tail is not template and said.isdisjoint(name for name, *_ in tail.relations)
        ]
    return Sentence(text, triples)


def embed(maker: Maker) -> Sentence:
    """Compose a sentence with what stands around it in real data.

    Sometimes that is a second sentence, and rarely so many sentences that the text has more than 256 characters.
    """
    rng = maker.rng
    text, triples = compose(maker)
    least = rng.choices((0, len(text) + 1, 257), (92, 8, 0.4))[0]
    while len(text) < least:
        more = compose(maker)
        text, triples = text + rng.choice("。；　") + more.text, triples + more.triples
    if rng.random() < 0.3:
        text = rng.choice(PRELUDES).format_map(Slots(maker, {})) + text
    if rng.random() < 0.4:
        text += rng.choice(CLOSINGS)
    return Sentence(text, triples)


def roughen(sentence: Sentence, rng: Random) -> Sentence:
    """Give a sentence the oddities of the real data, each at a small rate."""
    text, triples = sentence
    if rng.random() < 0.08 and "》《" not in text:
        text = text.replace("《", "").replace("》", "")
    if rng.random() < 0.05:
        text = text.replace("，", rng.choice((" ", "  ", ",")), 1)
    if rng.random() < 0.05:
        rewrite = rng.choices(list(REWRITES), list(REWRITES.values()))[0]
        values = [value for item in triples for value in (item["subject"], *item["object"].values())]
        changes = [(value, rewrite(value)) for value in values if rewrite(value) != value]
        if changes:
            text = text.replace(*rng.choice(changes))
    if triples and rng.random() < 0.006:
        triples = [*triples, rng.choice(triples)]
    if triples and rng.random() < 0.004:
        triples[-1]["object"]["@value"] = ""
    return Sentence(text, triples)


def files(seed: int) -> dict[str, str]:
    """Return the contents of the files by name. As in the official files, test has only texts."""
    maker = Maker(seed)
    contents = {
        "schema.json": json_lines(
            {"object_type": types, "predicate": predicate, "subject_type": subject_type}
            for predicate, (subject_type, types) in SCHEMA.items()
        )
    }
    for split, size in SPLITS.items():
        rows = [
            {"text": text, "spo_list": triples}
            for text, triples in (roughen(embed(maker), maker.rng) for _ in range(size))
        ]
        if split == "test":
            rows = [{"text": row["text"]} for row in rows]
        contents[f"{split}.json"] = json_lines(rows)
    return contents
