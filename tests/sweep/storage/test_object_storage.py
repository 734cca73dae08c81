"""A launch whose records, warm-ups and checkpoints lie on an S3 server."""

import json
import time

import fsspec
import pytest
import torch
from buckets import s3_server
from support import numbers

from sweep.inputs.datasets import Sources
from sweep.plan.plan import make_plan
from sweep.plan.study import load_study
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.storage import Storage


def test_a_launch_on_an_object_store_gives_the_numbers_of_a_folder(place, tmp_path, monkeypatch):
    study = place.write("tiny", grids={"std": {"warmup.noise.std": [1.0]}})
    with s3_server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        arguments = (study, "--storage", server.url)
        assert "4 trials, 4 to run" in place.launch(*arguments)

        torch.set_num_threads(1)
        sources = Sources()
        folder, bucket = Storage(tmp_path / "alone"), Storage(server.url)
        plan = make_plan(load_study(str(place.folder / study)), sources.resolve)
        for planned in plan.trials:
            inputs = Inputs(sources.loaded, {}).of(planned.trial)
            run_trial(planned.trial, inputs, RunContext(folder, torch.device("cpu")))
            one, two = (numbers(planned.trial, storage) for storage in (folder, bucket))
            assert one.pop("commit") != two.pop("commit")  # of a launch it is known
            assert one == two

        # all that later launches need is there, and only what is this launch's own lies here
        files, root = fsspec.url_to_fs(server.url, use_listings_cache=False)
        kept = {name.removeprefix(f"{root}/").split("/")[0] for name in files.find(root)}
        assert kept == {"records", "warmups"}
        assert {path.name for path in (place.folder / "sweep_storage").iterdir()} == {"locks"}

        # with another MLflow, what is stored counts, but for a damaged record
        files.pipe_file(sorted(files.find(f"{root}/records"))[0], b"\x80\x05damaged")
        assert "3 to be published" in " ".join(
            place.launch(
                *arguments, "--dry-run", "--tracking-uri", f"sqlite:///{tmp_path}/other.db"
            ).split()
        )

        refused = place.launch("tiny.yaml", "--storage", "s3://nowhere/x", code=2)
        assert refused.startswith("launch: --storage s3://nowhere/x: cannot be used")
        assert len(refused.splitlines()) == 1


@pytest.mark.slow
def test_an_object_store_is_looked_at_and_cleaned_as_a_folder_is(place, monkeypatch):
    study = place.write("tiny", grids={"std": {"warmup.noise.std": [1.0]}})
    with s3_server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        at = ("--storage", server.url)
        refused = place.launch(*at, command="clean", code=2)
        said = f"clean: --storage {server.url}: no launch has left anything there"
        assert refused.strip() == said
        place.launch(study, *at)
        storage = Storage(server.url)
        records = storage.listed("records")
        done = records[0].last

        # as a launch leaves it that is killed between a record and the end of its checkpoint
        storage.put(f"checkpoints/cpu/{done}", b"x" * 100)
        storage.put("checkpoints/cpu/unfinished", b"y")
        storage.put("records/damagedone", b"")
        files, root = fsspec.url_to_fs(server.url, use_listings_cache=False)
        files.pipe_file(f"{root}/records/damagedone", b"not whole")
        assert storage.get("records/damagedone") is None  # set aside, and too new to go

        found = json.loads(place.launch("tiny", *at, "--json", command="status"))
        assert found["storage"] == {"place": server.url, "records": 4, "locks": {}}
        (launch,) = found["launches"]
        assert (launch["counts"]["finished"], launch["unpublished"]) == (4, [])

        size = next(one.size for one in storage.listed("checkpoints") if one.last == done)
        for words, said in ((("--dry-run",), "would free"), ((), "freed")):
            out = place.launch(*at, *words, command="clean")
            assert f"1 checkpoints of finished trials, {size} bytes" in out
            assert f"{said} {size} bytes in {server.url}" in out
        assert [one.last for one in storage.listed("checkpoints")] == ["unfinished"]
        assert [one.last for one in storage.listed("records")] == sorted(
            [".damaged-damagedone", *(record.last for record in records)]
        )

        # with the records and warm-ups gone too, MLflow has it all
        time.sleep(1.1)  # S3 dates by the second
        everything = ("--records", "--warmups", "--older-than", "0.001s")
        assert "4 records, " in place.launch(*at, *everything, command="clean")
        assert [one.last for one in storage.listed("records")] == [".damaged-damagedone"]
        assert storage.listed("warmups") == []
        assert "4 trials, 0 to run, 4 done already" in place.launch(study, *at)

        server.server.kill()
        server.server.wait()
        for command in ("clean", "status"):
            refused = place.launch(*at, command=command, code=2)
            assert refused.startswith(f"{command}: --storage {server.url}: ")
            assert len(refused.splitlines()) == 1
