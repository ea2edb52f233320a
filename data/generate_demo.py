"""Writes the demo sets: small data in the official formats, every sentence and name in it invented.

    python data/generate_demo.py [--output data/demo] [--seed 2020]

The same seed gives the same bytes. Each task has one function that returns its files; names and numbers are
shared. Train, dev and test come from the same templates, but no name is given out twice, so remembering names
does not help: a model has to read the context.
"""

import argparse
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

# ------------------------------------------------------------------------------ names and numbers

PARTS = {kind: words for kind, *words in map(str.split, """
surname 乔 舒 苗 祁 穆 柯 滕 樊 岑 娄 邬 雍 阮 戚 卞 鄢 郗 缪 皮 芮 冼 蔺 逄 晏 鄂 连 茅 麦
given 岚 汀 榆 砚 淮 霁 蘅 阡 琮 翊 泠 芃 昀 屿 箴 苓 陌 璟 笙 忱 祎 澍 槿 柚 珂 笛 岫 墨 棹 簌
foreign 阿尔 莱克 芬 托尔 米拉 雷霍 恩佐 卡西 韦恩 诺亚 布兰 席尔 朵拉 古斯
latin Alva Renholm Torvik Mirelle Oskan Vexley Ilsa Branoc Quillon Sorenne Kadro Wystan
nickname 阿满 小豆 老葛 九叔 糖糖 铁蛋 灰喵 豆芽 三姑 大熊 石头 青团
scene 琥珀 雾港 石榴 铜铃 盐湖 萤火 苔原 纸鸢 砾石 午夜 鲸落 松针 旧巷 南塔 月台 桅杆 薄荷 荒原
thing 渡口 来客 档案 信使 回声 灯塔 账本 驿站 邮差 密码 遗嘱 琴师 食堂 航线 罗盘 候鸟 裁缝 折扇
word Amber Lantern Harbor Cipher Orchard Velvet Meridian Tundra Pebble Comet Saffron Gravel
festival 银鹭 金穗 玉棠 橡叶 海笛 星榫 云雀 赤陶 蓝桅 石楠
ceremony 电影奖 电视节 音乐盛典 奖 艺术奖
prize 最佳男主角 最佳女配角 最佳新人 观众喜爱演员 年度歌手 最佳配音 终身成就 最受欢迎演员
place 云汀 青岑 沛河 岷桥 栎阳 禾浦 砚山 临屿 芷江南 朔湾 渌水 鹭洲 椒山 白苇
school 大学 师范大学 戏剧学院 电影学院 理工大学 音乐学院 第一中学 外国语学院 艺术学校 传媒学院
brand 禾岚 砾光 云柚 澍合 北槿 朗屿 泽苓 晟桐 恒岫 迈笙 凯箴 鼎昀
industry 科技 影业 食品 新能源 生物 物流 软件 家具 传媒 仪器
company 有限公司 股份有限公司 集团 公司
city 成都 西安 青岛 昆明 长沙 厦门 哈尔滨 杭州
animal 雪豹 苍鹰 海燕 赤狐 白鹿 黑熊 灰狼 飞鱼 金雕 麋鹿 羚羊 青蛇 夜鹭 野牛
squad 队 队 女排 男篮 俱乐部 青年队
sport 乒乓球 羽毛球 篮球 足球 排球 围棋 电子竞技 短道速滑
contest 公开赛 联赛 锦标赛 挑战赛 邀请赛 杯
device 手机 平板电脑 智能手表 耳机 扫地机器人 电动车 无人机 音箱
series 星 Pro Max 青春版 S1 X3 9 T7
meeting 动漫节 书展 车展 电影周 音乐节 农博会 人工智能大会 旅游节
county 县 区 镇 州
area 中国内地 香港 台湾 北美 日本 韩国 英国 法国 泰国 澳大利亚
road 路 街 大道 村 巷 广场
sight 公园 湖 古镇 植物园 瀑布 博物馆 森林公园 石窟
office 市政府 市教育局 县公安局 区法院 市旅游局 海关 税务局 市卫生局
position 记者 教练 总经理 局长 教授 主编 设计师 发言人 董事长 秘书长 馆长 队长
genre 传说 世界 online 战记 OL 物语
currency 元 人民币 美元
""".strip().splitlines())}


def part(rng: Random, kind: str) -> str:
    return rng.choice(PARTS[kind])


def person(rng: Random) -> str:
    style = rng.random()
    if style < 0.1:
        return " ".join(rng.sample(PARTS["latin"], 2))
    if style < 0.18:
        return "·".join("".join(rng.sample(PARTS["foreign"], 2)) for _ in range(2))
    return part(rng, "surname") + "".join(rng.sample(PARTS["given"], 1 if style < 0.24 else 2))


