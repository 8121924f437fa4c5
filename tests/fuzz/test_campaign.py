import os
import sys

from tests.fuzz.campaign import Campaign
from tests.fuzz.corpus import ITEMS
from tests.rig import Award

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1"))
OPERATIONS_EACH = int(os.environ.get("FUZZ_OPERATIONS_EACH", "1"))


def test_nothing_that_is_sent_makes_a_fault(award: Award) -> None:
    campaign = Campaign(award)
    campaign.run_corpus(OPERATIONS_EACH)
    by_hand = campaign.statuses.total()
    campaign.run_document(EXAMPLES)
    generated = campaign.statuses.total() - by_hand
    figures = ", ".join(f"{count} × {status}" for status, count in sorted(campaign.statuses.items()))
    sys.stdout.write(f"\nfuzz: {ITEMS} items by hand in {by_hand} requests, {generated} requests from the document: {figures}\n")
    assert ITEMS >= 300
    assert campaign.faults == []
