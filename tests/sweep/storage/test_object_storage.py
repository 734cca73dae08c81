"""A launch whose records, warm-ups and checkpoints lie on an S3 server."""

import json
import time

import fsspec
import pytest
from support import numbers

from trainables.storage.storage import Storage

STD = {"std": {"warmup.noise.std": [1.0]}}


def test_a_launch_on_an_object_store_gives_the_numbers_of_a_folder(
    place, bucket, planned, live, tmp_path
):
    study = place.write("tiny", grids=STD)
    arguments = (study, "--storage", bucket.url)
    assert "4 trials, 4 to run" in place.launch(*arguments)

    folder, remote = Storage(tmp_path / "alone"), Storage(bucket.url)
    for one in planned({"grids": STD}).trials:
        live(one.trial, folder)
        alone, launched = (numbers(one.trial, storage) for storage in (folder, remote))
        assert alone.pop("commit") != launched.pop("commit")  # of a launch it is known
        assert alone == launched

    # all that later launches need is there, and only what is this launch's own lies here
    files, root = fsspec.url_to_fs(bucket.url, use_listings_cache=False)
    kept = {name.removeprefix(f"{root}/").split("/")[0] for name in files.find(root)}
    assert kept == {"records", "warmups"}
    assert {path.name for path in (place.folder / "sweep_storage").iterdir()} == {"locks"}

    # with another MLflow, what is stored counts, but for a damaged record
    files.pipe_file(sorted(files.find(f"{root}/records"))[0], b"\x80\x05damaged")
    other = ("--tracking-uri", f"sqlite:///{tmp_path}/other.db")
    said = place.launch(*arguments, "--dry-run", *other)
    assert "3 to be published" in " ".join(said.split())

    refused = place.launch("tiny.yaml", "--storage", "s3://nowhere/x", code=2)
    assert refused.startswith("launch: --storage s3://nowhere/x: cannot be used")
    assert len(refused.splitlines()) == 1


@pytest.mark.slow
def test_an_object_store_is_looked_at_and_cleaned_as_a_folder_is(place, bucket):
    study = place.write("tiny", grids=STD)
    at = ("--storage", bucket.url)
    refused = place.launch(*at, command="clean", code=2)
    said = f"clean: --storage {bucket.url}: no launch has left anything there"
    assert refused.strip() == said
    place.launch(study, *at)
    storage = Storage(bucket.url)
    records = storage.listed("records")
    done = records[0].last

    # as a launch leaves it that is killed between a record and the end of its checkpoint
    storage.put(f"checkpoints/cpu/{done}", b"x" * 100)
    storage.put("checkpoints/cpu/unfinished", b"y")
    storage.put("records/damagedone", b"")
    files, root = fsspec.url_to_fs(bucket.url, use_listings_cache=False)
    files.pipe_file(f"{root}/records/damagedone", b"not whole")
    assert storage.get("records/damagedone") is None  # set aside, and too new to go

    found = json.loads(place.launch("tiny", *at, "--json", command="status"))
    assert found["storage"] == {"place": bucket.url, "records": 4, "locks": {}}
    (launch,) = found["launches"]
    assert (launch["counts"]["finished"], launch["unpublished"]) == (4, [])

    size = next(one.size for one in storage.listed("checkpoints") if one.last == done)
    for words, said in ((("--dry-run",), "would free"), ((), "freed")):
        out = place.launch(*at, *words, command="clean")
        assert f"1 checkpoints of finished trials, {size} bytes" in out
        assert f"{said} {size} bytes in {bucket.url}" in out
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

    bucket.server.kill()
    bucket.server.wait()
    for command in ("clean", "status"):
        refused = place.launch(*at, command=command, code=2)
        assert refused.startswith(f"{command}: --storage {bucket.url}: ")
        assert len(refused.splitlines()) == 1