def role(rng: Random) -> str:
    return part(rng, "surname") + part(rng, "nickname") if rng.random() < 0.4 else person(rng)


def title(rng: Random) -> str:
    """Of a film, a book, a song or an album alike: only the context tells which."""
    style, thing = rng.random(), part(rng, "thing")
    scene, scene2 = rng.sample(PARTS["scene"], 2)
    if style < 0.1:
        return " ".join(rng.sample(PARTS["word"], 2))
    if style < 0.16:
        return f"{scene}{thing}{rng.randint(2, 5)}"
    if style < 0.3:
        return f"{scene}与{thing}"
    if style < 0.5:
        return f"第{rng.choice('三五七九')}个{scene}{thing}"
    return f"{scene}{scene2}{'的' if style < 0.75 else ''}{thing}"


def award(rng: Random) -> str:
    return part(rng, "festival") + part(rng, "ceremony") + part(rng, "prize")


def school(rng: Random) -> str:
    return part(rng, "place") + rng.choice(("", "东部", "城南", "滨海")) + part(rng, "school")


def company(rng: Random) -> str:
    name = "".join(part(rng, kind) for kind in ("brand", "industry", "company"))
    return rng.choice(("", part(rng, "place"))) + name


def date(rng: Random) -> str:
    year, month, day = rng.randint(1985, 2023), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice((f"{year}年", f"{year}年", f"{year}年{month}月{day}日", f"{year}年{month}月",
                       f"{month}月{day}日", f"{year}-{month:02}-{day:02}", f"{year}.{month}.{day}"))


def money(rng: Random) -> str:
    amount = rng.choice((f"{rng.randint(1, 40)}.{rng.randint(1, 99)}亿", f"{rng.randint(2, 98)}00万"))
    return amount + rng.choice(("", part(rng, "currency")))


def period(rng: Random) -> str:
    return rng.choice(("三", "五", "七", "十二", str(rng.randint(2, 40))))


def team(rng: Random) -> str:
    return part(rng, "place") + part(rng, "animal") + part(rng, "squad")


def contest(rng: Random) -> str:
    opening = rng.choice((f"{rng.randint(2005, 2023)}年", f"第{period(rng)}届", ""))
    return opening + part(rng, "festival") + part(rng, "sport") + part(rng, "contest")


def product(rng: Random) -> str:
    return part(rng, "brand") + part(rng, "device") + rng.choice(("", " ")) + part(rng, "series")


def meeting(rng: Random) -> str:
    return f"第{period(rng)}届{part(rng, 'place')}{part(rng, 'meeting')}"


def county(rng: Random) -> str:
    return part(rng, "place") + part(rng, "scene") + part(rng, "county")


def address(rng: Random) -> str:
    town = rng.choice(("", part(rng, "place") + rng.choice(("", "市"))))
    return town + part(rng, "scene") + part(rng, "road") + rng.choice(("", f"{rng.randint(1, 300)}号"))


def sight(rng: Random) -> str:
    return part(rng, "place") + part(rng, "scene") + part(rng, "sight")


def office(rng: Random) -> str:
    return part(rng, "place") + part(rng, "office")


def game(rng: Random) -> str:
    return title(rng) if rng.random() < 0.5 else part(rng, "scene") + part(rng, "animal") + part(rng, "genre")


NAMES = {"person": person, "role": role, "film": title, "book": title, "song": title, "album": title,
         "award": award, "school": school, "company": company, "team": team, "contest": contest, "product": product,
         "meeting": meeting, "county": county, "title": title, "address": address, "sight": sight, "office": office,
         "game": game}
VALUES = {"date": date, "money": money, "period": period, "number": lambda rng: str(rng.randint(3, 150)),
          "age": lambda rng: f"{rng.randint(19, 99)}岁",
          "people": lambda rng: f"{rng.randint(1, 60)}{rng.choice('人名')}",
          "magnitude": lambda rng: f"{rng.randint(3, 7)}.{rng.randint(0, 9)}级",
          "depth": lambda rng: f"{rng.randint(5, 30)}{rng.choice(('千米', '公里'))}",
          "area": lambda rng: part(rng, "area"), "city": lambda rng: part(rng, "city"),
          "position": lambda rng: part(rng, "position")}


class Maker:
    """Makes what a slot asks for. A name is given out once, whatever its kind; values may come again."""

    def __init__(self, seed: int):
        self.rng = Random(seed)
        self.used: set[str] = set()

    def make(self, kind: str) -> str:
        if kind in VALUES:
            return VALUES[kind](self.rng)
        for _ in range(10_000):
            if (name := NAMES[kind](self.rng)) not in self.used:
                self.used.add(name)
                return name
        raise RuntimeError(f"out of names for {kind}: give it more parts")


