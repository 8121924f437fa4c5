"""Checks a result bundle with no network and no database, on the standard library and `cryptography` alone.

It shares no code with the product: it reads the same archive, and works every number out a second time.
"""
