"""Every setting of a program, read from the environment (`QUALITY_AWARD_*`) or from files under /run/secrets."""

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url

from kernel.sealed import Seal

SECRETS = Path("/run/secrets")

Environment = Literal["production", "demo", "test"]
ServiceName = Literal["gateway", "intake", "scoring", "workflow"]


class Settings(BaseSettings):
    """One program's settings; a secret may stand in a file named like its variable, in lower case."""

    model_config = SettingsConfigDict(
        env_prefix="QUALITY_AWARD_", secrets_dir=SECRETS if SECRETS.is_dir() else None, extra="ignore", frozen=True
    )

    environment: Environment = "production"
    """`demo` and `test` may shift the business clock; production refuses to start shifted."""
    edition: str = "jindong-2022"
    """The edition of the regulation that new cycles open with."""
    database_url: str
    """SQLAlchemy URL of this service's own role, without its password."""
    database_password: SecretStr = SecretStr("")
    pool_size: int = 20
    """Connections at most; each is opened when it is first needed, and kept."""
    host: str = "0.0.0.0"  # noqa: S104 - a program in a container serves its network
    """The address that the program listens on."""
    port: int = 8000
    """The port that the program listens on."""
    edge_addresses: str = ""
    """Whose X-Forwarded-For and X-Forwarded-Proto are believed: the edge's addresses, comma by comma; `*` where nobody else can connect."""
    issuer: str = "quality-award"
    """The `iss` of every token."""
    service_secret: SecretStr
    """This service's client secret, with which it gets tokens to call its peers."""
    record_seed: SecretStr
    """The 32 secret bytes, in base64url, of the Ed25519 key that signs this service's checkpoints."""
    contact_key: SecretStr = SecretStr("")
    """The 32 secret bytes, in base64url, that seal contact data in the database; gateway, intake and workflow don't start without."""
    contact_keys_former: SecretStr = SecretStr("")
    """Earlier such keys, comma by comma, until `python -m services.… reseal` has sealed everything with the new one."""
    idempotency_days: int = 30
    """How long `retention` leaves the answers that a repeated Idempotency-Key gets; 0, here and below: for ever."""
    objector_days: int = 365
    """How long `retention` leaves an objector's name and contact after the case was settled."""
    applicant_days: int = 1095
    """How long `retention` leaves an organisation's contacts after its last application came to nothing."""
    gateway_url: str = "http://gateway:8000"
    intake_url: str = "http://intake:8000"
    scoring_url: str = "http://scoring:8000"
    workflow_url: str = "http://workflow:8000"
    files: Path = Path("/var/lib/quality-award/files")
    """Where attachments are kept; with a bucket, only while they arrive."""
    files_s3_bucket: str = ""
    """A bucket of an S3-compatible store that keeps the attachments instead; none while empty."""
    files_s3_endpoint: str = ""
    """That store's address; empty for the region's own."""
    files_s3_region: str = "us-east-1"
    files_s3_key: str = ""
    files_s3_secret: SecretStr = SecretStr("")
    """That key's secret; under compose the file `files_secret`."""
    attachment_bytes: int = 50 * 1024 * 1024
    """Largest single attachment."""
    dossier_bytes: int = 500 * 1024 * 1024
    """Largest sum of one application's attachments."""

    clamd: str = Field("", pattern=r"^(/.+|.+:\d{1,5})?$")
    """Where clamd answers, which scans each attachment before it is kept: its socket's path, or host:port; empty: nothing is scanned."""
    clamd_seconds: float = 50
    """How long a scan may take; shorter than the door waits for an answer (`upstream_seconds`)."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """From which weight on a line is logged; at INFO every request is one."""
    otlp_endpoint: str = ""
    """Address of an OpenTelemetry collector (OTLP over HTTP, e.g. http://collector:4318) that gets traces; empty: none are made."""
    otlp_share: float = Field(1.0, ge=0, le=1)
    """Of how many requests, by their ids, the trace is kept; the same ones in every program."""
    objections_per_hour: int = 60
    """How many objections, reports and their files one address may send in an hour."""

    webhook_networks: tuple[IPvAnyNetwork, ...] = ()
    """The inner networks (a JSON list, e.g. ["10.20.0.0/16"]) that webhooks may go to; they go to public addresses in any case."""

    def database(self) -> URL:
        """Give the URL with its password."""
        url = make_url(self.database_url)
        password = self.database_password.get_secret_value()
        return url.set(password=password) if password else url

    def contact_seal(self) -> Seal:
        """Give what seals contact data; `SealError` without a proper key."""
        return Seal(self.contact_key, self.contact_keys_former)

    def peer_url(self, peer: ServiceName) -> str:
        """Give a peer's base address."""
        return {"gateway": self.gateway_url, "intake": self.intake_url, "scoring": self.scoring_url, "workflow": self.workflow_url}[peer]
