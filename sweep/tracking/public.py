"""Where people open what is in MLflow: at `MLFLOW_PUBLIC_URL`, where the launcher's own address of
it means nothing elsewhere, as in a container."""

import os
import re
from urllib.parse import urlsplit

from sweep.errors import InputError
from sweep.tracking.address import shown

PUBLIC_URL = "MLFLOW_PUBLIC_URL"  # of the environment


def check_public_url() -> None:
    """That a browser can open it.

    Raises:
        InputError: it is no http(s) address.
    """
    url = os.environ.get(PUBLIC_URL, "")
    if url and not _opens(url):
        in_one_line = " ".join(url.split())
        raise InputError(
            f"{PUBLIC_URL} {shown(in_one_line)}: no browser opens that; give http://HOST:PORT "
            "or https://HOST, where people see MLflow, or leave it out"
        )


def opened_at(uri: str) -> str:
    """Where people open the MLflow at `uri`, without user and password; "": no server is known."""
    url = os.environ.get(PUBLIC_URL) or (uri if uri.startswith("http") else "")
    return re.sub(r"//[^/\s]*@", "//", url).rstrip("/")


def _opens(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0  # asked for, it is read
    except ValueError:
        return False
    named = parts.scheme in ("http", "https") and bool(parts.hostname)
    return named and port_is_one and not (parts.query or parts.fragment or re.search(r"\s", url))
