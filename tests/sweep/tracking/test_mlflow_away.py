"""Nothing is lost when a real MLflow server goes away in mid-study."""

import re

from mlflow import MlflowClient

from analysis.results.loading import load_study


def test_trials_run_on_while_the_server_is_away_and_are_published_when_it_is_back(place, server):
    study = place.write("tiny")
    arguments = (study, "--tracking-uri", server.uri)
    launch = place.start(*arguments, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    place.wait_for(lambda: place.stored("records"))
    server.stop()
    out, err = place.ended(launch, 1)
    waiting = re.search(r"(\d+) trials are stored but not published", out)
    assert waiting, out + err
    assert "the same command publishes them" in out
    assert "Traceback" not in out + err
    assert len(place.stored("records")) == 8

    assert "MLflow does not answer" in place.launch(*arguments, code=2)

    server.start()
    said = place.launch(*arguments)
    assert "0 to run" in said
    assert f"{waiting[1]} stored and to be published" in said
    client = MlflowClient(server.uri)
    assert load_study(client, "tiny").count("finished") == 8
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment])
    assert len(runs) == 9  # each trial once, and their parent
    assert {run.info.status for run in runs} == {"FINISHED"}
