"""The docket: objections to a notice and reports at any time, investigated, then ruled on or dismissed (5.4.2, 2.2.4)."""
