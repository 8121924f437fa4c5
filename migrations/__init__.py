"""The database's shape: one schema and one role per service, each with revisions of its own."""
