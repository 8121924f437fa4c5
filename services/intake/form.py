"""The application form: its sections as models, and the form described for a front end."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from kernel.identity import Anyone
from kernel.problems import absent
from kernel.requests import InTransaction
from kernel.service import router
from kernel.wire import Amount, Answer, Body, Day, Id, Line, Name, Words, Yuan
from regulation import edition as editions
from regulation.eligibility import IncidentKind, PriorityFlag

Text = Annotated[str, Words(8000)]


def example(**values: Any) -> ConfigDict:  # noqa: ANN401 - any JSON
    """Give a model its example."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Declarations(Body):
    """The applicant's declarations: of its own will (1.4), and true (7.2)."""

    model_config = example(voluntary=True, truthful=True, signatory="方志远", signed_on="2026-03-02")

    voluntary: bool
    truthful: Literal[True]
    signatory: Annotated[str, Line(60)]
    signed_on: Day


class Overview(Body):
    """The organisation in brief."""

    model_config = example(summary="专业生产新能源汽车热管理部件。", employees=420, products="热交换器")

    summary: Text
    employees: Annotated[int, Field(ge=0, le=10_000_000)]
    products: Annotated[str, Words(2000)]


class SelfAssessment(Body):
    """The self-assessment by the seven parts of the criteria (4.2)."""

    model_config = example(
        leadership="高层领导……",
        strategy="战略制定……",
        customers="顾客与市场……",
        resources="人力、财务、信息……",
        processes="过程管理……",
        measurement="测量、分析与改进……",
        results="近三年结果……",
    )

    leadership: Text
    strategy: Text
    customers: Text
    resources: Text
    processes: Text
    measurement: Text
    results: Text


class Indicators(Body):
    """The figures that 3.2.4 and 3.2.7 ask for: tax paid in yuan and land in mu, both exact, of the year before the cycle's."""

    model_config = example(tax_year=2025, tax_paid="12500000.00", land_mu="50.00", output=260000000, ranking="全区同行业亩均效益第3位")

    tax_year: Annotated[int, Field(ge=2000, le=2200)]
    tax_paid: Annotated[Amount, Field(ge=0)]
    land_mu: Annotated[Amount, Field(gt=0)]
    output: Yuan
    ranking: Annotated[str, Words(1000)]


class InnovationResult(Body):
    """Results in one field of innovation (1.3)."""

    field: Annotated[str, Line(40)]
    result: Text


class Innovation(Body):
    """Results by field of innovation: whoever seeks the Innovation Award states at least one (1.3)."""

    model_config = example(results=[{"field": "standards", "result": "主导制定国家标准1项。"}])

    results: Annotated[list[InnovationResult], Field(max_length=20)]


class Preference(Body):
    """One title that goes first among equals (3.2.5), with its proof: a certificate's number, and the attachment that shows it."""

    flag: PriorityFlag
    certificate: Annotated[str, Line(80)]
    attachment: Id | None = None


class Preferences(Body):
    """The titles of 3.2.5 that the organisation holds."""

    model_config = example(titles=[{"flag": "high_tech", "certificate": "GR202333001234"}])

    titles: Annotated[list[Preference], Field(max_length=3)]


class ClaimedRepair(Body):
    """A credit repair as the applicant states it; whether it counts the office decides (3.4)."""

    confirmed_by: Name
    confirmed_on: Day


class DeclaredIncident(Body):
    """Something of 3.3, by the day it occurred (a spot check: the day of its result), with the finding's date and number."""

    kind: IncidentKind
    occurred_on: Day
    found_on: Day
    number: Annotated[str, Line(80)]
    repair: ClaimedRepair | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "DeclaredIncident":
        if self.found_on < self.occurred_on:
            raise ValueError("found before it occurred")
        return self


class History(Body):
    """Whatever of 3.3 the organisation has to declare; an empty list declares that there is nothing."""

    model_config = example(
        incidents=[{"kind": "violation", "occurred_on": "2021-05-06", "found_on": "2021-06-01", "number": "金市监罚〔2021〕12号"}]
    )

    incidents: Annotated[list[DeclaredIncident], Field(max_length=100)]


