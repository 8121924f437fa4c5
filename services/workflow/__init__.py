"""The committee, its office and the supervision group: the award year from its plan to its prizes."""
