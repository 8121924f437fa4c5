"""The references of the speed rows: bare FastAPI and SQLAlchemy doing the same to the same rows, and a plain ASGI upstream."""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from services.intake.tables import Application, Organisation
from services.scoring.tables import Sheet

KILOBYTE = b'{"text": "' + b"x" * 1012 + b'"}'


async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with one kilobyte of JSON."""
    if scope["type"] != "http":
        await receive()
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(KILOBYTE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": KILOBYTE})


class Shown(BaseModel):
    """An application's row with its organisation's name."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    cycle_id: UUID
    credit_code: str
    organisation: str
    township: str
    industry: str
    awards: list[str]
    field: str
    fallback: bool
    state: str
    stage: str | None
    body: str | None
    submitted: int
    filed_at: datetime | None
    determination: dict[str, Any] | None


class Rating(BaseModel):
    """One item's rating."""

    percent: int
    strengths: str
    opportunities: str
    evidence: list[dict[str, str]]


class SheetShown(BaseModel):
    """A sheet's row."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    state: str
    ratings: dict[str, int]
    texts: dict[str, Any]


app = FastAPI()
engine = create_engine(os.environ.get("BARE_URL", "postgresql+psycopg://"), pool_size=10, max_overflow=10)


def _session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session
        session.commit()


InSession = Annotated[Session, Depends(_session, scope="function")]


APPLICATIONS = select(Application, Organisation.name, Organisation.township, Organisation.industry).join(
    Organisation, Organisation.credit_code == Application.credit_code
)


def _shown(application: Application, name: str, township: str, industry: str) -> Shown:
    own = {column.key: getattr(application, column.key) for column in Application.__table__.columns}
    return Shown.model_validate(own | {"organisation": name, "township": township, "industry": industry})


@app.get("/applications/{key}")
def get_application(key: UUID, session: InSession) -> Shown:
    """Read one application."""
    row = session.execute(APPLICATIONS.where(Application.id == key)).one_or_none()
    if row is None:
        raise HTTPException(404)
    return _shown(*row)


@app.get("/applications")
def list_applications(session: InSession, limit: int = 50) -> list[Shown]:
    """List applications."""
    return [_shown(*row) for row in session.execute(APPLICATIONS.order_by(Application.id).limit(limit))]


@app.put("/sheets/{key}/items/{item}")
def put_item(key: UUID, item: str, rating: Rating, session: InSession) -> SheetShown:
    """Rate one item."""
    sheet = session.get(Sheet, key, with_for_update=True)
    if sheet is None:
        raise HTTPException(404)
    sheet.ratings = {**sheet.ratings, item: rating.percent // 5}
    sheet.texts = {**sheet.texts, item: rating.model_dump(exclude={"percent"})}
    sheet.version += 1
    session.flush()
    return SheetShown.model_validate(sheet)


if __name__ == "__main__":
    served = upstream if os.environ["BARE"] == "upstream" else app
    uvicorn.run(served, port=int(os.environ["BARE_PORT"]), log_config=None, access_log=False, loop="uvloop")
