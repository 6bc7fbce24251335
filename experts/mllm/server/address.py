"""Where a server is and which of its models is meant: ``http://host:8000/v1#model``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import httpx2

from experts.errors import MLLMSettingError

KEY_VARIABLE = "ECHO_IAD_MLLM_KEY"
EXAMPLE = "http://host:8000/v1#model"


@dataclass(frozen=True)
class ServerAddress:
    """A server with an OpenAI-compatible interface.

    Attributes:
        url: Where its paths begin, without a slash at the end.
        origin: Scheme, host and port: the server as a whole.
        model: The model that was chosen, or None to take the only one that it serves.
    """

    url: str
    origin: str
    model: str | None

    def path(self, name: str) -> str:
        """The full address of a path such as ``models``."""
        return f"{self.url}/{name}"


def read_address(setting: str) -> ServerAddress:
    """Take an address apart; without a path it means ``/v1``.

    Raises:
        MLLMSettingError: If it is none, or if it holds what must be kept secret, which then is not
            repeated.
    """
    setting = setting.strip()
    # An @ may follow a password, wherever a slip has put it.
    shown = "the address of the language model's server" if "@" in setting else repr(setting)
    try:
        parts = urlsplit(setting)
        port = parts.port
        # What the client, or the look-up of a name, would stumble over with the first call.
        httpx2.URL(urlunsplit(parts._replace(fragment="")))
        (parts.hostname or "").encode("idna")
    except (ValueError, httpx2.InvalidURL):
        raise MLLMSettingError(
            f"{shown} cannot be read as an address; write it like {EXAMPLE}"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise MLLMSettingError(
            f"{shown} holds a user name or password; take them out and put the key that the "
            f"server asks for into the environment variable {KEY_VARIABLE}"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MLLMSettingError(
            f"{shown} is no address of a server, which begins with http:// or https:// and a "
            f"host; write it like {EXAMPLE}"
        )
    if parts.query:
        raise MLLMSettingError(
            "the address of the language model's server must have no part that begins with '?'; "
            f"take it out, and put a key into the environment variable {KEY_VARIABLE}"
        )
    return _address(parts, port)


def _address(parts: SplitResult, port: int | None) -> ServerAddress:
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    netloc = host if port is None else f"{host}:{port}"
    url = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/") or "/v1", "", ""))
    port = port or (443 if parts.scheme == "https" else 80)
    model = unquote(parts.fragment) or None
    return ServerAddress(url, f"{parts.scheme}://{host}:{port}", model)
