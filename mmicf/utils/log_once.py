"""A warning that is worth saying once, not once per clip and epoch."""
import logging

from mmengine.logging import print_log

_SEEN: set[str] = set()


def log_once(key: str, message: str) -> None:
    """Log ``message`` as a warning the first time ``key`` comes up in this process (each data worker is one)."""
    if key not in _SEEN:
        _SEEN.add(key)
        print_log(message, logger='current', level=logging.WARNING)
