"""A server in this process, until a signal ends it: what is being answered then is answered first."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from mtk.errors import UsageError
from mtk.model.multitask import Model

EXTRA = "pip install 'multitask-toolkit[serve]'"
GRACE = 30  # seconds that an answer may still take after the signal


def server(model: Model, host: str, port: int, **limits: int) -> Any:
    """A `uvicorn.Server` of the model; `limits` are the fields of `Limits`. Raises UsageError without the extra."""
    try:
        import uvicorn

        from mtk.serving.app import Limits, build
    except ImportError as error:
        raise UsageError(f"mtk serve needs an extra: {EXTRA} ({error})") from None
    config = uvicorn.Config(
        build(model, Limits(**limits)),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)


def serve(made: Any, begun: Callable[[str], object]) -> None:
    """Run it; `begun` hears of its address. SIGTERM and Ctrl-C end it, with nothing raised. Raises UsageError for an address
    that cannot be had."""

    def ends(number: int, frame: FrameType | None) -> None:
        """uvicorn has heard it, and sends it once more when it is done."""

    before = {number: signal.signal(number, ends) for number in (signal.SIGTERM, signal.SIGINT)}
    config = made.config
    try:
        config.load()
        sockets = [config.bind_socket()]
        sockets[0].listen()  # so that whoever hears of the address can connect
        host, port = sockets[0].getsockname()[:2]
        begun(f"http://{host}:{port}")
        made.run(sockets)
    except SystemExit:
        raise UsageError(f"{config.host}:{config.port} cannot be had: it is taken, or not of this machine.") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
