"""Models by path or URI: fetched once, known by their sha256, and told clearly where they cannot be used."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest
from faults import Bucket

from mixer import attributes, models, storage
from mixer.errors import BadInput, RecipeError
from mixer.lint import warnings
from mixer.recipe import Recipe
from mixer.recipe_parser import parse
from taggers import fasttext_file, language
from taggers.declare import Use
from taggers.language_codes import LANGUAGE_CODES

BUNDLED = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
RECIPE = """\
name: mix
version: 1.0.0
seed: 7
corpus: .
unit: docs
policy: {kind: proportional}
taggers:
  language: {use: language@1%s}
sources:
  web: {shards: "*.jsonl", keep: {language.en: {min: 0.65}}}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    models._local.cache_clear()
    fasttext_file.labels.cache_clear()
    return tmp_path / "cache" / "solera" / "models"


@pytest.fixture
def model() -> bytes:
    """lid.176 with one training argument changed that predicting does not read: another file, the same answers."""
    data = bytearray(Path(language.model_path()).read_bytes())
    data[12] ^= 1  # the size of the context window
    return bytes(data)


def recipe(parameters: str) -> Recipe:
    return parse((RECIPE % parameters).encode(), "r.yaml")


def use_of(found: Recipe) -> Use:
    (use,) = found.uses()
    return use


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_without_a_model_the_tagger_is_what_it_was() -> None:
    """The key under which earlier versions have written their sidecars."""
    use = use_of(models.resolve(recipe(""), "r.yaml"))
    assert use.identity == {"languages": ["en"], "max_chars": 50_000}
    assert attributes.key_of(use) == "language@1-4cee9e3499e8"
    assert models.local(use) is use and attributes.model_sha256(use) == BUNDLED


def test_a_path_is_relative_to_the_recipe_and_the_sha256_decides(tmp_path: Path, model: bytes) -> None:
    (tmp_path / "models").mkdir()
    for name in ("a.bin", "models/b.bin"):
        (tmp_path / name).write_bytes(model)
    uses = [use_of(models.resolve(recipe(f", model: {name}"), str(tmp_path / "r.yaml")))
            for name in ("a.bin", "models/b.bin", str(tmp_path / "a.bin"), f"a.bin, sha256: {sha256(model)}")]
    assert len({attributes.key_of(use) for use in uses}) == 1
    assert {attributes.model_sha256(use) for use in uses} == {sha256(model)}
    assert "model" not in uses[0].identity and uses[0].identity["sha256"] == sha256(model)
    assert attributes.key_of(uses[0]) != attributes.key_of(use_of(models.resolve(recipe(""), "r.yaml")))
    assert models.local(uses[1]).parameters["model"] == str(tmp_path / "models" / "b.bin")


def test_the_model_that_comes_along_is_the_same_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "lid.ftz").write_bytes(Path(language.model_path()).read_bytes())
    found = models.resolve(recipe(f", model: lid.ftz, sha256: {BUNDLED}"), str(tmp_path / "r.yaml"))
    plain = models.resolve(recipe(""), "r.yaml")
    assert found.uses() == plain.uses() == models.resolve(recipe(f", sha256: {BUNDLED}"), "r.yaml").uses()


def test_a_model_of_a_store_is_fetched_once_and_not_even_looked_into_again(
    s3: Bucket, cache: Path, model: bytes
) -> None:
    uri = s3.uri + "/models/lid.bin"
    storage.put(uri, model)
    s3.proxy.set(lambda request: None)
    use = use_of(models.resolve(recipe(", model: models/lid.bin"), s3.uri + "/r.yaml"))
    assert use.parameters["model"] == uri
    local = models.local(use).parameters["model"]
    assert local == str(cache / "sha256" / sha256(model)) and Path(local).read_bytes() == model
    models._local.cache_clear()
    again = use_of(models.resolve(recipe(f", model: {uri}"), "/elsewhere/r.yaml"))
    assert models.local(again).parameters["model"] == local
    assert [request.method for request in s3.proxy.seen].count("GET") == 1


def test_a_model_that_is_written_again_is_another(s3: Bucket, model: bytes) -> None:
    uri = s3.uri + "/lid.bin"
    keys = []
    for data in (model, model[:12] + b"\7" + model[13:]):
        storage.put(uri, data)
        use = use_of(models.resolve(recipe(f", model: {uri}"), "r.yaml"))
        assert attributes.model_sha256(use) == sha256(data)
        assert Path(models.local(use).parameters["model"]).read_bytes() == data
        keys.append(attributes.key_of(use))
    assert len(set(keys)) == 2


def test_a_model_in_the_cache_that_was_damaged_is_fetched_again(s3: Bucket, cache: Path, model: bytes) -> None:
    storage.put(s3.uri + "/lid.bin", model)
    use = use_of(models.resolve(recipe(f", model: {s3.uri}/lid.bin"), "r.yaml"))
    (cache / "sha256" / sha256(model)).write_bytes(b"damaged")
    assert Path(models.local(use).parameters["model"]).read_bytes() == model


def _fetch(use: Use) -> str:
    return str(models.local(use).parameters["model"])


def test_workers_that_start_at_once_fetch_once(s3: Bucket, cache: Path, model: bytes) -> None:
    storage.put(s3.uri + "/lid.bin", model)
    use = use_of(models.resolve(recipe(f", model: {s3.uri}/lid.bin"), "r.yaml"))
    os.unlink(cache / "sha256" / sha256(model))
    s3.proxy.set(lambda request: None)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert set(pool.map(_fetch, [use] * 3, chunksize=1)) == {str(cache / "sha256" / sha256(model))}
    assert [request.method for request in s3.proxy.seen].count("GET") == 1
    assert [path.name for path in (cache / "sha256").iterdir() if not path.name.endswith(".lock")] == [sha256(model)]


