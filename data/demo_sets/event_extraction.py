"""Composes the demo set of event extraction, in the form of DuEE 1.0."""

from typing import Any

from names import CLOSINGS, PRELUDES, SPLITS, Maker, Places, Slots, fill, json_lines, md5

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


def parse(lines: str) -> list[tuple[str, list[list[str]]]]:
    """Read lines of the form TEXT | EVENT | EVENT ... A line that starts with "|" continues the one above.

    `fill` explains the brackets in a text. An event is TYPE TRIGGER [ROLE=SLOT ...]. A word is in square brackets only
    once, but it may be the trigger of two events.
    """
    rows = (line.split(" | ") for line in lines.strip().replace("\n|", " |").splitlines())
    return [(text, [event.split() for event in events]) for text, *events in rows]


EVENTS = parse("""
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
""")

JOINTS = ("。", "；", "\n", "　", "\n\n")


def event(found: list[str], places: Places, text: str) -> dict[str, Any]:
    """Return an event in the official form.

    Args:
        found: the event as `parse` has read it: type, trigger, then ROLE=SLOT for each argument
        places: the places of slots and triggers, from `fill`
        text: the whole text
    """

    def at(name: str, key: str) -> dict[str, Any]:
        start, end = places[name][0]
        return {f"{key}_start_index": start, key: text[start:end]}

    event_type, trigger, *arguments = found
    roles = [argument.split("=") for argument in arguments]
    return {
        "event_type": event_type,
        **at(f"[{trigger}]", "trigger"),
        "arguments": [{**at(slot, "argument"), "role": role, "alias": []} for role, slot in roles],
        "class": event_type.split("-")[0],
    }


def compose_events(maker: Maker) -> tuple[str, list[dict[str, Any]]]:
    """Compose a text and its events.

    The text comes from one template, sometimes from two, rarely from many. Other words stand around them, as in real
    data.
    """
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


def files(seed: int) -> dict[str, str]:
    """Return the contents of the files by name.

    As in the official files, test has only texts and ids. An id is the md5 of its text.
    """
    maker = Maker(seed)
    contents = {
        "event_schema.json": json_lines(
            {
                "event_type": name,
                "role_list": [{"role": role} for role in roles],
                "id": md5(name),
                "class": name.split("-")[0],
            }
            for name, roles in EVENT_ROLES.items()
        )
    }
    for split, size in SPLITS.items():
        rows = [
            {"text": text, "id": md5(text), "event_list": events}
            for text, events in (compose_events(maker) for _ in range(size))
        ]
        if split == "test":
            rows = [{"text": row["text"], "id": row["id"]} for row in rows]
        contents[f"{split}.json"] = json_lines(rows)
    return contents
