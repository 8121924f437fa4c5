"""Drawing panels: seeded, replayable, explained; hard constraints as an integral network flow (2.0, 2.2.2, 2.4.5)."""
