"""The three services behind the door; none imports another."""
