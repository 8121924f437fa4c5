"""An HTTP client as the product's users should write theirs: a key with every POST, patience where the server asks for it."""

import time
from typing import Any
from uuid import uuid4

import httpx

PATIENCE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 0.05  # on one machine news takes milliseconds; Retry-After speaks in whole seconds


class Caller(httpx.Client):
    """Sends an Idempotency-Key with every POST, and repeats what was answered 503 with Retry-After, under the same key."""

    def request(self, method: str, url: Any, **given: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has it
        """Send, and send again while the server asks for patience."""
        headers = dict(given.pop("headers", None) or {})
        if method == "POST":
            headers.setdefault("Idempotency-Key", uuid4().hex)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = super().request(method, url, headers=headers, **given)
            waits = answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "retry-after" in answer.headers
            if not waits or time.monotonic() > deadline:
                return answer
            time.sleep(min(float(answer.headers["retry-after"]), LONGEST_PAUSE_SECONDS))
