"""What the gateway keeps: accounts, their roles, one-time links, sign-ins, and which tokens are no longer good."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from kernel.arrival import Arrivals
from kernel.database import COLUMN_TYPES, new_id, service_metadata
from kernel.sealed import SealedText


class Base(DeclarativeBase):
    """The gateway's tables."""

    metadata = service_metadata()
    type_annotation_map = COLUMN_TYPES


class Account(Base):
    """A person, whose id is `sub` in every token; or a machine client, whose id is its client id."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("kind in ('person', 'client')", name="kind"),
        CheckConstraint("status in ('pending', 'active', 'disabled')", name="status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    login: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str]
    status: Mapped[str]
    password_hash: Mapped[str | None]
    password_set_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    secret_hash: Mapped[bytes | None]
    former_secret_hash: Mapped[bytes | None] = mapped_column(comment="a machine's secret before its last rotation")
    former_secret_until: Mapped[datetime | None] = mapped_column(comment="until when both are good")
    signing_sealed: Mapped[bytes | None] = mapped_column(comment="the secret of a machine that signs its requests, encrypted")
    former_signing_sealed: Mapped[bytes | None] = mapped_column(comment="that before its last rotation")
    factor_sealed: Mapped[bytes | None] = mapped_column(comment="the TOTP secret, encrypted")
    factor_confirmed_at: Mapped[datetime | None]
    factor_step: Mapped[int | None] = mapped_column(BigInteger, comment="time step of the last code taken: none is taken twice")
    scopes: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
    grants: Mapped[list["Grant"]] = relationship(lazy="selectin", order_by="Grant.role", cascade="all, delete-orphan")
    registration: Mapped["Registration | None"] = relationship(lazy="selectin")
    sanctions: Mapped[list["Sanction"]] = relationship(lazy="selectin", order_by="Sanction.id")


class Grant(Base):
    """A role that a person holds; one of them is chosen at each sign-in."""

    __tablename__ = "role_grant"
    __table_args__ = (UniqueConstraint("account_id", "role"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    role: Mapped[str]
    duties: Mapped[list[str]] = mapped_column(default=list)
    org: Mapped[str | None] = mapped_column(index=True, comment="credit code; in the token only once verified")
    body: Mapped[str | None] = mapped_column(comment="endorsing body or department")
    verified_at: Mapped[datetime | None]


class Organisation(Base):
    """A credit code under which somebody registered; its row is locked while it is decided who may act for it."""

    __tablename__ = "organisation"

    credit_code: Mapped[str] = mapped_column(primary_key=True)


class Registration(Base):
    """A person's claim to act for an organisation, until its township's body or the office has verified it."""

    __tablename__ = "registration"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    credit_code: Mapped[str] = mapped_column(ForeignKey("organisation.credit_code"), index=True)
    organisation: Mapped[str]
    township: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[str | None]


class Sanction(Base):
    """What was done about a person's misconduct."""

    __tablename__ = "sanction"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[str]
    clause: Mapped[str]
    reason: Mapped[str]
    imposed_at: Mapped[datetime]
    imposed_by: Mapped[str]


class Activation(Base):
    """A one-time link, known by its secret's hash: the first password, or a new one."""

    __tablename__ = "activation"

    secret_hash: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    purpose: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Family(Base):
    """One sign-in: the tokens that follow from it."""

    __tablename__ = "refresh_family"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    role: Mapped[str]
    authenticated_at: Mapped[datetime | None] = mapped_column(comment="when the person proved who they are, here or at their issuer")
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    agent: Mapped[str | None] = mapped_column(comment="what the program called itself at sign-in")


