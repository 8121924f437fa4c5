"""How fast it is, beside what others offer for the same work, measured in the same run."""
