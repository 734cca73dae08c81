"""Which trials are lived together: `resources.fuse` of them in one trial of Ray Tune."""

from collections.abc import Sequence

from trainables.config.trial import Trial
from trainables.fused.trials import STACKED_ON, task_key, warmup_kind


def grouped(trials: Sequence[Trial], size: int) -> list[list[Trial]]:
    """The trials in groups of one task, `size` at most, in the order of their first members.

    A group's warm-ups are of one kind, so that they are made together as well; seeds and noise may
    differ, and controls go with any.
    """
    if size == 1:
        return [[trial] for trial in trials]
    groups: list[list[Trial]] = []
    with_room: dict[tuple[str, str | None], list[Trial]] = {}  # by task, and kind of warm-up
    for trial in trials:
        task, kind = task_key(trial), warmup_kind(trial)
        key = next(
            (k for k in with_room if k[0] == task and (kind is None or k[1] in (None, kind))), None
        )
        if key is None:
            group: list[Trial] = []
            groups.append(group)
        else:
            group = with_room.pop(key)
            kind = kind or key[1]
        group.append(trial)
        if len(group) < size:
            with_room[task, kind] = group
    return groups


def sentence(groups: Sequence[Sequence[Trial]], device: str) -> str:
    trials = sum(map(len, groups))
    how = (
        "each trained as one network, where networks can be stacked"
        if device in STACKED_ON
        else f"each lived one after another: on the {device.upper()} a stack is no faster"
    )
    return f"{trials} trials in {len(groups)} groups, {how}"