class Slots(dict[str, str]):
    """Fills a template: slot "person2" gets a new person at its first mention and keeps it."""

    def __init__(self, maker: Maker, known: dict[str, str]):
        super().__init__(known)
        self.maker = maker

    def __missing__(self, slot: str) -> str:
        self[slot] = self.maker.make(slot.rstrip("0123456789"))
        return self[slot]


def json_lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# ------------------------------------------------------------------- relation extraction (DuIE 2.0)

# predicate: (subject type, object type of every slot), as in the official schema.
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
    text: str
    relations: list[list[str]]


class Sentence(NamedTuple):
    text: str
    triples: list[dict[str, Any]]


def parse(tables: dict[str, str]) -> dict[str, list[Template]]:
    """Each line TEXT | RELATION | RELATION ...; a line that starts with "|" goes on with the one above.

    The text names slots as {kind} or {kind2}; a relation is PREDICATE SUBJECT OBJECT [SLOT=OBJECT ...].
    """
    parsed = {}
    for topic, lines in tables.items():
        rows = (line.split(" | ") for line in lines.strip().replace("\n|", " |").split("\n"))
        parsed[topic] = [Template(text, [relation.split() for relation in rest]) for text, *rest in rows]
    return parsed


# Every opening of a topic names the topic, so that a tail can go on about it.
OPENINGS = parse({
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
})

# What may follow an opening, about the same film, person, ...; all else in it is new.
TAILS = parse({
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
})

PRELUDES = ("近日，", "据悉，", "资料显示，", "{number}、", "【快讯】", "问：", "记者在{city}获悉，", "　　")
CLOSINGS = ("。", "！", "……", "，引发关注", "，你知道吗？", " 详情见下文", "，真是可喜可贺", "（完）")
TOPICS = {"film": 30, "person": 40, "song": 12, "book": 8, "company": 12, "city": 3}
SPLITS = {"train": 1500, "dev": 300, "test": 100}

# How a text may write what the annotation writes otherwise, with weights: case, width, space, short year.
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
REWRITES: dict[Callable[[str], str], int] = {
    str.upper: 5,
    lambda value: value.translate(FULL_WIDTH): 2,
    lambda value: f"{value[:1]} {value[1:]}": 3,
    lambda value: re.sub(r"^(19|20)(?=\d\d年)", "", value): 4,
}


def triple(relation: list[str], slots: dict[str, str]) -> dict[str, Any]:
    """One triple in the official form; slots of an object in the order of the schema."""
    predicate, subject, value, *rest = relation
    subject_type, types = SCHEMA[predicate]
    named = {"@value": value} | dict(item.split("=") for item in rest)
    used = [slot for slot in types if slot in named]
    return {"predicate": predicate, "object_type": {slot: types[slot] for slot in used},
            "subject_type": subject_type, "object": {slot: slots[named[slot]] for slot in used},
            "subject": slots[subject]}


def compose(maker: Maker) -> Sentence:
    """An opening and up to two tails about its topic, each with predicates of its own."""
    rng = maker.rng
    topic = rng.choices(list(TOPICS), list(TOPICS.values()))[0]
    text, triples, known, templates = "", [], {}, OPENINGS[topic]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        template = rng.choice(templates)
        slots = Slots(maker, known)
        text += template.text.format_map(slots)
        triples += [triple(relation, slots) for relation in template.relations]
        if topic + "2" in slots:  # "the film" would not say which
            break
        known = {topic: slots[topic]}
        said = {item["predicate"] for item in triples}
        templates = [tail for tail in TAILS[topic]
                     if tail is not template and said.isdisjoint(name for name, *_ in tail.relations)]
    return Sentence(text, triples)


def embed(maker: Maker) -> Sentence:
    """A sentence with what stands around it in real data: at times a second one, rarely 256 characters."""
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
    """The oddities of the real data, at small rates."""
    text, triples = sentence
    if rng.random() < 0.08 and "》《" not in text:
        text = text.replace("《", "").replace("》", "")
    if rng.random() < 0.05:
        text = text.replace("，", rng.choice((" ", "  ", ",")), 1)
    if rng.random() < 0.05:
        rewrite = rng.choices(list(REWRITES), list(REWRITES.values()))[0]
        values = [value for item in triples for value in (item["subject"], *item["object"].values())]
        if changes := [(value, new) for value in values if (new := rewrite(value)) != value]:
            text = text.replace(*rng.choice(changes))
    if triples and rng.random() < 0.006:
        triples = [*triples, rng.choice(triples)]
    if triples and rng.random() < 0.004:
        triples[-1]["object"]["@value"] = ""
    return Sentence(text, triples)


