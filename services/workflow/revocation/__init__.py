"""Taking an honour back: from a ground over the office's verification to the government's decision, and what comes back (7.2, 7.5)."""
