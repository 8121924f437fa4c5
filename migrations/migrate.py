"""Bring the four schemas to their newest revision, with one role each that may do no more than its service needs."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, text

from kernel.database import APPEND_ONLY

HERE = Path(__file__).parent
SCHEMAS = {name: f"services.{name}.tables" for name in ("intake", "scoring", "workflow")} | {"gateway": "gateway.tables"}


def metadata(schema: str) -> MetaData:
    """Give the tables that a service's code declares."""
    found: MetaData = import_module(SCHEMAS[schema]).Base.metadata
    return found


def config(schema: str, connection: Connection) -> Config:
    """Give Alembic's configuration for one schema over an open connection."""
    settings = Config()
    settings.set_main_option("script_location", str(HERE))
    settings.set_main_option("version_locations", str(HERE / schema / "versions"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    settings.attributes["metadata"] = metadata(schema)
    return settings


def engine_for(url: URL, schema: str) -> Engine:
    """Connect as the owner, with the schema in front."""
    return create_engine(url, connect_args={"options": f"-csearch_path={schema}"})


def upgrade(url: URL, passwords: Mapping[str, str]) -> None:
    """Create what is missing and upgrade every schema; safe to run again and side by side (one at a time, by advisory lock)."""
    owner = create_engine(url)
    with owner.connect() as connection:
        connection.execute(text("select pg_advisory_lock(7300)"))
        for schema in SCHEMAS:
            make_role(connection, schema, passwords[schema])
            connection.execute(text(f"create schema if not exists {schema}"))
            connection.commit()  # Alembic runs on a connection of its own, which must see the schema
            run(url, schema, "head")
            grant(connection, schema)
            connection.commit()
    owner.dispose()


def run(url: URL, schema: str, revision: str) -> None:
    """Move one schema to a revision, up or down (`base`)."""
    engine = engine_for(url, schema)
    with engine.begin() as connection:
        move = command.downgrade if revision == "base" else command.upgrade
        move(config(schema, connection), revision)
    engine.dispose()


def make_role(connection: Connection, schema: str, password: str) -> None:
    """Create the service's role, or set its password."""
    verb = "alter" if connection.scalar(text("select 1 from pg_roles where rolname = :role"), {"role": schema}) else "create"
    cursor = connection.connection.cursor()
    cursor.execute(
        sql.SQL(f"{verb} role {{}} login password {{}} nosuperuser nocreatedb nocreaterole").format(
            sql.Identifier(schema), sql.Literal(password)
        )
    )


def grant(connection: Connection, schema: str) -> None:
    """Let the role read and write its rows, and only add to the record."""
    connection.execute(text(f"grant usage on schema {schema} to {schema}"))
    connection.execute(text(f"grant select, insert, update, delete on all tables in schema {schema} to {schema}"))
    connection.execute(text(f"grant usage on all sequences in schema {schema} to {schema}"))
    for table in APPEND_ONLY:
        connection.execute(text(f"revoke update, delete on {schema}.{table} from {schema}"))
    connection.execute(text(f"revoke insert, update, delete on {schema}.alembic_version from {schema}"))


def drift(url: URL, schema: str) -> list[object]:
    """List where a migrated schema differs from what the code declares; empty where it doesn't."""
    engine = engine_for(url, schema)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found: list[object] = compare_metadata(context, metadata(schema))
    engine.dispose()
    return [one for one in found if "alembic_version" not in str(one)]