def relation_extraction(seed: int) -> dict[str, str]:
    """File name -> content. Like the official files, test has only texts."""
    maker = Maker(seed)
    files = {"schema.json": json_lines(
        {"object_type": types, "predicate": predicate, "subject_type": subject_type}
        for predicate, (subject_type, types) in SCHEMA.items())}
    for split, size in SPLITS.items():
        rows = [{"text": text, "spo_list": triples}
                for text, triples in (roughen(embed(maker), maker.rng) for _ in range(size))]
        files[f"{split}.json"] = json_lines({"text": row["text"]} if split == "test" else row for row in rows)
    return files


# -------------------------------------------------------------------- event extraction (DuEE 1.0)

EVENT_ROLES = {
    "人生-死亡": ("时间", "地点", "年龄", "死者"),
    "人生-结婚": ("时间", "结婚双方"),
    "交往-会见": ("时间", "地点", "会见主体", "会见对象"),
    "竞赛行为-胜负": ("时间", "败者", "胜者", "赛事名称"),
    "竞赛行为-夺冠": ("时间", "冠军", "夺冠赛事"),
    "产品行为-发布": ("时间", "发布产品", "发布方"),
    "产品行为-获奖": ("时间", "获奖人", "奖项", "颁奖机构"),
    "产品行为-上映": ("时间", "上映方", "上映影视"),
    "组织关系-加盟": ("时间", "加盟者", "所加盟组织"),
    "组织关系-辞/离职": ("时间", "离职者", "原所属组织"),
    "组织关系-裁员": ("时间", "裁员方", "裁员人数"),
    "组织行为-开幕": ("时间", "地点", "活动名称"),
    "灾害/意外-地震": ("时间", "死亡人数", "震级", "震源深度", "震中", "受伤人数"),
    "财经/交易-出售/收购": ("时间", "出售方", "交易物", "出售价格", "收购方"),
}

