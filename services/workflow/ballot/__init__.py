"""Motions (议案) and how the committee votes on them: roll, recusals and quorum frozen first, one ballot per name, then the count."""
