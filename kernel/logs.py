"""Structured logs: one JSON object a line, with the request id, and never a body, a token or a person's contact."""

import json
import logging
import re
import sys
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
log = logging.getLogger("quality_award")
ROW_IN_ERROR = re.compile(r"^DETAIL: .*$", re.MULTILINE)
"""Where PostgreSQL repeats a row's values in an error."""


class JsonLines(logging.Formatter):
    """Format a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give time, level, message, request id, the facts, and the traceback where there is one."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        line |= getattr(record, "fact", {})
        if record.exc_info:
            line["traceback"] = ROW_IN_ERROR.sub("DETAIL: left out", self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str = "INFO") -> None:
    """Send every log of the program to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