# TEXT | EVENT | EVENT ...: {kind} is a slot, [word] a trigger, <name:...> a span with slots in it; an event is
# TYPE TRIGGER [ROLE=SLOT ...]. A word stands once in brackets, but two events may have it.
EVENTS = [(text, [event.split() for event in events]) for text, *events in (
    line.split(" | ") for line in """
{date}，{person}在{city}[去世]，享年{age} | 人生-死亡 去世 时间=date 死者=person 地点=city 年龄=age
演员{person}因病[逝世]，终年{age} | 人生-死亡 逝世 死者=person 年龄=age
{person}于{date}[离世]，好友{person2}发文悼念 | 人生-死亡 离世 死者=person 时间=date
{city}一男子[身亡]，年仅{age} | 人生-死亡 身亡 地点=city 年龄=age
{person}和{person2}{date}在{city}[结婚] | 人生-结婚 结婚 结婚双方=person 结婚双方=person2 时间=date
恭喜！{person}与{person2}[领证]了 | 人生-结婚 领证 结婚双方=person 结婚双方=person2
{date}，{person}[迎娶]{person2}，{person3}担任伴郎
| 人生-结婚 迎娶 时间=date 结婚双方=person 结婚双方=person2
{person}[会见]了来访的{person2} | 交往-会见 会见 会见主体=person 会见对象=person2
{date}，{company}董事长{person}在{city}[会见]{person2}一行
| 交往-会见 会见 时间=date 地点=city 会见主体=person 会见对象=person2
{person}、{person2}在{city}与{person3}[会面]
| 交往-会见 会面 会见主体=person 会见主体=person2 会见对象=person3 地点=city
{contest}：{team}[战胜]{team2} | 竞赛行为-胜负 战胜 赛事名称=contest 胜者=team 败者=team2
{date}的{contest}中，{team}不敌{team2}，[输]掉了比赛
| 竞赛行为-胜负 输 时间=date 赛事名称=contest 胜者=team2 败者=team
{team}[击败]{team2}，{team2}此前刚[力克]{team3}
| 竞赛行为-胜负 击败 胜者=team 败者=team2 | 竞赛行为-胜负 力克 胜者=team2 败者=team3
{person}[胜]{person2}，{person3}[负]{person4}，{contest}首日战罢
| 竞赛行为-胜负 胜 胜者=person 败者=person2 赛事名称=contest
| 竞赛行为-胜负 负 胜者=person4 败者=person3 赛事名称=contest
{team}[夺得]{contest}冠军 | 竞赛行为-夺冠 夺得 冠军=team 夺冠赛事=contest
{date}，{person}在{contest}上[夺冠] | 竞赛行为-夺冠 夺冠 时间=date 冠军=person 夺冠赛事=contest
{team}[击败]{team2}，[捧起]{contest}的冠军奖杯
| 竞赛行为-胜负 击败 胜者=team 败者=team2 赛事名称=contest | 竞赛行为-夺冠 捧起 冠军=team 夺冠赛事=contest
{company}{date}正式[发布]{product} | 产品行为-发布 发布 发布方=company 时间=date 发布产品=product
{date}，<thing:{company}新款{product}>[亮相]
| 产品行为-发布 亮相 时间=date 发布产品=thing 发布方=company
{company}一口气[推出]{product}和{product2}，售价{money}
| 产品行为-发布 推出 发布方=company 发布产品=product 发布产品=product2
{person}凭《{film}》[获]{award} | 产品行为-获奖 获 获奖人=person 奖项=award
{date}，{person}和{person2}双双[荣获]{award}
| 产品行为-获奖 荣获 时间=date 获奖人=person 获奖人=person2 奖项=award
{company}向{person}[颁发]了{award} | 产品行为-获奖 颁发 颁奖机构=company 获奖人=person 奖项=award
《{film}》{date}在全国[上映] | 产品行为-上映 上映 上映影视=film 时间=date
由{company}出品的《{film}》[定档]{date} | 产品行为-上映 定档 上映方=company 上映影视=film 时间=date
《{film}》{date}[公映]，{person}因它[拿下]{award}
| 产品行为-上映 公映 上映影视=film 时间=date | 产品行为-获奖 拿下 获奖人=person 奖项=award
{person}正式[加盟]{team} | 组织关系-加盟 加盟 加盟者=person 所加盟组织=team
{date}，{team}宣布[签下]{person}、{person2}
| 组织关系-加盟 签下 时间=date 所加盟组织=team 加盟者=person 加盟者=person2
{person}从{company}[离职] | 组织关系-辞/离职 离职 离职者=person 原所属组织=company
{date}，{company}总经理{person}[辞职]，他将[加入]{company2}
| 组织关系-辞/离职 辞职 时间=date 离职者=person 原所属组织=company
| 组织关系-加盟 加入 加盟者=person 所加盟组织=company2
{person}[卸任]{team}主教练，{person2}[接手]
| 组织关系-辞/离职 卸任 离职者=person 原所属组织=team | 组织关系-加盟 接手 加盟者=person2 所加盟组织=team
{company}[裁员]{people} | 组织关系-裁员 裁员 裁员方=company 裁员人数=people
{date}，{company}被曝[裁员]，{company2}也[砍掉]{people}
| 组织关系-裁员 裁员 时间=date 裁员方=company | 组织关系-裁员 砍掉 裁员方=company2 裁员人数=people
{meeting}{date}在{city}[开幕] | 组织行为-开幕 开幕 活动名称=meeting 时间=date 地点=city
{city}：<name:“{film}”主题展>[揭幕]，{person}到场 | 组织行为-开幕 揭幕 地点=city 活动名称=name
{date}，{meeting}[开幕]，{company}在会上[发布]{product}
| 组织行为-开幕 开幕 时间=date 活动名称=meeting
| 产品行为-发布 发布 时间=date 发布方=company 发布产品=product
{date}{county}发生{magnitude}[地震]，震源深度{depth}
| 灾害/意外-地震 地震 时间=date 震中=county 震级=magnitude 震源深度=depth
{county}[地震]已致{people}遇难、{people2}受伤
| 灾害/意外-地震 地震 震中=county 死亡人数=people 受伤人数=people2
{date}{county}{magnitude}[地震]，{date2}{county2}又[震]了，{magnitude2}
| 灾害/意外-地震 地震 时间=date 震中=county 震级=magnitude
| 灾害/意外-地震 震 时间=date2 震中=county2 震级=magnitude2
{company}以{money}[收购]{company2}
| 财经/交易-出售/收购 收购 收购方=company 出售价格=money 交易物=company2
{date}，{company}将旗下{company2}[出售]给{company3}
| 财经/交易-出售/收购 出售 时间=date 出售方=company 交易物=company2 收购方=company3
{company}[买下]{company2}的同时[裁员]{people}
| 财经/交易-出售/收购 买下 收购方=company 交易物=company2
| 组织关系-裁员 裁员 裁员方=company 裁员人数=people
{person}[去世]，{person2}[病逝]，{city}一天送走两位老人
| 人生-死亡 去世 死者=person 地点=city | 人生-死亡 病逝 死者=person2 地点=city
{city}今天有小雨，{person}没有出门
""".strip().replace("\n|", " |").splitlines())]

