"""`python -m migrations upgrade` migrates a deployment; `revision SCHEMA` writes a schema's initial revision from its tables."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url, text

from kernel.settings import SECRETS
from migrations.migrate import HERE, SCHEMAS, config, engine_for, upgrade


class MigrationSettings(BaseSettings):
    """What a migration needs: the owner's access, and the password that each service's role gets."""

    model_config = SettingsConfigDict(env_prefix="QUALITY_AWARD_", secrets_dir=SECRETS if SECRETS.is_dir() else None, extra="ignore")

    owner_url: str
    owner_password: SecretStr
    gateway_database_password: SecretStr
    intake_database_password: SecretStr
    scoring_database_password: SecretStr
    workflow_database_password: SecretStr


def upgrade_deployment() -> None:
    """Migrate the database that the environment names."""
    settings = MigrationSettings.model_validate({})
    url = make_url(settings.owner_url).set(password=settings.owner_password.get_secret_value())
    passwords: dict[str, SecretStr] = {schema: getattr(settings, f"{schema}_database_password") for schema in SCHEMAS}
    upgrade(url, {schema: password.get_secret_value() for schema, password in passwords.items()})


def write_initial(schema: str) -> None:
    """Write `0001_initial.py` of one schema anew, by comparing its tables with an empty database."""
    from embedded import postgres  # noqa: PLC0415 - a deployment migrates without the embedded server

    versions = HERE / schema / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    for old in versions.glob("*.py"):
        old.unlink()
    with TemporaryDirectory() as folder, postgres.running(Path(folder) / "data") as server:
        engine = engine_for(server.admin_url, schema)
        with engine.begin() as connection:
            connection.execute(text(f"create schema {schema}"))
        with engine.begin() as connection:
            command.revision(config(schema, connection), f"{schema}: the first tables", autogenerate=True, rev_id=f"{schema}_0001")
        engine.dispose()
    written = next(versions.glob("*.py"))
    written.rename(versions / "0001_initial.py")


match sys.argv[1:]:
    case ["upgrade"]:
        upgrade_deployment()
    case ["revision", schema] if schema in SCHEMAS:
        write_initial(schema)
    case _:
        raise SystemExit(__doc__)
