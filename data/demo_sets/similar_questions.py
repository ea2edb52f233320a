"""Composes the demo set of similar questions: groups that mean the same, in the form of SimBERT's data."""

from names import Maker, Slots, json_lines

# Each line has one meaning, in the words of a shop's customers or a library's readers.
MEANINGS = [
    line.split("/")
    for line in """
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
""".strip().splitlines()
]
GREETINGS = ("", "", "", "你好，", "请教一下，", "麻烦问下")


def files(seed: int) -> dict[str, str]:
    """Return the contents of the files by name.

    A group is three to six questions of one meaning about one thing.
    """
    maker = Maker(seed)
    contents = {}
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
        contents[f"{split}.jsonl"] = json_lines(rows)
    return contents
