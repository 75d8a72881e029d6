"""PyAV, which not everybody has installed."""

from typing import Any

from engine.core.errors import UsageError


def pyav() -> Any:
    """The module `av`; UsageError where it is not installed."""
    try:
        import av
        import av.error
        import av.filter
        import av.stream
    except ModuleNotFoundError:
        raise UsageError("clips need PyAV", hint="run `pip install 'tm-toolkit[video]'`") from None
    return av
