"""Traces by setting (OTLP): one request, one trace, from the door through services, database and letters; its number is the request's id.

Spans hold method, route, status, peer, kind of event and SQL text without values: nothing of a person.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

Facts = Mapping[str, str | int]
FAULT = 500


def trace_number(request_id: str) -> int:
    """Give a request's trace id: its id where that is one (128 bits in hex, dashes aside), else a hash of it."""
    plain = request_id.replace("-", "").lower()
    if len(plain) == 32 and all(digit in "0123456789abcdef" for digit in plain) and int(plain, 16):  # noqa: PLR2004 - 128 bits
        return int(plain, 16)
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:16], "big")


class Traces:
    """A program's spans; without an endpoint set there are none, and nothing of OpenTelemetry is even loaded."""

    def __init__(self, program: str, endpoint: str, share: float, exporter: "SpanExporter | None" = None) -> None:
        """Send spans in the background to the collector at `endpoint` (its address without `/v1/traces`), or to `exporter`."""
        self._provider: Any = None
        self._tracer: Any = None
        if not endpoint and exporter is None:
            return
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - costly; most never need it
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - same
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - same
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - same
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased  # noqa: PLC0415 - same

        self._provider = TracerProvider(TraceIdRatioBased(share), Resource.create({"service.name": program}), shutdown_on_exit=False)
        sink = exporter or OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(sink))
        self._tracer = self._provider.get_tracer("quality-award")

    @contextmanager
    def server(self, name: str, request_id: str, traceparent: str | None) -> Iterator["Span | None"]:
        """Span what is done for a request, below the caller's span where one is named."""
        if self._tracer is None:
            yield None
            return
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - loaded already where there are traces

        with self._tracer.start_as_current_span(
            name, self._parent(request_id, traceparent), SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span

    @contextmanager
    def client(self, name: str, facts: Facts, request_id: str | None = None) -> Iterator[dict[str, str]]:
        """Span a call to a peer, in the current trace or that of `request_id`; gives the headers that carry the trace on."""
        if self._tracer is None:
            yield {}
            return
        from opentelemetry.propagate import inject  # noqa: PLC0415 - loaded already where there are traces
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - same

        parent = None if request_id is None else self._parent(request_id, None)
        carried: dict[str, str] = {}
        with self._tracer.start_as_current_span(
            name, parent, SpanKind.CLIENT, attributes=facts, record_exception=False, set_status_on_exception=False
        ):
            inject(carried)
            yield {"traceparent": carried["traceparent"]}

    @staticmethod
    def _parent(request_id: str, traceparent: str | None) -> "Context":
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context  # noqa: PLC0415 - loaded already
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - same

        if traceparent is not None:
            return TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        number = trace_number(request_id)
        first = SpanContext(number, (number & (1 << 64) - 1) or 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        return set_span_in_context(NonRecordingSpan(first))

    def watch(self, engine: Engine) -> None:
        """Span every statement, by its text with placeholders and its error's kind; an error's own text may name a person."""
        if self._tracer is None:
            return
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - loaded already where there are traces

        @event.listens_for(engine, "before_cursor_execute")
        def begin(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:  # noqa: ANN401, FBT001 - as SQLAlchemy calls it
            words = statement.split(maxsplit=1)
            name = words[0].upper() if words else "SQL"
            facts = {"db.system.name": "postgresql", "db.query.text": statement}
            context.quality_award_span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=facts)

        @event.listens_for(engine, "after_cursor_execute")
        def end(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:  # noqa: ANN401, FBT001 - same
            context.quality_award_span.end()

        @event.listens_for(engine, "handle_error")
        def fail(failure: Any) -> None:  # noqa: ANN401 - same
            span = getattr(failure.execution_context, "quality_award_span", None)
            if span is not None:
                span.set_status(StatusCode.ERROR, type(failure.original_exception).__name__)
                span.end()

    def flush(self) -> None:
        """Send what has ended so far, and wait for it."""
        if self._provider is not None:
            self._provider.force_flush()

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()


def tell(span: "Span | None", name: str, facts: Facts, status: int) -> None:
    """Say on a request's span what it was and how it ended."""
    if span is not None:
        span.update_name(name)
        span.set_attributes({**facts, "http.response.status_code": status})
        if status >= FAULT:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415 - loaded already where there are traces

            span.set_status(StatusCode.ERROR)
