"""The exhibit that a file is about, made once of the study that the file calls `study()`."""

import pytest


@pytest.fixture(scope="module")
def build(request):
    return request.module.build


@pytest.fixture(scope="module")
def results(request):
    return request.module.study()


@pytest.fixture(scope="module")
def exhibit(build, results):
    return build(results)
