from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mixtures import Made, shuffled

from mixer import manifest
from mixer.errors import BadInput


@pytest.fixture
def made(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return shuffled(tmp_path_factory.getbasetemp())


def test_digest_is_the_sha256_of_sorted_compact_json(made: Made) -> None:
    part = made.manifest["mixture"]
    plain = json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert made.manifest["digest"] == hashlib.sha256(plain.encode()).hexdigest() == manifest.digest(part)


def test_digest_sees_no_order_of_keys_and_no_build(made: Made) -> None:
    whole = made.manifest
    turned = {name: whole["mixture"][name] for name in reversed(list(whole["mixture"]))}
    assert manifest.digest(turned) == whole["digest"]
    text = json.dumps(whole["mixture"])
    assert "202" not in text.replace("20261121", "")  # no time
    for word in (str(made.out), str(made.work), str(made.corpus), "python", "platform"):
        assert word not in text


def test_manifest_says_what_the_recipe_says(made: Made) -> None:
    part = made.manifest["mixture"]
    assert (part["name"], part["version"], part["license"]) == ("small", "1.2.3", "CC0-1.0")
    assert (part["seed"], part["unit"], part["budget"]) == (20261121, "tokens", 60_000)
    assert part["about"] == {"made by": "the tests"}
    assert part["sources"][0]["about"] == {"license": "none"}
    assert part["recipe"]["sha256"] == hashlib.sha256((made.out / "recipe.yaml").read_bytes()).hexdigest()
    assert (made.out / "recipe.yaml").read_bytes() == made.recipe.read_bytes()
    assert part["lock"]["sha256"] == hashlib.sha256((made.out / "recipe.lock").read_bytes()).hexdigest()
    for name, stored in made.manifest["build"]["files"].items():
        data = (made.out / name).read_bytes()
        assert stored == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_weights_are_shares_to_twelve_places(made: Made) -> None:
    part = made.manifest["mixture"]
    emitted = sum(source["emitted"]["units"] for source in part["sources"])
    for source in part["sources"]:
        for name, share in (("requested", Decimal(source["requested"]) / part["budget"]),
                            ("allocated", Decimal(source["allocated"]) / part["budget"]),
                            ("realised", Decimal(source["emitted"]["units"]) / emitted),
                            ("epochs", Decimal(source["emitted"]["units"]) / source["pool"]["units"])):
            assert abs(Decimal(source["weights"][name]) - share) <= Decimal("5.001e-13"), name
            assert len(source["weights"][name].partition(".")[2]) == 12


def test_weights_without_a_budget_are_shares_of_the_sum() -> None:
    count = {"requested": 1, "allocated": 2, "emitted": {"units": 6}, "edited": {"units": 2}, "pool": {"units": 2}}
    said = manifest.weights_of(count, {"requested": 3, "allocated": 4, "emitted": 5})
    assert said == {"requested": "0.333333333333", "allocated": "0.500000000000", "realised": "0.800000000000",
                    "epochs": "3.000000000000"}


def test_form_of_a_true_manifest_is_right(made: Made) -> None:
    assert manifest.wrong_form(made.manifest) is None


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value below this one."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in below for found in [(*path, key), *places(each, (*path, key))]]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def test_form_knows_every_key_and_its_type(made: Made) -> None:
    """Whatever is taken away, added, or made another type anywhere in `mixture` is named with its place."""
    whole = made.manifest
    for path in places(whole["mixture"]):
        *head, key = path
        parent = at(whole["mixture"], tuple(head))
        before = parent[key]
        for wrong in (3.5, [None], {"other": 1}, True if before is not True and before is not False else "true"):
            parent[key] = wrong
            said = manifest.wrong_form(whole)
            assert said is not None and str(path[0]) in said, path
        if isinstance(parent, dict) and "about" not in path[:-1]:
            del parent[key]
            assert manifest.wrong_form(whole), path
            parent[key] = before
            parent["surplus"] = 1
            assert "surplus" in str(manifest.wrong_form(whole)), path
            del parent["surplus"]
        parent[key] = before
    assert manifest.wrong_form(whole) is None


@pytest.mark.parametrize(("text", "says"), [
    (b"", "not JSON"), (b"{", "not JSON"), (b"\xff\xfe", "not JSON"), (b"[" * 100_000, "not JSON"),
    (b"[]", "not a manifest"),
    (b'{"digest": "x"}', "not a manifest"), (b'{"digest": "x", "mixture": [], "build": {}}', "not a manifest"),
    (b'{"digest": "x", "digest": "y", "mixture": {}, "build": {}}', "'digest' stands twice"),
    (b'{"digest": "x", "mixture": {"seed": 1, "seed": 2}, "build": {}}', "'seed' stands twice"),
    (b"9" * 10_000, "not JSON"),
])
def test_a_damaged_manifest_is_an_error_that_names_it(tmp_path: Path, text: bytes, says: str) -> None:
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(BadInput, match=says) as error:
        manifest.read(str(tmp_path))
    assert str(tmp_path / "manifest.json") in str(error.value)


def test_no_manifest_is_no_mixture(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no mixture is here .* run it again"):
        manifest.read(str(tmp_path))
