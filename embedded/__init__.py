"""The whole product in one process, with PostgreSQL inside; the only place that imports everything."""
