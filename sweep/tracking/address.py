"""An address of MLflow that will not do, or does not answer: why, and what would, in one line."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

from analysis.errors import one_line
from sweep.errors import InputError

INSTEAD = "give http://HOST:PORT, sqlite:///FILE or postgresql://HOST/DATABASE"
SQLITE_NAMES = (".db", ".sqlite", ".sqlite3")
SQLITE_BEGINS = b"SQLite format 3\0"
LONGEST = 300  # characters of what MLflow says


def check_address(uri: str) -> None:
    """That MLflow will read the address as it is meant; what is there is not asked.

    Raises:
        InputError: it has no scheme, or one that is misspelt, or is a folder, where MLflow keeps
            nothing any more.
    """
    reason = _misspelt(uri) or _folder(uri)
    if reason:
        raise InputError(f"--tracking-uri {shown(uri)}: {reason}")


def no_answer(
    uri: str, error: Exception, option: str = "--tracking-uri", who: str = "MLflow"
) -> str:
    """What has come of asking there, with the remedy for it.

    Args:
        option: by which the address may have been given.
        who: is asked there.
    """
    said = one_line(error).replace(uri, shown(uri))
    host = urlparse(uri).netloc.rpartition("@")[2]
    for pattern, remedy in _REMEDIES.items():
        if re.search(pattern, said):
            said = re.sub(r" ?(\[SQL: |\(Background on this error).*", "", said)[:LONGEST].strip()
            return f"{option} {shown(uri)}: {remedy.format(host=host, said=said)}"
    return (
        f"{option} {shown(uri)}: {who} does not answer ({said[:LONGEST]}); start it, or give "
        "another"
    )


def shown(uri: str) -> str:
    """Without user and password, however misspelt the address is."""
    return re.sub(r"^(\w[\w+.-]*:/*|[\w.-]*//|/*).*@", r"\1…@", uri)


def _misspelt(uri: str) -> str:
    if re.match(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):\d+(/|$)", uri):  # HOST:PORT
        return f"says no scheme; give http://{uri}"
    web = re.match(r"(https?)(?::/?|//?)(?=[^/])(.*)", uri)
    if web:
        return f"give {web[1]}://{shown(web[2])}"
    file = re.match(r"(sqlite(?:\+\w+)?):/{0,2}([^/].*)", uri)
    if file and file[2] != ":memory:":
        return (
            f"give {file[1]}:///{shown(file[2])} for a file here, {file[1]}:////… for a full path"
        )
    if re.fullmatch(r"sqlite(\+\w+)?:/*(:memory:)?/*", uri):
        return "is in memory, and gone with the launch; give sqlite:///FILE"
    if uri.startswith("postgres:"):
        return "give postgresql:// in place of postgres://"
    return ""


def _folder(uri: str) -> str:
    parsed = urlparse(uri)
    if parsed.scheme not in ("", "file") or uri.startswith("databricks"):
        return ""
    path = Path(uri if not parsed.scheme else unquote(parsed.path))
    if path.suffix in SQLITE_NAMES or _is_sqlite(path):
        return f"says no scheme; give sqlite:///{path}"
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("1", "true"):
        return ""
    instead = "--tracking-uri sqlite:///mlflow.db"
    if any(path.glob("*/meta.yaml")):
        return (
            "MLflow keeps no runs in a folder of files any more, as older ones here; give "
            f"{instead}, and before, to have those too: `mlflow migrate-filestore --source "
            f"{path} --target sqlite:///mlflow.db`"
        )
    return f"MLflow keeps no runs in a folder of files any more; give {instead}"


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_BEGINS)) == SQLITE_BEGINS
    except OSError:
        return False


# What MLflow, or a library that it asks, says → what is said to the user
_REMEDIES = {
    r"Invalid Host header": "MLflow answers, and refuses to be called {host}; start it with "
    "--allowed-hosts {host}, or give an address that it allows",
    r"error code 401": "MLflow refuses the user or the password ({said}); set "
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    r"error code 403": "MLflow answers, and refuses ({said}); the user lacks a permission",
    r"error code 50[234]|too many 50[234] error": "MLflow is behind a server that does not reach "
    "it ({said}); start it",
    r"error code 5\d\d|too many 5\d\d error": "MLflow answers with an error ({said}); its log says "
    "why",
    r"error code \d+|not in a valid JSON format": "what answers there is no MLflow ({said}); give "
    "the address of its server",
    r"WRONG_VERSION_NUMBER": "there is no TLS ({said}); give http:// in place of https://",
    r"CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted ({said}); set "
    "MLFLOW_TRACKING_SERVER_CERT_PATH to the one that signs it",
    r"Failed to resolve|Name or service not known": "there is no host of that name ({said}); give "
    "another",
    r"unsupported URI|Invalid url|Could not parse|Can't load plugin": "MLflow cannot read that "
    f"address; {INSTEAD}",
    r"No module named": "a package for that kind of database is not installed ({said}); install "
    "it, or name another in the address, such as postgresql+psycopg://",
    r"file is not a database": "is a file, and no SQLite database; give another",
    r"unable to open database file": "cannot be opened or made ({said}); see that its folder is "
    "there and may be written to, or give another",
    r"readonly database": "may not be written to ({said}); give another",
    r"database is locked": "another process holds it ({said}); wait for it, or give another",
    r"database schema": "is of another version of MLflow ({said})",
    r"authentication failed": "the database refuses the user or the password ({said})",
}