class Refresh(Base):
    """A refresh token, by its hash, and the access token it came with; one that comes a second time revokes its family."""

    __tablename__ = "refresh_token"

    secret_hash: Mapped[bytes] = mapped_column(primary_key=True)
    family_id: Mapped[UUID] = mapped_column(ForeignKey("refresh_family.id", ondelete="CASCADE"), index=True)
    token_id: Mapped[str] = mapped_column(unique=True, comment="jti of the access token")
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Denial(Base):
    """Access tokens that are no longer good: one by its `jti`, or all of an account's that were made before `made_before`."""

    __tablename__ = "denial"

    key: Mapped[str] = mapped_column(primary_key=True, comment="jti, or account id")
    made_before: Mapped[UUID]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SigningKey(Base):
    """A key of the token signer, which every replica reads; its phases are in `gateway.keys`."""

    __tablename__ = "signing_key"
    __table_args__ = (CheckConstraint("phase in ('published', 'signing', 'retired')", name="phase"),)

    kid: Mapped[str] = mapped_column(primary_key=True)
    phase: Mapped[str]
    public: Mapped[dict[str, str]] = mapped_column(JSONB, comment="as a JSON Web Key")
    sealed: Mapped[bytes | None] = mapped_column(comment="the private key, encrypted; none once retired")
    published_at: Mapped[datetime]
    moved_at: Mapped[datetime] = mapped_column(comment="when it came into its phase")


class OutsideIdentity(Base):
    """A person as another issuer knows them."""

    __tablename__ = "outside_identity"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    invited: Mapped[bool] = mapped_column(comment="the roles are those of the invitation, not of the issuer's claims")


class Recusal(Base):
    """From which organisation a person is recused, as scoring tells it: its accounts are absent for them."""

    __tablename__ = "recusal"

    person: Mapped[str] = mapped_column(primary_key=True)
    credit_code: Mapped[str] = mapped_column(primary_key=True)


class Nonce(Base):
    """What a signed request carried so that it is taken once."""

    __tablename__ = "nonce"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class StrayFailure(Base):
    """Failed sign-ins under logins that nobody has, counted so that they cost what any other failure costs."""

    __tablename__ = "stray_failure"

    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    failures: Mapped[int]


class Preference(Base):
    """How a person wants to be told, and how far they were; the row is locked while it is looked what is new for them."""

    __tablename__ = "preference"
    __table_args__ = (CheckConstraint("mode in ('at_once', 'digest', 'off')", name="mode"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    address: Mapped[str | None] = mapped_column(SealedText("preference.address"))
    confirmed_at: Mapped[datetime | None]
    code_hash: Mapped[bytes | None] = mapped_column(comment="of the code that confirms the address")
    code_until: Mapped[datetime | None]
    mode: Mapped[str] = mapped_column(default="off")
    language: Mapped[str] = mapped_column(default="zh")
    hour: Mapped[int] = mapped_column(default=8, comment="of the digest, in the district's time")
    decided_since: Mapped[datetime] = mapped_column(comment="decisions from then on are asked for")
    looked_at: Mapped[datetime | None] = mapped_column(index=True)
    digested_on: Mapped[date | None]
    failures: Mapped[int] = mapped_column(default=0)
    last_failure: Mapped[str | None]
    retry_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class Mail(Base):
    """A mail that was begun: sent, refused for good, or, where neither is known, never begun again."""

    __tablename__ = "mail"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(index=True, comment="no foreign key, which would wait for whoever changes the account")
    purpose: Mapped[str]
    begun_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    failure: Mapped[str | None]


class Notice(Base):
    """A fact that a person is told once, by the mail that took it; a task's stands until the task is gone, so that it may come anew."""

    __tablename__ = "notice"
    __table_args__ = (
        Index("ix_notice_standing", "account_id", "fact", unique=True, postgresql_where=text("ended_at is null")),
        Index("ix_notice_waiting", "account_id", postgresql_where=text("mail_id is null and ended_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID]
    source: Mapped[str] = mapped_column(comment="service and role that the fact was read from and in")
    what: Mapped[str]
    fact: Mapped[str]
    since: Mapped[datetime] = mapped_column(comment="from when on decisions were asked for when it was found")
    ended_at: Mapped[datetime | None]
    mail_id: Mapped[UUID | None] = mapped_column(ForeignKey("mail.id"), index=True)


class Arrival(Arrivals, Base):
    """How many tried to register from one address since `since`."""

    __tablename__ = "arrival"
