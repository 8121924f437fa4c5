"""`python -m migrations upgrade` migrates a deployment; `await SCHEMA` waits, as that service, until that is done.

`revision SCHEMA WORDS` writes a schema's next revision from its tables.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.script import Script
from sqlalchemy import text

from migrations.deployment import await_upgrade, upgrade_deployment
from migrations.migrate import HERE, SCHEMAS, config, engine_for, run


def write_revision(schema: str, words: str) -> None:
    """Write a schema's next revision: what its tables declare beyond the revisions before it."""
    from embedded import postgres  # noqa: PLC0415 - a deployment migrates without the embedded server

    versions = HERE / schema / "versions"
    number = f"{len(list(versions.glob('*.py'))) + 1:04}"
    with TemporaryDirectory() as folder, postgres.running(Path(folder) / "data") as server:
        engine = engine_for(server.admin_url, schema)
        with engine.begin() as connection:
            connection.execute(text(f"create schema {schema}"))
        run(server.admin_url, schema, "head")
        with engine.begin() as connection:
            written = command.revision(config(schema, connection), words, autogenerate=True, rev_id=f"{schema}_{number}")
        engine.dispose()
    assert isinstance(written, Script)  # noqa: S101 - one revision was asked for
    Path(written.path).rename(versions / f"{number}_{'_'.join(words.lower().split())}.py")


match sys.argv[1:]:
    case ["upgrade"]:
        upgrade_deployment()
    case ["await", schema] if schema in SCHEMAS:
        await_upgrade(schema)
    case ["revision", schema, words] if schema in SCHEMAS:
        write_revision(schema, words)
    case _:
        raise SystemExit(__doc__)
