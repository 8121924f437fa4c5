"""Who takes part: organisations that don't exist, with credit codes as GB 32100-2015 makes them, and the people of the award."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from regulation.identifiers import CHARACTERS, WEIGHTS

YEAR = 2026


def credit_code(number: int, prefix: str = "91330703MA") -> str:
    """Make the unified social credit code of a made-up organisation: a prefix, a number, and the check character."""
    body = f"{prefix}{number:0{17 - len(prefix)}}"
    total = sum(weight * CHARACTERS.index(character) for weight, character in zip(WEIGHTS, body, strict=True))
    return body + CHARACTERS[-total % len(CHARACTERS)]


@dataclass(frozen=True)
class Organisation:
    """An applicant; `tax_paid` is yuan of the year before the cycle's, on 50 mu; `body` endorses, the township's where left out."""

    key: str
    number: int
    name: str
    township: str
    industry: str
    awards: tuple[str, ...]
    field: str = "production"
    body: str = ""
    fallback: bool = False
    form: str = "legal_person"
    registered_on: str = "2012-05-18"
    tax_paid: str = "16250000.00"
    flag: str | None = None
    prefix: str = "91330703MA"

    @property
    def code(self) -> str:
        """Its unified social credit code."""
        return credit_code(self.number, self.prefix)

    @property
    def endorser(self) -> str:
        """The body that it asks for its endorsement."""
        return self.body or self.township


QUALITY, INNOVATION, BOTH = ("quality",), ("innovation",), ("quality", "innovation")

ORGANISATIONS: Mapping[str, Organisation] = MappingProxyType(
    {
        one.key: one
        for one in (
            # Those who come to the committee.
            Organisation("bamboo", 101, "虚构青竹精密机械有限公司", "330703101", "C3421", QUALITY),
            Organisation("egret", 102, "虚构白鹭热管理有限公司", "330703001", "C3670", QUALITY, body="dept-economy"),
            Organisation("inkstone", 103, "虚构墨石绿色建材有限公司", "330703105", "C3031", QUALITY),
            Organisation("redpine", 104, "虚构赤松新材料有限公司", "330703108", "C2651", QUALITY),
            Organisation("cloudsail", 105, "虚构云帆智慧物流有限公司", "330703102", "G5431", BOTH, field="services", fallback=True),
            Organisation("lateryce", 106, "虚构晚稻生态农业有限公司", "330703103", "A0111", INNOVATION, body="dept-agriculture"),
            Organisation(
                "stonebridge", 107, "虚构石桥建设有限公司", "330703104", "E4710", INNOVATION, field="construction", body="dept-construction"
            ),
            Organisation(
                "windbell",
                108,
                "虚构风铃文化旅游有限公司",
                "330703200",
                "R8890",
                INNOVATION,
                field="services",
                body="dept-culture",
                flag="pinzi_brand",
            ),
            # Those whom the material review leaves behind; tundra ties with windbell across the eighth place.
            Organisation("tundra", 109, "虚构苔原环保科技有限公司", "330703106", "N7721", INNOVATION, field="environment"),
            Organisation("frostleaf", 110, "虚构霜叶家具有限公司", "330703107", "C2110", QUALITY, registered_on="2023-03-20"),
            Organisation("crabapple", 111, "虚构海棠食品有限公司", "330703002", "C1411", QUALITY, tax_paid="10000000.00"),
            Organisation("bamboobrook", 112, "虚构竹溪股份经济合作社", "330703200", "A0141", INNOVATION, prefix="N2330703MF"),
            Organisation("firefly", 113, "虚构萤火软件有限公司", "330703001", "I6513", BOTH, field="services"),
            Organisation("dipper", 114, "虚构北斗仪表有限公司", "330703101", "C4011", QUALITY, flag="high_tech"),
            Organisation("wheatwave", 115, "虚构麦浪商贸有限公司", "330703102", "F5211", QUALITY, field="services", body="dept-economy"),
            Organisation("amber", 116, "虚构琥珀物业服务有限公司", "330703104", "K7020", INNOVATION, field="services"),
            # Those who stop earlier.
            Organisation("sprout", 117, "虚构新芽电子有限公司", "330703105", "C3971", QUALITY, registered_on="2023-04-01"),
            Organisation("steelyard", 118, "虚构秤砣锻造有限公司", "330703108", "C3391", QUALITY, tax_paid="9999999.50"),
            Organisation("farhill", 119, "虚构远山集团金东分公司", "330703101", "C3311", QUALITY, form="branch"),
            Organisation("noodle", 120, "虚构小满面馆", "330703107", "H6210", QUALITY, field="services", form="sole_trader"),
            Organisation("neighbour", 121, "虚构邻县玻璃有限公司", "330703106", "C3041", QUALITY),
            Organisation("oldscar", 122, "虚构旧伤化工有限公司", "330703107", "C2614", QUALITY),
            Organisation("quicksand", 123, "虚构流沙贸易有限公司", "330703103", "F5199", QUALITY, field="services"),
            Organisation("dusk", 124, "虚构迟暮物业有限公司", "330703002", "K7010", QUALITY, field="services"),
            Organisation("homecloud", 125, "虚构归云旅馆有限公司", "330703106", "H6110", QUALITY, field="services"),
            Organisation("tornsilk", 126, "虚构裂帛纺织有限公司", "330703103", "C1711", QUALITY),
        )
    }
)
NOT_OF_THE_DISTRICT = "330702003"

BODIES: Mapping[str, str] = MappingProxyType(
    {
        "330703001": "多湖街道推荐员",
        "330703002": "东孝街道推荐员",
        "330703101": "孝顺镇推荐员",
        "330703102": "傅村镇推荐员",
        "330703103": "曹宅镇推荐员",
        "330703104": "澧浦镇推荐员",
        "330703105": "岭下镇推荐员",
        "330703106": "江东镇推荐员",
        "330703107": "塘雅镇推荐员",
        "330703108": "赤松镇推荐员",
        "330703200": "源东乡推荐员",
        "dept-economy": "经商局推荐员",
        "dept-agriculture": "农业农村局推荐员",
        "dept-construction": "住建局推荐员",
        "dept-culture": "文旅局推荐员",
    }
)
"""Every endorsing body of the district, with the name of whoever acts for it."""


@dataclass(frozen=True)
class Member:
    """A person of the committee, with unit and duty."""

    key: str
    name: str
    unit: str
    duty: str


COMMITTEE = (
    Member("chair", "甲主任", "区人民政府", "chair"),
    Member("vice-one", "乙副主任", "区人民政府办公室", "vice_chair"),
    Member("vice-two", "丙副主任", "区市场监督管理局", "vice_chair"),
    Member("member-one", "丁委员", "区财政局", "member"),
    Member("member-two", "戊委员", "区发展和改革局", "member"),
    Member("member-three", "己委员", "区经济商务局", "member"),
    Member("member-four", "庚委员", "区农业农村局", "member"),
)
SUPERVISORS = ("supervisor-one", "supervisor-two", "supervisor-three")
REVIEWERS = tuple(f"reviewer-{number:02}" for number in range(1, 13))
UNQUALIFIED = "reviewer-13"