def test_without_a_cache_folder_it_lies_beside_temporary_files(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: bytes
) -> None:
    (tmp_path / "taken").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    storage.put(s3.uri + "/lid.bin", model)
    use = use_of(models.resolve(recipe(f", model: {s3.uri}/lid.bin"), "r.yaml"))
    assert models.local(use).parameters["model"].startswith(str(tmp_path / "solera-"))


# ---- what is told


def refused(parameters: str, expected: str, uri: str) -> None:
    with pytest.raises(BadInput, match=expected):
        models.local(use_of(models.resolve(recipe(parameters), uri)))


def test_a_missing_model_is_told(tmp_path: Path, s3: Bucket) -> None:
    uri = str(tmp_path / "r.yaml")
    refused(", model: no.bin", r"r\.yaml: taggers\.language\.model: there is no file /.*/no\.bin; correct", uri)
    refused(f", model: {s3.uri}/no.bin", "there is no file s3://.*/no.bin", uri)


def test_another_model_than_the_recipe_says_is_told(tmp_path: Path, model: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(model)
    uri = str(tmp_path / "r.yaml")
    refused(f", model: a.bin, sha256: {BUNDLED}",
            f"taggers.language.model: /.*/a.bin: the model has the sha256 {sha256(model)}, and the recipe says "
            f"{BUNDLED}", uri)
    refused(f", sha256: {sha256(model)}", f"taggers.language: the model has the sha256 {BUNDLED}, and the recipe", uri)


@pytest.mark.parametrize(("size", "said"), [
    (0, "an empty file"), (4, "no fastText model"), (100, "cut short"), (500_000, "cut short"), (-1, "cut short")])
def test_a_file_that_is_no_whole_model_is_told(tmp_path: Path, model: bytes, size: int, said: str) -> None:
    """fastText itself would take the last two for models, and never come back from the one of 100 bytes."""
    (tmp_path / "a.bin").write_bytes(model[:size])
    refused(", model: a.bin", f"a.bin: the tagger language cannot use this model: .*{said}", str(tmp_path / "r.yaml"))


def test_a_model_with_something_after_its_end_or_of_another_kind_is_told(tmp_path: Path, model: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(model + b"12")
    refused(", model: a.bin", "2 bytes too many at its end", str(tmp_path / "r.yaml"))
    (tmp_path / "b.bin").write_bytes(b"x" * 1_000)
    refused(", model: b.bin", "no fastText model", str(tmp_path / "r.yaml"))


def test_a_language_that_the_model_does_not_know_is_told(tmp_path: Path, model: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(model.replace(b"__label__en\0", b"__label__xx\0"))
    refused(", model: a.bin", "this model knows no en; its labels are af, als, .* and 156 more",
            str(tmp_path / "r.yaml"))


def test_a_model_that_changed_since_the_driver_saw_it_is_told(tmp_path: Path, model: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(model)
    use = use_of(models.resolve(recipe(", model: a.bin"), str(tmp_path / "r.yaml")))
    (tmp_path / "a.bin").write_bytes(model[:-1])
    with pytest.raises(BadInput, match="not the one that the driver saw"):
        models.local(use)
    (tmp_path / "a.bin").unlink()
    with pytest.raises(BadInput, match=r"is not on the machine .*; put it into an object store"):
        models.local(use)


@pytest.mark.parametrize(("parameters", "said"), [
    (", model: s3://AKIAIOSFODNN7EXAMPLE:sekret@bucket/x", "taggers.language.model: a URI that carries credentials"),
    (", sha256: 12ab", r"taggers.language.sha256: not a sha256 \(found 12ab\); write 64 digits"),
    (", model: [a]", "does not fit the parameter")])
def test_what_a_recipe_cannot_say(parameters: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as error:
        recipe(parameters)
    assert "sekret" not in str(error.value)


def test_a_model_without_its_sha256_is_warned_of(tmp_path: Path) -> None:
    said = [warning.text for warning in warnings(recipe(", model: a.bin"), "r.yaml")]
    assert any("taggers.language.model: a model without its sha256" in line for line in said)
    assert not any("sha256" in warning.text for warning in warnings(recipe(f", model: a.bin, sha256: {BUNDLED}")))


def test_labels_are_read_as_fasttext_has_them() -> None:
    assert fasttext_file.labels(language.model_path()) == tuple(sorted(LANGUAGE_CODES))


def test_an_unquantised_model_is_read_too(tmp_path: Path) -> None:
    """Written here by the format: one word, two labels, dense matrices of 3 x 2 and 2 x 2."""
    import struct

    head = struct.pack("<ii", 793712314, 12) + struct.pack("<12id", *([2] * 7), 3, *([2] * 4), 0.1)
    words = struct.pack("<iiiqq", 3, 1, 2, 5, -1)
    for name, kind in ((b"word", 0), (b"__label__de", 1), (b"__label__en", 1)):
        words += name + b"\0" + struct.pack("<qb", 1, kind)
    matrices = b"".join(struct.pack("<?qq", False, rows, 2) + bytes(8 * rows) for rows in (3, 2))
    path = tmp_path / "dense.bin"
    path.write_bytes(head + words + matrices)
    assert fasttext_file.labels(str(path)) == ("de", "en")
    path.write_bytes((head + words + matrices)[:-1])
    fasttext_file.labels.cache_clear()
    with pytest.raises(ValueError, match="cut short"):
        fasttext_file.labels(str(path))
