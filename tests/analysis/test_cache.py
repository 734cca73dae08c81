"""The cache gives what was put there or nothing, and nothing depends on it."""

from pathlib import Path

import pytest

from analysis import cache as module
from analysis.cache import Cache, default_root, main, sha256

FACTS = {"numbers": {"test_ece": 0.1 + 0.2, "test_gap": float("-inf")}, "names": ["a", "b"]}


@pytest.fixture
def kept(tmp_path):
    return Cache(tmp_path / "cache")


def test_what_is_kept_is_found_by_its_digest(kept):
    place = kept.keep_record(b"a record")
    assert place.read_bytes() == kept.record(sha256(b"a record")) == b"a record"
    assert place == kept.place(sha256(b"a record"))
    assert kept.record(sha256(b"another")) is None
    kept.keep_facts("0" * 64, FACTS)
    assert kept.facts("0" * 64) == FACTS
    assert kept.facts("1" * 64) is None


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-1], lambda c: c[:-1] + b"?"])
def test_a_damaged_entry_counts_as_absent_and_is_written_again(kept, damage):
    kept.keep_record(b"a record")
    kept.keep_facts("0" * 64, FACTS)
    for path in [path for path in kept.root.rglob("*") if path.is_file()]:
        path.write_bytes(damage(path.read_bytes()))
    assert kept.record(sha256(b"a record")) is None
    assert kept.facts("0" * 64) is None
    kept.keep_record(b"a record")
    kept.keep_facts("0" * 64, FACTS)
    assert kept.record(sha256(b"a record")) == b"a record"
    assert kept.facts("0" * 64) == FACTS


def test_facts_of_other_code_do_not_count(kept, monkeypatch):
    kept.keep_facts("0" * 64, FACTS)
    with monkeypatch.context() as patch:
        patch.setattr(module, "code_of_numbers", lambda: "0123456789abcdef")
        assert kept.facts("0" * 64) is None
    assert kept.facts("0" * 64) == FACTS


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "file").write_text("in the way")
    kept = Cache(tmp_path / "file" / "cache")
    assert kept.keep_record(b"a record") is None
    kept.keep_facts("0" * 64, FACTS)
    assert kept.facts("0" * 64) is None
    assert kept.size() == (0, 0)


def test_it_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("WARMUP_SWEEP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert default_root() == Path("/home/me/.cache/warmup-sweep")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says its specification
    assert default_root() == Path("/home/me/.cache/warmup-sweep")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert default_root() == Path("/caches/warmup-sweep")
    monkeypatch.setenv("WARMUP_SWEEP_CACHE", str(tmp_path))
    assert default_root() == tmp_path


def test_the_command_tells_the_size_and_clears_what_is_ours(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WARMUP_SWEEP_CACHE", str(tmp_path))
    (tmp_path / "a user's own").write_text("stays")
    Cache().keep_record(b"x" * 1000)
    assert main([]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: 1 files, 1,000 bytes\n"
    assert main(["--clear"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: 1 files, 1,000 bytes, removed\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a user's own"]
