"""The regulation as pure functions and data: standard library only, no I/O but its own data files, no clock."""
