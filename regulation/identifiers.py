"""The identifiers that applications carry: unified social credit code (GB 32100-2015) and industry (GB/T 4754-2017)."""

import re

from regulation.refusal import Refusal

CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # without I, O, S, V and Z
WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
CREDIT_CODE = re.compile(rf"[{CHARACTERS}]{{18}}", re.ASCII)
INDUSTRY = re.compile(r"([A-T])([0-9]{2})[0-9]{0,2}", re.ASCII)
# The last two-digit division of each section; a section begins where the one before it ends.
LAST_DIVISIONS = dict(
    zip("ABCDEFGHIJKLMNOPQRST", (5, 12, 43, 46, 50, 52, 60, 62, 65, 69, 70, 72, 75, 79, 82, 83, 85, 90, 96, 97), strict=True)
)


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
    """Refuse what is no section letter with 2 to 4 digits of a division in that section.

    Clause 3.1.
    """
    shape = INDUSTRY.fullmatch(code)
    if not shape:
        raise Refusal("industry_shape", "3.1")
    letter, division = shape[1], int(shape[2])
    first = LAST_DIVISIONS.get(chr(ord(letter) - 1), 0) + 1
    if not first <= division <= LAST_DIVISIONS[letter]:
        raise Refusal("industry_section", "3.1", section=letter, first=f"{first:02}", last=f"{LAST_DIVISIONS[letter]:02}")