Places = dict[str, list[tuple[int, int]]]  # characters [start, end)
PIECE = re.compile(r"{(\w+)}|\[(\w+)\]|<(\w+):|(>)|([^{\[<>]+)")
JOINTS = ("。", "；", "\n", "　", "\n\n")


def fill(template: str, slots: Slots, shift: int) -> tuple[str, Places]:
    """The text of a template, and where its slots, triggers and named spans will stand, `shift` characters on."""
    text, places, opened = "", {}, []
    for slot, trigger, name, closed, plain in PIECE.findall(template):
        start = shift + len(text)
        if name:
            opened.append((name, start))
        elif closed:
            name, first = opened.pop()
            places.setdefault(name, []).append((first, start))
        else:
            text += slots[slot] if slot else trigger or plain
            if slot or trigger:
                places.setdefault(slot or f"[{trigger}]", []).append((start, shift + len(text)))
    return text, places


def event(found: list[str], places: Places, text: str) -> dict[str, Any]:
    """One event in the official form."""

    def at(name: str, key: str) -> dict[str, Any]:
        start, end = places[name][0]
        return {f"{key}_start_index": start, key: text[start:end]}

    event_type, trigger, *arguments = found
    roles = [argument.split("=") for argument in arguments]
    return {"event_type": event_type, **at(f"[{trigger}]", "trigger"),
            "arguments": [{**at(slot, "argument"), "role": role, "alias": []} for role, slot in roles],
            "class": event_type.split("-")[0]}


def compose_events(maker: Maker) -> tuple[str, list[dict[str, Any]]]:
    """One template, at times two, rarely a long text of them, with what stands around it in real data."""
    rng = maker.rng
    text = rng.choice(PRELUDES).format_map(Slots(maker, {})) if rng.random() < 0.3 else ""
    found = []
    for number, (template, events) in enumerate(rng.sample(EVENTS, rng.choices((1, 2, 9), (80, 19, 1))[0])):
        if number:
            text += rng.choice(JOINTS)
        if rng.random() < 0.1:
            template = template.replace("，", rng.choice((" ", "\n", "，　", ",")), 1)
        filled, places = fill(template, Slots(maker, {}), len(text))
        text += filled
        found += [(one, places) for one in events]
    if rng.random() < 0.4:
        text += rng.choice(CLOSINGS)
    return text, [event(*one, text) for one in found]


def event_extraction(seed: int) -> dict[str, str]:
    """File name -> content. Like the official files, test has only texts and ids, which are the texts' md5."""
    maker = Maker(seed)
    files = {"event_schema.json": json_lines(
        {"event_type": name, "role_list": [{"role": role} for role in roles], "id": md5(name),
         "class": name.split("-")[0]} for name, roles in EVENT_ROLES.items())}
    for split, size in SPLITS.items():
        rows = [{"text": text, "id": md5(text), "event_list": events}
                for text, events in (compose_events(maker) for _ in range(size))]
        files[f"{split}.json"] = json_lines(
            {"text": row["text"], "id": row["id"]} if split == "test" else row for row in rows)
    return files


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


# ------------------------------------------------------------------ named entities (CLUENER 2020)

# What is in a slot -> its label; other slots have none. <label:...> is an entity with slots in it.
ENTITY_LABELS = {"address": "address", "county": "address", "city": "address", "book": "book", "company": "company",
                 "game": "game", "office": "government", "film": "movie", "person": "name", "role": "name",
                 "team": "organization", "position": "position", "sight": "scene"}
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
    """One template, at times two, with what stands around it, and label -> string -> [first, last character]."""
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
    label: dict[str, dict[str, list]] = {}
    for start, end, name in sorted(found):
        label.setdefault(name, {}).setdefault(text[start:end], []).append([start, end - 1])
    return {"text": text + rng.choice(("", "。")), "label": label}


def named_entities(seed: int) -> dict[str, str]:
    """File name -> content. Test has only texts and ids."""
    maker = Maker(seed)
    files = {"schema.json": json_lines({"label": label} for label in sorted(set(ENTITY_LABELS.values())))}
    for split, size in ENTITY_SPLITS.items():
        rows = [compose_entities(maker) for _ in range(size)]
        files[f"{split}.json"] = json_lines(
            {"id": number, "text": row["text"]} if split == "test" else row for number, row in enumerate(rows))
    return files


# ------------------------------------------------------------- reading comprehension (DuReader-robust)

