"""The door's settings, beyond those that every program has."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from kernel.identity import Duty, OutsideAlgorithm, Role
from kernel.settings import ServiceName, Settings


class MappedRole(BaseModel):
    """The role that a claim's value stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["applicant", "endorser", "reviewer", "committee"]
    duties: tuple[Duty, ...] = ()


class OutsideIssuer(BaseModel):
    """An OpenID provider whose word on who somebody is the door takes; supervisors are the chair's to make, and no claim's (7.1)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    """Its identifier, https (http on this machine alone); its keys are found by discovery."""
    audience: str
    """The `aud` of its tokens that are meant for this door: the client id it knows us by."""
    algorithms: tuple[OutsideAlgorithm, ...] = ("RS256",)
    """What it signs with, each key with its own algorithm alone. RSA keys have 2048 bits or more; ES256 gives 128 bits of security."""
    lifetime_minutes: int = 60
    """Longest life of a token of its that is taken."""
    second_factor_acr: frozenset[str] = frozenset()
    """Values of its `acr` that mean a second factor, which `second_factor_roles` need; what tells nothing of it was a password alone."""
    second_factor_amr: frozenset[str] = frozenset()
    """Values of its `amr`, any one of which means the same."""
    auth_minutes: int = 0
    """How long ago at most (`auth_time`) somebody signed in there; 0: however long. Else a token that doesn't tell it is refused."""
    sign_in_hours: int = 12
    """How long after that (where it isn't told: after the token was issued) a sign-in here lasts at most, however often it is renewed."""
    provision: bool = False
    """Let in people whom nobody invited, in the roles that `roles` makes of `role_claim`, anew at each sign-in."""
    role_claim: str = "role"
    roles: Mapping[str, MappedRole] = {}
    """What each value of the claim stands for."""
    org_claim: str = "org"
    """The claim with an applicant's credit code."""
    body_claim: str = "body"
    """The claim with an endorser's body."""
    name_claim: str = "name"

    @field_validator("issuer")
    @classmethod
    def _check(cls, issuer: str) -> str:
        found = urlsplit(issuer)
        if found.scheme != "https" and (found.scheme, found.hostname) not in {("http", "127.0.0.1"), ("http", "localhost")}:
            raise ValueError("an issuer is an https address")
        return issuer


class GatewaySettings(Settings):
    """The settings of the gateway."""

    state: Path = Path("/var/lib/quality-award")
    """The folder of the first office account's activation secret."""
    public_url: str = ""
    """Where everybody finds the door, e.g. https://award.example.gov.cn; while empty, published metadata name the host that was asked."""
    intake_secret: SecretStr
    """The client secret with which intake gets tokens."""
    scoring_secret: SecretStr
    """The client secret with which scoring gets tokens."""
    workflow_secret: SecretStr
    """The client secret with which workflow gets tokens."""
    password_length: int = 15
    """Fewest characters of a password (ASVS 6.2.1, NIST SP 800-63B)."""
    password_classes: int = 1
    """Of how many sorts a password's characters must be: lower case and Chinese, upper case, digits, others; 等保 asks for 3."""
    password_words: tuple[str, ...] = ("jindong", "jinhua", "zhiliang", "quality", "330703")
    """Words (a JSON list, in lower case) that no password may contain, since they are obvious here."""
    password_grant: bool = True
    """Take OAuth's password grant, too, as the API's contract has it; false: persons sign in at `/auth/sign-in` alone (ASVS 10.4.4)."""
    password_days: int = 0
    """After how many days a password must be changed; 0: never."""
    second_factor_roles: frozenset[Role] = frozenset()
    """Roles that sign in with a second factor only (a JSON list, e.g. ["committee", "supervisor"]); anyone may enrol one."""
    second_factor_steps: Annotated[int, Field(ge=0, le=1)] = 0
    """For how many half minutes before and after its own a code is taken: none (ASVS 6.5.5), or one (RFC 6238, for clocks apart)."""
    outside_issuers: tuple[OutsideIssuer, ...] = ()
    """OpenID providers whose tokens the door exchanges for its own (a JSON list)."""
    hashes_at_once: int = 4
    """How many passwords are hashed at the same time (19 MiB each)."""
    registrations_per_hour: int = 60
    """How many times one address may try to register in an hour, whatever the answer: a refusal tells what is taken."""
    refresh_hours: int = 12
    """How long a sign-in lasts at most."""
    idle_minutes: int = 60
    """After how long without a renewal a sign-in ends; 0: only when it has lasted its time."""
    fresh_minutes: int = 5
    """How long after signing in a person may end their other sign-ins; later they sign in anew for it."""
    activation_hours: int = 72
    """How long a one-time link is good."""
    cors_origins: tuple[str, ...] = ()
    """The origins (a JSON list) whose pages may call the API from a browser; none but the API's own where it is empty."""
    stream_seconds: float = 5
    """How often an open stream of tasks looks for what came by another replica, or by time alone."""
    streams_each: int = 5
    """How many streams of tasks one person may hold open."""
    smtp_host: str = ""
    """The mail server; while empty nobody is told anything by mail, and nothing is queued."""
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` only within one machine or a closed network: it shows names and passwords to whoever listens."""
    smtp_user: str = ""
    """With whom the door signs in there; empty: it doesn't."""
    smtp_password: SecretStr = SecretStr("")
    """That user's password; under compose the file `smtp_password`."""
    mail_from: str = "quality-award@localhost"
    """The address that mails come from."""
    portal_url: str = ""
    """The address of the pages where people sign in, for the mails to name."""
    notice_seconds: float = 60
    """How often it is looked what is new for a person who wants to be told by mail."""
    deadline_days: int = 3
    """How many days before it is due a task is told once more."""
    mail_days: int = 90
    """How long `retention` leaves what is kept of mails; 0: for ever."""
    sign_in_days: int = 90
    """How long `retention` leaves what is kept of sign-ins and one-time links after their end; 0: for ever."""
    upstream_seconds: float = 60
    """How long a service may be silent before the door answers 503."""

    body_stall_seconds: float = Field(10, gt=0)
    """How long the door waits for the next piece of a body, and how far a slow one may fall behind; then it answers 408."""
    body_bytes_per_second: int = Field(1024, gt=0)
    """How fast a body comes at least."""

    @property
    def activation_file(self) -> Path:
        """Name the file (mode 0600) with the first office account's one-time activation secret."""
        return self.state / "office-activation"

    def client_secrets(self) -> dict[ServiceName, str]:
        """Give the secret that each service proves itself with."""
        secrets: dict[ServiceName, SecretStr] = {
            "gateway": self.service_secret,
            "intake": self.intake_secret,
            "scoring": self.scoring_secret,
            "workflow": self.workflow_secret,
        }
        return {name: secret.get_secret_value() for name, secret in secrets.items()}

    def sign_in_lifetime(self) -> timedelta:
        """Give how long a sign-in lasts at most."""
        return timedelta(hours=self.refresh_hours)

    def activation_lifetime(self) -> timedelta:
        """Give how long a one-time link is good."""
        return timedelta(hours=self.activation_hours)
