"""What advice says in words, in both languages."""

from collections.abc import Mapping
from typing import Final

from regulation.refusal import Language

Phrase = Mapping[Language, str]

NOTICE: Final[Phrase] = {
    "zh": "仅供参考：以下分析不产生、也不改变任何正式得分、排序或名单。",
    "en": "Advice only: no official score, ranking or list comes from it or changes by it.",
}
NOT_CONNECTED: Final[Phrase] = {
    "zh": "各组之间没有共同的评审员或申报组织，得分不能跨组比较：看不出差别来自申报组织还是来自评审员。",
    "en": "No reviewer or application links these teams, so scores can't be compared across them: whether a difference comes from the "
    "applicants or from the reviewers can't be told.",
}
TOO_FEW: Final[Phrase] = {
    "zh": "评分表太少，分不开申报组织之间、评审员之间的差别。",
    "en": "There are too few sheets to tell differences between applicants from differences between reviewers.",
}
MEANINGS: Final[Mapping[str, Phrase]] = {
    "residual": {
        "zh": "总分偏离预期的标准差倍数",
        "en": "standard deviations that the total lies off its expectation",
    },
    "halo": {
        "zh": "各条目评分去除条目平均后的离散程度（百分点），过小则可能凭总体印象评分",
        "en": "percentage points that the items differ by, the items' means taken off; too small where a sheet was rated as a whole",
    },
    "range_restriction": {
        "zh": "该评审员总分离散程度与其他评审员之比，过小则未拉开差距",
        "en": "spread of this reviewer's totals over that of the others; too small where applications are hardly told apart",
    },
    "central_tendency": {
        "zh": "该评审员给出40%至60%的比例高出其他评审员的部分",
        "en": "how much more often than the others this reviewer rates from 40 to 60 percent",
    },
}
