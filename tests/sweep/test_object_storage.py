"""A launch whose records, warm-ups and checkpoints lie on an S3 server."""

import fsspec
import torch
from buckets import s3_server
from support import numbers

from sweep.planning import make_plan
from sweep.sources import Sources
from sweep.study import load_study
from trainables.life import run_trial
from trainables.storage import Storage
from trainables.trial import Data


def test_a_launch_on_an_object_store_gives_the_numbers_of_a_folder(place, tmp_path, monkeypatch):
    study = place.write("tiny", grids={"std": {"warmup.noise.std": [1.0]}})
    with s3_server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        arguments = (study, "--storage", server.url)
        assert "4 trials, 4 to run" in place.launch(*arguments)

        torch.set_num_threads(1)
        sources = Sources()
        data = (sources.get(Data(), name) for name in ("photos", "photos_ood"))
        photos, ood = data
        folder, bucket = Storage(tmp_path / "alone"), Storage(server.url)
        plan = make_plan(load_study(str(place.folder / study)), sources.look)
        for planned in plan.trials:
            run_trial(planned.trial, photos, ood, folder, torch.device("cpu"))
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
