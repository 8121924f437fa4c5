"""Engine, naming, ids, and the tables that every service's schema holds beside its own."""

from collections.abc import Mapping
from datetime import datetime
from select import POLLIN, poll
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    DateTime,
    Engine,
    ForeignKey,
    Identity,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    create_engine,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.event import listens_for
from sqlalchemy.exc import InvalidatePoolError
from uuid_utils import compat

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

kernel_metadata = MetaData(naming_convention=NAMES)

event = Table(
    "event",
    kernel_metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, comment="business instant"),
    Column("recorded_at", DateTime(timezone=True), nullable=False, comment="wall instant"),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("actor", Text),
    Column("role", Text),
    Column("clause", Text),
    Column("facts", JSONB, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("told", ARRAY(Text), nullable=False),
    comment="append-only: the service's role may insert and select, nothing else",
)
unsequenced = Table(
    "unsequenced",
    kernel_metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, ForeignKey("event.id"), nullable=False),
)
leaf = Table(
    "leaf",
    kernel_metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", Uuid, ForeignKey("event.id"), nullable=False, unique=True),
    Column("hash", LargeBinary, nullable=False, comment="RFC 6962 leaf hash of the event's canonical JSON"),
    Column("nodes", ARRAY(LargeBinary), nullable=False, comment="hashes of the subtrees that this leaf completes, from level 1 upwards"),
)
outbox = Table(
    "outbox",
    kernel_metadata,
    Column("peer", Text, primary_key=True),
    Column("leaf_index", BigInteger, ForeignKey("leaf.index"), primary_key=True),
)
received = Table(
    "received",
    kernel_metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("sender", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
witness = Table(
    "witness",
    kernel_metadata,
    Column("key", Text, primary_key=True, comment="the public key, as verifiers of signed notes take it"),
    Column("name", Text, nullable=False, unique=True),
    Column("registered_at", DateTime(timezone=True), nullable=False),
)
cosignature = Table(
    "cosignature",
    kernel_metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, ForeignKey("witness.key"), primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("line", Text, nullable=False, comment="the signature's line of the signed note"),
    Column("at", DateTime(timezone=True), nullable=False),
)
idempotency = Table(
    "idempotency",
    kernel_metadata,
    Column("subject", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
clock_shift = Table(
    "clock_shift",
    kernel_metadata,
    Column("offset", Interval, nullable=False),
    Column("frozen_at", DateTime(timezone=True)),
)

APPEND_ONLY = ("event", "leaf")


COLUMN_TYPES: Mapping[Any, Any] = MappingProxyType(
    {
        str: Text,
        datetime: DateTime(timezone=True),
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB(none_as_null=True),
        list[dict[str, Any]]: JSONB,
    }
)
"""What a column is whose type a service's tables only annotate, in every service alike."""


def service_metadata() -> MetaData:
    """Give a service's metadata: the naming convention and the kernel's tables; its schema comes by the role's search path."""
    metadata = MetaData(naming_convention=NAMES)
    for table in kernel_metadata.sorted_tables:
        table.to_metadata(metadata)
    return metadata


def new_id() -> UUID:
    """Make a UUIDv7: sortable by the moment it was made."""
    return compat.uuid7()


def make_engine(url: URL, schema: str, pool_size: int) -> Engine:
    """Connect to one schema; a statement waits at most 10 s for a lock, a request at most 5 s for a connection.

    A database whose machine is gone without a word is noticed within 20 s. No error's text holds what a statement was given.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,
        connect_args={
            "options": f"-csearch_path={schema} -clock_timeout=10s -cidle_in_transaction_session_timeout=60s",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": 20_000,
        },
    )

    @listens_for(engine, "checkout")
    def check_alive(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - what psycopg and SQLAlchemy call a connection differ
        """Ask a connection whether it lives where its socket has something to tell: one that rests is silent until its server ends it."""
        socket = poll()
        socket.register(connection.fileno(), POLLIN)
        if not socket.poll(0):
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error:
            raise InvalidatePoolError from None

    return engine
