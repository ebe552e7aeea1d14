"""Device class and operating system from a user agent: a few patterns that tell them apart."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["device_of", "os_of"]

# First match wins: televisions call themselves Linux and Android, tablets call themselves mobile.
_DEVICES = (
    ("smart_tv", r"smart-?tv|tizen|web0s|webos|bravia|hbbtv|viera|netcast|vidaa|aquos"),
    (
        "connected_tv",
        r"roku|\baft[a-z]|apple ?tv|tvos|crkey|chromecast|android ?tv|google ?tv|playstation|xbox",
    ),
    ("tablet", r"ipad|tablet|kindle|silk/|android(?!.*mobile)"),
    ("mobile", r"iphone|ipod|mobile|android|okhttp|cfnetwork|exoplayer|media3"),
    ("web", r"mozilla|chrome|safari|firefox|edg/|opera"),
)
_SYSTEMS = (
    ("tizen", r"tizen"),
    ("webos", r"web0s|webos"),
    ("roku", r"roku"),
    ("tvos", r"apple ?tv|tvos"),
    ("ios", r"iphone|ipad|ipod|ios/"),
    ("android", r"android"),
    ("windows", r"windows|xbox"),
    ("macos", r"macintosh|mac os x"),
    ("linux", r"linux|x11"),
)


@lru_cache(maxsize=4096)
def device_of(user_agent: str) -> str | None:
    """The device class, one of the contract's, or None.

    >>> device_of("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36")
    'smart_tv'
    """
    return _first(_DEVICES, user_agent)


@lru_cache(maxsize=4096)
def os_of(user_agent: str) -> str | None:
    """The operating system, or None."""
    return _first(_SYSTEMS, user_agent)


def _first(patterns: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    text = user_agent.lower()
    return next((name for name, pattern in patterns if re.search(pattern, text)), None)
