"""The migration of a deployment, once, before its programs start, and how these wait for it."""

import sys
import threading

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from kernel.health import newest_revision
from kernel.settings import SECRETS
from migrations.migrate import SCHEMAS, engine_for, upgrade

AGAIN_SECONDS = 2


class MigrationSettings(BaseSettings):
    """What a migration needs: the owner's access, and the password that each service's role gets."""

    model_config = SettingsConfigDict(env_prefix="QUALITY_AWARD_", secrets_dir=SECRETS if SECRETS.is_dir() else None, extra="ignore")

    owner_url: str
    owner_password: SecretStr
    gateway_database_password: SecretStr
    intake_database_password: SecretStr
    scoring_database_password: SecretStr
    workflow_database_password: SecretStr


class ServiceAccess(BaseSettings):
    """One service's own access to the database."""

    model_config = SettingsConfigDict(env_prefix="QUALITY_AWARD_", secrets_dir=SECRETS if SECRETS.is_dir() else None, extra="ignore")

    database_url: str
    database_password: SecretStr


def upgrade_deployment() -> None:
    """Migrate the database that the environment names."""
    settings = MigrationSettings.model_validate({})
    url = make_url(settings.owner_url).set(password=settings.owner_password.get_secret_value())
    passwords: dict[str, SecretStr] = {schema: getattr(settings, f"{schema}_database_password") for schema in SCHEMAS}
    upgrade(url, {schema: password.get_secret_value() for schema, password in passwords.items()})


def await_upgrade(schema: str) -> None:
    """Wait until a service's role reaches its schema at the revision that this program was shipped with, or a newer one."""
    settings, pause = ServiceAccess.model_validate({}), threading.Event()
    url = make_url(settings.database_url).set(password=settings.database_password.get_secret_value())
    engine, wanted = engine_for(url, schema), newest_revision(schema)
    while True:
        try:
            with engine.connect() as connection:
                found = connection.scalar(text("select version_num from alembic_version"))
            if found is not None and int(found.rpartition("_")[2]) >= wanted:
                return
        except (OperationalError, ProgrammingError) as error:  # no server, no role, no schema, no table: not yet
            found = type(error).__name__
        sys.stderr.write(f"waiting for the schema {schema} at revision {wanted:04}; found {found}\n")
        pause.wait(AGAIN_SECONDS)