SectionName = Literal["declarations", "overview", "self_assessment", "indicators", "innovation", "preferences", "history"]

SECTIONS: Mapping[SectionName, type[Body]] = MappingProxyType(
    {
        "declarations": Declarations,
        "overview": Overview,
        "self_assessment": SelfAssessment,
        "indicators": Indicators,
        "innovation": Innovation,
        "preferences": Preferences,
        "history": History,
    }
)
REQUIRED: tuple[SectionName, ...] = ("declarations", "overview", "self_assessment", "indicators", "history")
"""Without these an application is not complete (5.3.1)."""

LABELS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "declarations": ("申报声明", "Declarations"),
        "voluntary": ("自愿申报", "We apply of our own will"),
        "truthful": ("内容真实", "All of this is true"),
        "signatory": ("法定代表人", "Legal representative"),
        "signed_on": ("签署日期", "Signed on"),
        "overview": ("组织概况", "The organisation"),
        "summary": ("简介", "Summary"),
        "employees": ("从业人数", "Employees"),
        "products": ("主导产品或服务", "Main products or services"),
        "self_assessment": ("自评报告", "Self-assessment"),
        "leadership": ("领导", "Leadership"),
        "strategy": ("战略", "Strategy"),
        "customers": ("顾客与市场", "Customers and market"),
        "resources": ("资源", "Resources"),
        "processes": ("过程管理", "Processes"),
        "measurement": ("测量、分析与改进", "Measurement, analysis and improvement"),
        "results": ("结果", "Results"),
        "indicators": ("经济指标", "Figures"),
        "tax_year": ("税收年度", "Tax year"),
        "tax_paid": ("上年度税收（元）", "Tax paid in that year (yuan)"),
        "land_mu": ("用地面积（亩）", "Land (mu)"),
        "output": ("上年度产值（元）", "Output of that year (yuan)"),
        "ranking": ("亩均效益综合评价排名", "Ranking of output per mu among its kind"),
        "innovation": ("创新成果", "Innovation"),
        "preferences": ("优先推荐条件", "Titles that go first among equals"),
        "titles": ("称号", "Titles"),
        "history": ("近年情况申明", "What 3.3 asks about"),
        "incidents": ("事故、违法违规、失信、抽查不合格、投诉", "Accidents, violations, breaches of faith, spot checks, complaints"),
    }
)


def tax_per_mu(tax_paid: Decimal, land_mu: Decimal) -> Decimal:
    """Divide exactly, in yuan, rounded down to the fen, so that no rounding lifts anybody over a minimum.

    Clause 3.2.7.
    """
    return Decimal(int(tax_paid * 100) * 100 // int(land_mu * 100)) / 100


class Label(Answer):
    """A name in both languages."""

    zh: str
    en: str


class FormSection(Answer):
    """One section: JSON Schema of its content, and a label for the section and for each of its fields."""

    name: SectionName
    required: bool
    label: Label
    fields: dict[str, Label]
    content_schema: dict[str, Any]


class Form(Answer):
    """The form of an edition, with the values that its lists allow."""

    edition: str
    awards: dict[str, Label]
    fields: list[str]
    innovation_fields: list[str]
    sections: list[FormSection]


def _label(name: str) -> Label:
    zh, en = LABELS[name]
    return Label(zh=zh, en=en)


routes = router("application")


@routes.get("/forms/{edition}", operation_id="get_form")
def get_form(edition: str, _anyone: Anyone, _transaction: InTransaction) -> Form:
    """Describe the application form of an edition (5.2)."""
    if edition not in editions.names():
        raise absent()
    found = editions.load(edition)
    p = found.parameters(found.in_force_on)
    sections = [
        FormSection(
            name=name,
            required=name in REQUIRED,
            label=_label(name),
            fields={field: _label(field) for field in model.model_fields},
            content_schema=model.model_json_schema(),
        )
        for name, model in SECTIONS.items()
    ]
    awards = {award.key: Label(zh=award.name["zh"], en=award.name["en"]) for award in p.awards}
    return Form(edition=edition, awards=awards, fields=list(p.fields), innovation_fields=list(p.innovation_fields), sections=sections)
