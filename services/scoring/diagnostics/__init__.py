"""Advice beside the official results: severity, agreement, sheets to look at, robustness. No official number ever rests on it.

The numeric modules are pure NumPy and SciPy; they are imported when advice is first asked for, so that the service starts without them.
"""
