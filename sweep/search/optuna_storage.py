"""Where a search keeps its history: Optuna's own database, so that Optuna's tools open it too.

SQLite in the launch's folder by default; PostgreSQL, by URL, for several launchers at once. A
proposal belongs to the launcher that made it. Where that one is dead, the proposal is given up and
its parameters are put first in the queue: what its trials have left in storage is not run again.
Dead is who lets go of its lock file, which the operating system sees to, or, on another machine,
whose heartbeat has stopped.
"""

import fcntl
import importlib.util
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from analysis.errors import one_line, without_passwords
from sweep.errors import InputError
from sweep.search.proposals import AGAIN
from sweep.storage.locks import LAUNCHER, LOCKS, exclusive
from sweep.storage.writable import check_database
from sweep.tracking.address import no_answer

HEARTBEAT_SECONDS, GRACE_SECONDS = 15, 60
SQLITE = "search.db"  # in the launch's folder
VARIABLE = "SWEEP_SEARCH_STORAGE"  # for an URL with a password, which no argument may hold
AWAY = (SQLAlchemyError, optuna.exceptions.StorageInternalError)
Direction = Literal["minimize", "maximize"]
Made = TypeVar("Made")
_OWNER = "launcher"  # user attribute of a proposal
_ATTEMPTS = 5  # two launchers that make the same tables at once: one of them has to try again


@dataclass(frozen=True)
class Store:
    """A search's history, as this launcher sees it."""

    study: optuna.Study
    launcher: str  # this one's name
    _backend: RDBStorage
    _folder: Path

    def own(self, trial: optuna.Trial) -> None:
        """The proposal is this launcher's."""
        trial.set_user_attr(_OWNER, self.launcher)
        self.alive(trial)

    def alive(self, trial: optuna.Trial) -> None:
        """The launcher lives, and goes on with the proposal."""
        self._backend.record_heartbeat(trial._trial_id)  # Optuna has no public name for it

    def give_up_orphans(self) -> None:
        """Of launchers that are dead: their running proposals come again."""
        optuna.storages.fail_stale_trials(self.study)
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        others = {str(trial.user_attrs.get(_OWNER)) for trial in running} - {self.launcher}
        dead = {owner for owner in others if _dead(self._folder, owner)}
        for trial in running:
            if trial.user_attrs.get(_OWNER) in dead:
                self.give_up(trial)

    def give_up(self, trial: FrozenTrial | optuna.Trial) -> None:
        """A running proposal: nobody goes on with it, and its parameters come again."""
        try:
            self.study.tell(trial.number, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):  # another launcher was faster
            return
        again(self.study, trial)


@contextmanager
def opened(
    url: str,
    name: str,
    directions: Sequence[Direction],
    folder: Path,
    sampler: optuna.samplers.BaseSampler,
    pruner: optuna.pruners.BasePruner,
) -> Iterator[Store]:
    """The search of that name, begun where it is not there yet.

    Raises:
        InputError: the database does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage")  # they are recorded here
    launcher = uuid.uuid4().hex
    with exclusive(folder, f"{LAUNCHER}{launcher}"):
        backend = _backend(url, folder)
        try:
            study = _patiently(
                url,
                lambda: optuna.create_study(
                    storage=backend,
                    study_name=name,
                    directions=list(directions),
                    load_if_exists=True,
                    sampler=sampler,
                    pruner=pruner,
                ),
            )
            yield Store(study, launcher, backend, folder / LOCKS)
        finally:
            backend.engine.dispose()
            (folder / LOCKS / f"{LAUNCHER}{launcher}").unlink(missing_ok=True)


def database(asked: str | None, folder: Path) -> str:
    """The URL of the history: as asked, by the environment, else SQLite in the launch's folder.

    Raises:
        InputError: an argument holds a password, or the driver is not installed.
    """
    if asked and (urlsplit(asked).password or "password=" in asked):
        raise InputError(
            f"--search-storage {without_passwords(asked)}: everyone on the machine can read a "
            f"password there; give the URL by {VARIABLE} in the environment"
        )
    # what a folder's name may hold is written as a URL holds it
    own = URL.create("sqlite", database=str(folder / SQLITE)).render_as_string()
    url = asked or os.environ.get(VARIABLE) or own
    if url.split(":")[0] in ("postgres", "postgresql"):
        if importlib.util.find_spec("psycopg") is None:
            raise InputError(
                "--search-storage: PostgreSQL needs its driver; pip install 'psycopg[binary]'"
            )
        url = "postgresql+psycopg:" + url.split(":", 1)[1]
    return url


def again(study: optuna.Study, trial: FrozenTrial | optuna.Trial) -> None:
    """The same parameters, first in the queue."""
    study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})


def _backend(url: str, folder: Path) -> RDBStorage:
    def make() -> RDBStorage:
        return RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True},
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=again,
        )

    check_database(url, "Optuna's database", "--search-storage")
    with exclusive(folder, "search", wait=True):  # two that make a database break it
        return _patiently(url, make)


def _patiently(url: str, make: Callable[[], Made]) -> Made:
    named = f"--search-storage {without_passwords(url)}"
    for attempt in range(_ATTEMPTS):
        try:
            return make()
        except ValueError as error:  # of SQLAlchemy or Optuna: no such dialect
            raise InputError(f"{named}: {one_line(error)[:300]}") from error
        except RuntimeError as error:  # Optuna's, of tables that another version has made
            raise InputError(
                f"{named}: {one_line(error)[:300]} Or give another: the search begins anew, and "
                "what has run is stored and not run again"
            ) from error
        except (*AWAY, ImportError) as error:
            if isinstance(error, DatabaseError) and "not a database" in str(error):
                raise InputError(
                    f"{named}: is no SQLite database; move it away, or give another"
                ) from error
            if attempt == _ATTEMPTS - 1 or isinstance(error, ImportError):
                raise InputError(
                    no_answer(url, error, "--search-storage", "the database")
                ) from error
            time.sleep(0.5 * (attempt + 1))
    raise AssertionError("unreachable")


def _dead(locks: Path, launcher: str) -> bool:
    """Whether the launcher has let go of its lock; where there is none nothing is known."""
    path = locks / f"{LAUNCHER}{launcher}"
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            return True
    except OSError:
        return False
