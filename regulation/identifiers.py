"""The identifiers that applications carry: unified social credit code (GB 32100-2015) and industry (GB/T 4754-2017)."""

import re

from regulation.industry import DIVISION, divisions, industries
from regulation.refusal import Refusal

CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # without I, O, S, V and Z
WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
CREDIT_CODE = re.compile(rf"[{CHARACTERS}]{{18}}", re.ASCII)
INDUSTRY = re.compile(r"[A-T]([0-9]{2,4})?", re.ASCII)


def check_credit_code(code: str) -> None:
    """Refuse what is no unified social credit code; a wrong last character is told which one is expected.

    Clause 3.1.
    """
    if not CREDIT_CODE.fullmatch(code):
        raise Refusal("credit_code_shape", "3.1")
    total = sum(weight * CHARACTERS.index(character) for weight, character in zip(WEIGHTS, code, strict=False))
    expected = CHARACTERS[-total % len(CHARACTERS)]
    if code[-1] != expected:
        raise Refusal("credit_code_check_character", "3.1", expected=expected)


def check_industry(code: str) -> None:
    """Refuse what is no section, division, group or class of the standard; a division of another section is told the section's own.

    Clause 3.1.
    """
    if not INDUSTRY.fullmatch(code):
        raise Refusal("industry_shape", "3.1")
    if code in industries():
        return
    if code[:DIVISION] not in industries():
        first, *_, last = 2 * divisions(code[0])
        raise Refusal("industry_section", "3.1", section=code[0], first=first[1:], last=last[1:])
    raise Refusal("industry_unknown", "3.1", industry=code)