# SENTENCE | SLOT QUESTION OR QUESTION ... | SLOT QUESTION ...: what the slot holds answers any of the questions.
FACTS = {topic: [(text, [(slot, asked.split("/")) for slot, asked in (item.split(" ") for item in asked)])
                 for text, *asked in (line.split(" | ") for line in lines.strip().splitlines())]
         for topic, lines in {
    "person": """
{person}出生于{city} | city {person}出生在哪里/{person}是哪里人
{date}，{person}在{city}出生 | date {person}什么时候出生/{person}哪一年出生的 | city {person}在哪个城市出生
{person}毕业于{school} | school {person}毕业于哪所学校/{person}是哪个学校毕业的/{person}的母校
{person}的妻子是{person2} | person2 {person}的妻子是谁/{person}的老婆叫什么名字
{person}之父{person2}是一名教师 | person2 {person}的父亲是谁/{person}的爸爸叫什么
{person}在{date}获得了{award} | award {person}得过什么奖/{person}获得了哪个奖项 | date {person}什么时候获奖
{person}现任{company}董事长 | company {person}在哪家公司当董事长/{person}是哪家公司的董事长
{person}今年{age} | age {person}今年多大/{person}几岁了
{person}的代表作是《{film}》 | film {person}的代表作是什么/{person}的代表作叫什么
""",
    "film": """
《{film}》由{person}执导 | person {film}的导演是谁/谁执导了{film}
《{film}》由{person}和{person2}主演 | person {film}的第一主演是谁
《{film}》于{date}上映 | date {film}什么时候上映/{film}上映时间
《{film}》的票房达到{money} | money {film}的票房是多少/{film}票房多少钱
《{film}》在{city}取景 | city {film}在哪里取景/{film}拍摄地点
《{film}》改编自{person}的小说《{book}》 | book {film}改编自哪部小说/{film}的原著叫什么 | person {film}的原著作者是谁
""",
    "company": """
{company}成立于{date} | date {company}什么时候成立/{company}成立时间
{company}总部位于{city} | city {company}总部在哪里/{company}在哪个城市
{company}的创始人是{person} | person {company}是谁创办的/{company}的创始人
{company}共有员工{people} | people {company}有多少员工/{company}员工人数
{company}去年以{money}收购了{company2} | money {company}收购花了多少钱 | company2 {company}收购了哪家公司
""",
    "contest": """
{contest}在{city}举行 | city {contest}在哪里举行/{contest}举办地
{team}夺得{contest}冠军 | team {contest}冠军是谁/谁拿了{contest}的冠军
{contest}将于{date}开赛 | date {contest}什么时候开始/{contest}开赛时间
{person}在{contest}决赛中输给{person2} | person {contest}的亚军是谁 | person2 谁赢了{contest}的决赛
""",
}.items()}
FILLERS = ("大家都很关心这件事", "具体情况以官方消息为准", "以上内容仅供参考", "希望能帮到你",
           "更多消息请继续关注", "这里就不多说了")


def passage(maker: Maker) -> dict[str, Any]:
    """A context of facts about a few things, two of them at times of one kind, and questions about some."""
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
    return {"context": context, "qas": [
        {"question": question + rng.choice(("", "", "？")), "answer": answer}
        for question, answer in rng.sample(asked, min(len(asked), rng.choice((1, 1, 2))))
    ]}


def answers(context: str, answer: str, rng: Random, located: bool) -> list[dict[str, Any]]:
    """As annotators gave them: some twice, with what stands around the answer; rarely one that is empty."""
    start = context.index(answer)
    found = [(answer, start)]
    if rng.random() < 0.2:
        found.append((context[start : start + len(answer) + 1], start))
    if rng.random() < 0.003:
        found.append(("", start))
    return [{"text": text, "answer_start": start if located else -1} for text, start in found]


def reading_comprehension(seed: int) -> dict[str, str]:
    """File name -> content. As in the official files dev has no offsets, and test no answers."""
    maker = Maker(seed)
    files = {}
    for split, size in SPLITS.items():
        paragraphs, count = [], 0
        while count < size:
            made = passage(maker)
            context, qas = made["context"], made["qas"][: size - count]
            count += len(qas)
            paragraphs.append({"context": context, "qas": [
                {"question": item["question"], "id": md5(context + item["question"])}
                | ({} if split == "test" else {
                    "answers": answers(context, item["answer"], maker.rng, located=split == "train")})
                for item in qas
            ]})
        data = {"data": [{"paragraphs": paragraphs, "title": ""}]}
        files[f"{split}.json"] = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    return files


# ------------------------------------------------------------------------------------- pretraining


def pretraining(seed: int) -> dict[str, str]:
    """File name -> content: the texts of the two extraction sets, one a line."""
    records = [json.loads(line) for task in (relation_extraction, event_extraction)
               for line in task(seed)["train.json"].splitlines()]
    return {"train.txt": "".join(" ".join(record["text"].split()) + "\n" for record in records)}


