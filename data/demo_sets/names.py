"""Names and numbers of the demo sets, how templates are filled with them, and the form of files.

No name is given out twice, so remembering names does not help. A model has to read the context.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from random import Random
from typing import Any

SPLITS = {"train": 1500, "dev": 300, "test": 100}
PRELUDES = ("近日，", "据悉，", "资料显示，", "{number}、", "【快讯】", "问：", "记者在{city}获悉，", "　　")
CLOSINGS = ("。", "！", "……", "，引发关注", "，你知道吗？", " 详情见下文", "，真是可喜可贺", "（完）")

PARTS = {
    kind: words
    for kind, *words in map(
        str.split,
        """
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
""".strip().splitlines(),
    )
}


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
    """Make a title. Films, books, songs and albums have the same ones, so only the context tells which is meant."""
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
    return rng.choice(
        (
            f"{year}年",
            f"{year}年",
            f"{year}年{month}月{day}日",
            f"{year}年{month}月",
            f"{month}月{day}日",
            f"{year}-{month:02}-{day:02}",
            f"{year}.{month}.{day}",
        )
    )


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


NAMES = {
    "person": person,
    "role": role,
    "film": title,
    "book": title,
    "song": title,
    "album": title,
    "award": award,
    "school": school,
    "company": company,
    "team": team,
    "contest": contest,
    "product": product,
    "meeting": meeting,
    "county": county,
    "title": title,
    "address": address,
    "sight": sight,
    "office": office,
    "game": game,
}
VALUES = {
    "date": date,
    "money": money,
    "period": period,
    "number": lambda rng: str(rng.randint(3, 150)),
    "age": lambda rng: f"{rng.randint(19, 99)}岁",
    "people": lambda rng: f"{rng.randint(1, 60)}{rng.choice('人名')}",
    "magnitude": lambda rng: f"{rng.randint(3, 7)}.{rng.randint(0, 9)}级",
    "depth": lambda rng: f"{rng.randint(5, 30)}{rng.choice(('千米', '公里'))}",
    "area": lambda rng: part(rng, "area"),
    "city": lambda rng: part(rng, "city"),
    "position": lambda rng: part(rng, "position"),
}


class Maker:
    """Makes what a slot asks for. It gives out a name only once, whatever its kind. Values may come again."""

    def __init__(self, seed: int):
        self.rng = Random(seed)
        self.used: set[str] = set()

    def make(self, kind: str) -> str:
        """Make a value of a kind in VALUES, or a new name of a kind in NAMES."""
        if kind in VALUES:
            return VALUES[kind](self.rng)
        for _ in range(10_000):
            name = NAMES[kind](self.rng)
            if name not in self.used:
                self.used.add(name)
                return name
        raise RuntimeError(f"out of names for {kind}: give it more parts")


class Slots(dict[str, str]):
    """What is in the slots of a template. "person2" gets a new person at its first mention and keeps it."""

    def __init__(self, maker: Maker, known: dict[str, str]):
        super().__init__(known)
        self.maker = maker

    def __missing__(self, slot: str) -> str:
        self[slot] = self.maker.make(slot.rstrip("0123456789"))
        return self[slot]


Places = dict[str, list[tuple[int, int]]]  # characters [start, end)
PIECE = re.compile(r"{(\w+)}|\[(\w+)\]|<(\w+):|(>)|([^{\[<>]+)")


def fill(template: str, slots: Slots, shift: int) -> tuple[str, Places]:
    """Fill a template, and return the text with the places of its slots, triggers and named spans.

    {kind} is a slot, [word] is a trigger, and <name:...> is a span with slots in it.

    Args:
        template: a text with such brackets
        slots: what is in the slots; it keeps what is made for new ones
        shift: number of characters that will stand before this text
    """
    text, places = "", Places()
    opened: list[tuple[str, int]] = []
    for slot, trigger, name, closed, plain in PIECE.findall(template):
        start = shift + len(text)
        if name:
            opened.append((name, start))
        elif closed:
            name, first = opened.pop()
            places.setdefault(name, []).append((first, start))
        elif slot:
            text += slots[slot]
            places.setdefault(slot, []).append((start, shift + len(text)))
        elif trigger:
            text += trigger
            places.setdefault(f"[{trigger}]", []).append((start, shift + len(text)))
        else:
            text += plain
    return text, places


def json_lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
