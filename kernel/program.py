"""Run an application as a program of its own."""

import gc

import uvicorn
from starlette.types import ASGIApp

from kernel import logs
from kernel.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than callers and proxies keep theirs, so that none is used that is just being closed."""


def settle() -> None:
    """Have the collector leave what is imported by now, which lives as long as the program, and look at the rest less often.

    Looking everything through again and again took a fifth of a run of many requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def run(app: ASGIApp, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way get ten seconds to end."""
    logs.configure(settings.log_level)
    settle()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        forwarded_allow_ips=settings.edge_addresses,
        log_config=None,
        access_log=False,
        loop="uvloop",
        timeout_graceful_shutdown=10,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