# ------------------------------------------------------------------------------- similar questions

# One meaning a line, as customers of a shop or readers of a library put it.
MEANINGS = [line.split("/") for line in """
{product}怎么开机/{product}如何开机/{product}按哪里开机/怎样打开{product}/{product}打不开，开机键在哪/请问{product}怎么启动
{product}多少钱/{product}什么价格/{product}怎么卖/买一台{product}要花多少钱/请问{product}的售价是多少/{product}贵不贵
{product}充不进电怎么办/{product}充电没反应/为什么{product}充不了电/{product}插上电源不充电是怎么回事/{product}无法充电如何处理
{product}保修多久/{product}的保修期是几年/{product}坏了多长时间内免费修/买了{product}可以保修几年/{product}质保时间有多长
{product}怎么恢复出厂设置/如何把{product}重置/{product}重置的方法/怎样清空{product}的全部设置/{product}想还原成刚买时的样子怎么弄
{product}支持七天无理由退货吗/{product}不想要了能退吗/买的{product}可以退货吗/{product}怎么退货/退掉{product}有什么条件
{product}连不上网/{product}没有网络怎么办/为什么{product}连接不了无线网/{product}上不了网如何解决/{product}搜不到无线信号
{product}什么时候发货/{product}多久能发出/下单的{product}几天发货/我买的{product}怎么还没发货/{product}何时寄出
从{city}寄到{city2}要几天/{city}到{city2}的快递多久能到/快递从{city}发{city2}几天到货/{city2}收{city}的包裹要等多久
{city}有没有你们的门店/你们在{city}有店吗/{city}哪里有实体店/请问{city}的门店地址/在{city}去哪家店能买到
{book}能借几天/《{book}》的借期是多久/借{book}多长时间要还/{book}最多可以借多少天/借走的{book}什么时候必须归还
{book}怎么续借/《{book}》可以续借吗/想把{book}的借期延长/{book}到期了能再借一段时间吗/如何续借{book}
{book}弄丢了怎么赔/不小心丢了《{book}》要赔多少/{book}遗失怎么处理/丢失{book}的赔偿办法/借的{book}找不到了怎么办
{book}的作者是谁/谁写了《{book}》/《{book}》是哪位作家写的/请问{book}是谁的作品/{book}出自谁的笔下
《{film}》几点开演/{film}的放映时间/{film}什么时候放映/今天《{film}》有哪几场/想看{film}几点有场次
《{film}》的票怎么退/{film}电影票可以退吗/买了{film}的票不想看了/退{film}的票要手续费吗/{film}的票能不能退掉
{contest}的门票在哪里买/怎么买{contest}的票/{contest}去哪里购票/想看{contest}从哪儿订票/{contest}门票的购买方式
{contest}怎么报名/如何报名参加{contest}/参加{contest}要怎样登记/{contest}的报名方式/想报{contest}在哪里填表
怎么给{person}改密码/{person}的密码忘了怎么办/账号{person}如何重设密码/{person}这个账号想换密码/用户{person}找回密码的办法
怎么注销账号{person}/{person}的账号不想用了/如何删除{person}这个账户/请帮我把{person}的账号注销/用户{person}怎样销户
""".strip().splitlines()]
GREETINGS = ("", "", "", "你好，", "请教一下，", "麻烦问下")


def similar_questions(seed: int) -> dict[str, str]:
    """File name -> content: groups of three to six questions of one meaning about one thing, as SimBERT's."""
    maker = Maker(seed)
    files = {}
    for split, size in (("train", 600), ("dev", 100)):
        rows = []
        for number in range(size):
            meaning = MEANINGS[number % len(MEANINGS)]
            forms = maker.rng.sample(meaning, maker.rng.randint(3, len(meaning)))
            slots = Slots(maker, {})
            questions = [
                maker.rng.choice(GREETINGS) + form.format_map(slots) + maker.rng.choice(("", "", "？"))
                for form in forms
            ]
            rows.append({"text": questions[0], "synonyms": questions[1:]})
        files[f"{split}.jsonl"] = json_lines(rows)
    return files


# ------------------------------------------------------------------------------------ command line

TASKS = {
    "relation_extraction": relation_extraction,
    "event_extraction": event_extraction,
    "named_entities": named_entities,
    "reading_comprehension": reading_comprehension,
    "pretraining": pretraining,
    "similar_questions": similar_questions,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the demo sets.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "demo", help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=2020, help="[%(default)s]")
    args = parser.parse_args()
    for task, make_files in TASKS.items():
        folder = args.output / task
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in make_files(args.seed).items():
            (folder / name).write_text(content, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
