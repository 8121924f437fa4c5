from collections import Counter

from regulation.industry import industries


def test_the_whole_standard_ships() -> None:
    levels = Counter(len(code) for code in industries())
    assert (levels[1], levels[3], levels[4], levels[5]) == (20, 97, 473, 1382)


def test_every_industry_stands_below_its_section_division_and_group() -> None:
    above = {code[: max(1, len(code) - 1)] if len(code) != 3 else code[0] for code in industries()}
    assert above <= industries().keys()
    grouped = {code[:4] for code in industries() if len(code) == 5}
    assert grouped == {code for code in industries() if len(code) == 4}


def test_an_industry_is_named_as_in_the_standard() -> None:
    named = {"C": "制造业", "C34": "通用设备制造业", "C342": "金属加工机械制造", "C3421": "金属切削机床制造", "T9700": "国际组织"}
    named |= {"S923": "监察委员会、人民法院和人民检察院", "S9231": "监察委员会", "S9232": "人民法院", "S9233": "人民检察院"}
    assert {code: industries()[code] for code in named} == named
