"""Audit: recompute all that a mixture's folder allows, and say what each check proves. Trusts nothing but digests."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from mixer import curves, draw, ledger, lock, manifest, mixture, plan, rows, selection, sidecars, storage, tree
from mixer.documents import Bad, LineReader
from mixer.errors import BadInput, SoleraError
from mixer.ledger import Inputs, Ledger, Spill
from mixer.recipe import Curve, Recipe, Source, shown

MOST_FAILURES = 20  # that one check names
ALLOWED = {"manifest.json", "recipe.yaml", "recipe.lock", "shards.parquet"}
NO_CUTOFF = "0" * 112
RECORDS = 4096  # that are read and compared with their index at once


@dataclass(frozen=True)
class Check:
    """One check: what holding proves, and where it fails, the first places."""

    name: str
    proves: str
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.failures


def audit(folder: str, expected: str | None = None) -> list[Check]:
    """Every check in order. `expected` is the digest that someone published; without it the folder vouches for itself.

    Raises BadInput only where there is no manifest at all. Memory: the index and one frame of a data shard, the ledger
    (see ledger.LIMIT), and a bit for each row of the corpus.
    """
    if expected is not None:
        expected = expected.lower().removeprefix("sha256:")
        if not re.fullmatch("[0-9a-f]{64}", expected):
            raise BadInput(f"--digest {expected}: not a digest; it is 64 hexadecimal digits, as a build prints them")
    found = manifest.read(folder)
    part, build = found["mixture"], found["build"]
    form = manifest.wrong_form(found)
    checks = [
        _check("digest", "the manifest's `mixture` part is what was digested" +
               (", and is the one you were given" if expected else "; compare it with the digest that was published"),
               lambda: _digest(found, expected)),
        _check("form", f"the manifest holds what {manifest.FORMAT} says, and nothing else",
               lambda: iter([f"manifest.json: {form}; the checks that read it were left out"] if form else [])),
    ]
    if form:
        return checks
    checks += [
        _check("files", "recipe, lock and shard table are the ones that the manifest names",
               lambda: _files(folder, part, build)),
        _check("recipe", "the recipe is valid, and what the manifest repeats of it or derives from it is so",
               lambda: _recipe(folder, part)),
        _check("lock", "the lock is of this recipe, and its shards add up to what was read",
               lambda: _lock(folder, part)),
        _check("counts", "each step's documents, units and bytes are the step before less what was dropped",
               lambda: _counts(part)),
        _check("allocation", "the recipe's policy over these pools gives these allocations, within caps and budget",
               lambda: _allocation(folder, part)),
    ]
    shards: list[pa.Table] = []
    checks.append(_check("shard table", "the table of data shards is complete and sums to the totals",
                         lambda: _shards(folder, part, shards)))
    if shards:
        held = Ledger()
        try:
            checks.append(_check("listing", "no file is missing, and none is there that the table does not name",
                                 lambda: _listing(folder, part, shards[0])))
            checks.append(_check("data shards", "every stored byte, record, boundary, text hash, edit and provenance "
                                 "is as recorded, and in the recipe's order",
                                 lambda: _data(folder, part, shards[0], held)))
            checks.append(_check("selection", "each document stands as often as allocation and draw say, and none "
                                 "twice; they add up to what each source emitted",
                                 lambda: _selection(folder, part, held)))
            checks.append(_check("document tree", "its leaves are the records of the indexes, and its root is theirs",
                                 lambda: _tree(folder, part, shards[0])))
        finally:
            held.close()
    return checks


def _check(name: str, proves: str, find: Callable[[], Iterator[str]]) -> Check:
    """Runs one check. What cannot even be read fails it: a damaged mixture is a finding, not a crash."""
    failures = []
    try:
        for failure in find():
            failures.append(failure)
            if len(failures) == MOST_FAILURES:
                failures.append("… and perhaps more")
                break
    except SoleraError as error:
        failures.append(str(error))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError, OSError,
            MemoryError, pa.ArrowException, zstandard.ZstdError, msgspec.MsgspecError) as error:
        failures.append(f"cannot be read: {type(error).__name__}: {error}")
    return Check(name, proves, tuple(failures))


def _digest(found: Mapping[str, Any], expected: str | None) -> Iterator[str]:
    actual = manifest.digest(found["mixture"])
    if actual != found["digest"]:
        yield f"manifest.json: its mixture part has the digest {actual}, and it says {found['digest']}"
    if expected is not None and actual != expected:
        yield f"manifest.json: its mixture part has the digest {actual}, and you expected {expected}"


def _files(folder: str, part: Mapping[str, Any], build: Mapping[str, Any]) -> Iterator[str]:
    for name in ("recipe.yaml", "recipe.lock", "shards.parquet"):
        data = storage.read(storage.join(folder, name))
        actual = hashlib.sha256(data).hexdigest()
        if (actual, len(data)) != (build["files"][name]["sha256"], build["files"][name]["bytes"]):
            yield f"{name}: {len(data)} bytes, sha256 {actual}, and the manifest says {build['files'][name]}"
        if name == "recipe.yaml" and actual != part["recipe"]["sha256"]:
            yield f"{name}: not the recipe of this mixture"
        if name == "recipe.lock" and actual != part["lock"]["sha256"]:
            yield f"{name}: not the lock of this mixture"


def _recipe(folder: str, part: Mapping[str, Any]) -> Iterator[str]:
    """Makes the manifest again from recipe and counts; what the shard table decides is checked with that."""
    recipe = _read_recipe(folder)
    if [source.name for source in recipe.sources] != [source["source"] for source in part["sources"]]:
        yield "sources: not the recipe's"
        return
    counts = [{name: value for name, value in count.items() if name not in ("about", "weights")}
              for count in part["sources"]]
    body = {"counts": counts, "lock_sha256": part["lock"]["sha256"], **part["dedup"]}
    again = manifest.mixture_part(plan.Plan(folder, recipe, b"", body), mixture.SHARD_SCHEMA.empty_table(), [])
    again |= {"totals": part["totals"], "documents": part["documents"],
              "shards": {**part["shards"], "path": again["shards"]["path"]}}
    yield from _differences("", part, again)
    for source, count in zip(recipe.sources, part["sources"], strict=True):
        if [rule.text for rule in recipe.rules_for(source.name)] != [rule["rule"] for rule in count["rules"]]:
            yield f"{source.name}: its rules are not the recipe's"
        if [selection.method_text(each) for each in recipe.dedup] != [each["method"] for each in count["dedup"]]:
            yield f"{source.name}: its dedup methods are not the recipe's"
        yield from _further_steps(recipe, source, count)


def _further_steps(recipe: Recipe, source: Source, count: Mapping[str, Any]) -> Iterator[str]:
    """What a source's counts say of best shares, edits, hold-outs, samples and curves, as far as the recipe decides."""
    if [rule.text for rule in recipe.tops_for(source.name)] != [rule["rule"] for rule in count["tops"]]:
        yield f"{source.name}: its best shares are not the recipe's"
    edits = recipe.edits_for(source.name)
    if [edit.text for edit in edits] != [each["edit"] for each in count["edits"]]:
        yield f"{source.name}: its edits are not the recipe's"
        return
    for edit, each in zip(edits, count["edits"], strict=True):
        if each["edited"]["added"] != each["edited"]["spans"] * len((edit.replace or "").encode()):
            yield f"{source.name}: {edit.text} cannot have put {each['edited']['added']} bytes into " \
                  f"{each['edited']['spans']} places"
    if [split.name for split in recipe.holdout] != [each["split"] for each in count["held_out"]]:
        yield f"{source.name}: its splits are not the recipe's"
    if recipe.split is not None and any(each["docs"] for each in count["held_out"]):
        yield f"{source.name}: documents were held out of a mixture of what {recipe.split} holds out"
    if recipe.split is None and count["not_held_out"]["docs"]:
        yield f"{source.name}: {count['not_held_out']['docs']} documents were dropped as not held out, of a mixture " \
              "that is of no split"
    sample = None if source.sample is None else source.sample.text
    if sample != (count["sample"] and count["sample"]["sample"]):
        yield f"{source.name}: its sample is not the recipe's"
    if (source.curve and source.curve.text) != (count["curve"] and count["curve"]["curve"]):
        yield f"{source.name}: its curve is not the recipe's"


def _differences(path: str, said: Any, again: Any) -> Iterator[str]:
    """Where two JSON values differ, leaf by leaf."""
    if isinstance(said, dict) and isinstance(again, dict):
        for name in {**said, **again}:
            yield from _differences(f"{path}.{name}".lstrip("."), said.get(name), again.get(name))
    elif isinstance(said, list) and isinstance(again, list) and len(said) == len(again):
        for number, pair in enumerate(zip(said, again, strict=True)):
            yield from _differences(f"{path}[{number}]", *pair)
    elif said != again:
        yield f"{path}: {said!r} in the manifest, and {again!r} follows from the recipe and the counts"


def _lock(folder: str, part: Mapping[str, Any]) -> Iterator[str]:
    uri = storage.join(folder, "recipe.lock")
    found = lock.decode(storage.read(uri), uri)
    recipe = _read_recipe(folder)
    if found.get("split") != part["split"]:
        yield f"recipe.lock: of the split {found.get('split')!r}, and the manifest says {part['split']!r}"
    about = {"name": recipe.name, "version": recipe.version, "sha256": part["recipe"]["sha256"]}
    if found["recipe"] != about:
        yield f"recipe.lock: made from the recipe {found['recipe']}, and this one is {about}"
    paths = [shard["path"] for shard in found["shards"]]
    if paths != sorted(set(paths)):
        yield "recipe.lock: its shards are not sorted, or one stands twice"
    counts = {count["source"]: count for count in part["sources"]}
    yield from _owners(recipe, found["shards"])
    for source in recipe.sources:
        mine = [shard for shard in found["shards"] if source.name in lock.sources_of(shard)]
        count = counts.get(source.name)
        if count is None:
            yield f"{source.name}: the recipe has this source, and the manifest does not"
        elif sum(shard["rows"] for shard in mine) != count["read"]["docs"] or len(mine) != count["shards"]:
            yield f"{source.name}: {count['read']['docs']} documents were read from {count['shards']} shards, and " \
                  f"the lock has {sum(shard['rows'] for shard in mine)} in {len(mine)}"
        else:
            lost = sum(shard["broken"] is not None for shard in mine), sum(shard["bad"] for shard in mine)
            if lost != (count["broken"], count["bad"]):
                yield f"{source.name}: {count['broken']} broken shards and {count['bad']} bad records, and the lock " \
                      f"has {lost[0]} and {lost[1]}"
    yield from _references(recipe, found["shards"], part["dedup"]["references"])
    links = part["dedup"]["links"]
    if [link["method"] for link in links] != [selection.method_text(method) for method in recipe.dedup]:
        yield "dedup: links are not of the recipe's methods"
    for number, (link, method) in enumerate(zip(links, recipe.dedup, strict=True)):
        known = tuple(found["clusters"][number][name] for name in ("method", "clusters", "documents"))
        if known != (method.use, link["clusters"], link["documents"]):
            yield f"dedup: {link['method']} linked {link['documents']} documents in {link['clusters']} clusters, and " \
                  f"the lock has {known}"


def _owners(recipe: Recipe, shards: list[Mapping[str, Any]]) -> Iterator[str]:
    """Shards that are said to be of other sources than those whose globs they match."""
    patterns = [(source.name, re.compile("|".join(f"(?:{storage.glob_regex(glob)})" for glob in source.shards)))
                for source in recipe.sources]
    for shard in shards:
        if "sources" in shard:
            owners = sorted(name for name, pattern in patterns if pattern.fullmatch(shard["path"]))
            if owners != shard["sources"] or not owners:
                yield f"recipe.lock: {shard['path']} is said to be of {shard['sources']}, and matches the globs of " \
                      f"{owners}"


def _references(
    recipe: Recipe, shards: list[Mapping[str, Any]], compared: list[Mapping[str, Any]]
) -> Iterator[str]:
    """What the lock says of shards that are no source's."""
    references = {reference.name: reference for reference in recipe.reference}
    for shard in shards:
        if "sources" not in shard and (shard["source"] not in references or shard.get("reference") is not True):
            yield f"recipe.lock: {shard['path']} is of {shard['source']}, and not said to be what that is"
    again = []
    for name, reference in references.items():
        mine = [shard for shard in shards if shard.get("source") == name]
        prefix = f"@{name}/" if reference.corpus else ""
        patterns = [re.compile(re.escape(prefix) + storage.glob_regex(pattern)) for pattern in reference.shards]
        yield from (f"recipe.lock: {shard['path']} matches no glob of the reference {name}" for shard in mine
                    if not any(pattern.fullmatch(shard["path"]) for pattern in patterns))
        again.append({"reference": name, "shards": len(mine), "docs": sum(shard["rows"] for shard in mine)})
    if compared != again:
        yield f"dedup: compared with {compared}, and by the lock it was {again}"


def _counts(part: Mapping[str, Any]) -> Iterator[str]:
    for count in part["sources"]:
        name = count["source"]
        for what in ("docs", "units", "bytes"):
            kept = count["read"][what] - sum(rule["first"][what] for rule in count["rules"])
            kept -= sum(rule["dropped"][what] for rule in count["tops"])
            pool = plan.left_for_the_draw(count, what)
            steps = {"kept": kept, "pool": pool,
                     "selected": pool - count["not_drawn"][what] - plan.left_out_by_curve(count, what)}
            for step, expected in steps.items():
                if count[step][what] != expected:
                    yield f"{name}: {step} {what} is {count[step][what]}, and the steps before leave {expected}"
            yield from (f"{name}: {wrong} ({what})" for wrong in _rule_counts(count["rules"], what))
        threes = [count[step] for step in ("read", "kept", "pool", "not_drawn", "selected", "emitted")]
        threes += [rule[what] for rule in count["rules"] for what in ("first", "own", "only", "missing")]
        threes += [step["dropped"] for step in (*count["dedup"], *count["edits"])]
        threes += [*count["held_out"], count["not_held_out"]]
        if count["sample"] is not None:
            threes += [count["sample"]["dropped"], count["sample"]["missing"]]
            if any(count["sample"]["missing"][what] > count["sample"]["dropped"][what] for what in ("docs", "bytes")):
                yield f"{name}: {count['sample']['sample']} misses more than it drops"
        threes += [rule[what] for rule in count["tops"] for what in ("dropped", "missing")]
        if count["curve"] is not None:
            threes += [count["curve"]["discarded"], count["curve"]["missing"], *count["curve"]["buckets"]]
        edits = [("emitted", count["edited"], count["emitted"])]
        edits += [(step.get("method") or step["edit"], step["edited"], count["kept"])
                  for step in (*count["dedup"], *count["edits"])]
        yield from (f"{name}: {step}: {edited} cannot have been edited in {whole}" for step, edited, whole in edits
                    if not _can_be_cut(_measure(part), edited, whole))
        yield from (f"{name}: {three['docs']} documents of {three['bytes']} bytes cannot be {three['units']} "
                    f"{part['unit']}" for three in threes if not _possible(_measure(part), three))
        if count["emitted"]["docs"] < count["selected"]["docs"]:
            yield f"{name}: emitted fewer documents than were selected"
        if count["copies"] and count["not_drawn"]["docs"]:
            yield f"{name}: all of its pool is taken {count['copies']} times, and documents are not drawn"
    for what, total in (("docs", "docs"), ("units", "units"), ("bytes", "text_bytes")):
        cut = 0 if what == "docs" else sum(count["edited"][what] for count in part["sources"])
        cut -= sum(count["edited"]["added"] for count in part["sources"]) if what == "bytes" else 0
        emitted = sum(count["emitted"][what] for count in part["sources"]) - cut
        if emitted != part["totals"][total]:
            yield f"totals: {total} is {part['totals'][total]}, and the sources emitted {emitted}"
    if part["totals"]["edited"] != manifest.edited_of(part["sources"]):
        yield "totals: edited is not the sum of the sources'"
    if sum(count["selected"]["docs"] for count in part["sources"]) != part["totals"]["unique_docs"]:
        yield "totals: unique_docs is not the sum of the selected documents"
    yield from _dedup_counts(part)


def _measure(part: Mapping[str, Any]) -> str:
    return selection.measure(part["unit"], part["counter"])


def _possible(unit: str, three: Mapping[str, int]) -> bool:
    """Whether so many documents of so many bytes can be so many units; of a tokenizer nobody knows without it."""
    docs, size = three["docs"], three["bytes"]
    if unit == selection.TOKENIZED:
        return docs > 0 or three["units"] == size == 0
    least, most = (docs, docs) if unit == "docs" else (size, size) if unit == "bytes" else \
        (-(-size // 4), (size + 3 * docs) // 4)
    return least <= three["units"] <= most and (docs > 0 or size == 0)


def _can_be_cut(unit: str, edited: Mapping[str, int], whole: Mapping[str, int]) -> bool:
    """Whether so much can have been cut from documents among so many or replaced, each of which is left with something.
    What is added may be all that is left of some.
    """
    docs, spans, units, size, added = (edited[name] for name in ("docs", "spans", "units", "bytes", "added"))
    fewer = size - added
    least, most = (0, 0) if unit == "docs" else (fewer, fewer) if unit == "bytes" else \
        (-(-(fewer - 3 * docs) // 4), (fewer + 3 * docs) // 4)
    least = max(0, least) if not added and unit == "tokens" else least
    if unit == selection.TOKENIZED:  # nobody can say how many units a byte has
        least, most = (-max(0, whole["units"]) * added, max(0, whole["units"])) if docs else (0, 0)
    return docs <= spans <= size and docs <= whole["docs"] and least <= units <= most and \
        size + docs <= whole["bytes"] + min(added, docs) and (docs > 0 or spans == size == added == 0)


def _rule_counts(rules: list[Mapping[str, Any]], what: str) -> Iterator[str]:
    """What rules say of themselves, as far as each other's counts decide it: exactly so for one rule or two."""
    if not rules:
        return
    first, own, only = ([rule[name][what] for rule in rules] for name in ("first", "own", "only"))
    for rule in rules:
        if not rule["only"][what] <= rule["first"][what] <= rule["own"][what] or \
                rule["missing"][what] > rule["own"][what]:
            yield f"{rule['rule']} drops more than fail it"
        twin = next(each for each in rules if each["rule"].split()[0] == rule["rule"].split()[0])
        if rule["missing"][what] != twin["missing"][what]:
            yield f"{rule['rule']} and {twin['rule']} are of one column, and do not miss the same"
    if own[0] != first[0]:
        yield f"{rules[0]['rule']} comes first, and does not drop all that fail it"
    if only[-1] != first[-1]:
        yield f"{rules[-1]['rule']} comes last, and drops what failed before"
    shared = sum(first) - sum(only)  # what fails two rules or more
    if not shared <= sum(own) - sum(first) <= shared * (len(rules) - 1):
        yield "what fails the rules does not add up to what they drop"


def _dedup_counts(part: Mapping[str, Any]) -> Iterator[str]:
    losses = part["dedup"]["losses"]
    methods = [link["method"] for link in part["dedup"]["links"]]
    names = {count["source"] for count in part["sources"]}
    keepers = names | {each["reference"] for each in part["dedup"]["references"]}
    compared = sum(each["docs"] for each in part["dedup"]["references"])
    strange = [loss for loss in losses
               if loss["method"] not in methods or loss["source"] not in names or loss["lost_to"] not in keepers]
    if strange:
        yield from (f"losses: {loss['source']} lost to {loss['lost_to']} by {loss['method']}, and one of these is not "
                    "the recipe's" for loss in strange)
        return
    triples = [(methods.index(loss["method"]), loss["source"], loss["lost_to"]) for loss in losses]
    if triples != sorted(set(triples)):
        yield "losses: not in order, or one stands twice"
    for loss in losses:
        if not _possible(_measure(part), loss):
            yield f"losses: {loss['docs']} documents of {loss['bytes']} bytes cannot be {loss['units']} {part['unit']}"
        if not loss["docs"] and not loss["cut"]["repeats"]:
            yield f"losses: {loss['source']} lost nothing to {loss['lost_to']} by {loss['method']}"
    for number, link in enumerate(part["dedup"]["links"]):
        mine = [loss for loss in losses if loss["method"] == link["method"]]
        for count in part["sources"]:
            yield from _method_counts(count["source"], count["dedup"][number],
                                      [loss for loss in mine if loss["source"] == count["source"]])
        dropped = sum(count["dedup"][number]["dropped"]["docs"] for count in part["sources"])
        if link["alive"] > link["documents"]:
            yield f"{link['method']}: {link['alive']} were still there of {link['documents']}"
        if selection.cuts_spans(link["method"]):
            # A document that goes has a span of its own that was to be cut.
            if dropped + sum(loss["cut"]["repeats"] for loss in mine) > max(0, link["alive"] - 1):
                yield f"{link['method']}: more is lost than {link['alive']} spans that were still there allow"
            continue
        kept = link["alive"] - dropped  # one a cluster, and whatever a reference has in it
        if not min(1, link["alive"]) <= kept <= link["clusters"] + compared:
            yield f"{link['method']}: dropped {dropped} of {link['alive']} documents in {link['clusters']} clusters"


def _method_counts(source: str, count: Mapping[str, Any], losses: list[Mapping[str, Any]]) -> Iterator[str]:
    """What one source lost by a method, to all together."""
    method, edited = count["method"], count["edited"]
    for what in ("docs", "units", "bytes"):
        lost = sum(loss[what] for loss in losses)
        if lost != count["dropped"][what]:
            yield f"{source}: {method} dropped {count['dropped'][what]} {what}, and {lost} were lost to others"
    cut = {what: sum(loss["cut"][what] for loss in losses) for what in ("repeats", "units", "bytes")}
    if (cut["units"], cut["bytes"]) != (edited["units"], edited["bytes"]) or cut["repeats"] < edited["spans"] \
            or edited["added"]:
        yield f"{source}: {method} cut {edited}, and {cut} was lost to others"
    if not selection.cuts_spans(method) and (any(edited.values()) or any(cut.values())):
        yield f"{source}: {method} cuts nothing, and {edited} is said of it"


def _allocation(folder: str, part: Mapping[str, Any]) -> Iterator[str]:
    recipe = _read_recipe(folder)
    pools = {count["source"]: count["pool"]["units"] for count in part["sources"]}
    buckets = {count["source"]: [bucket["units"] for bucket in count["curve"]["buckets"]]
                for count in part["sources"] if count["curve"] is not None}
    for share, count in zip(plan.allocations(recipe, pools, buckets), part["sources"], strict=True):
        for name in ("source", "part", "requested", "allocated", "cap", "capped"):
            if share[name] != count[name]:
                yield f"{count['source']}: {name} is {count[name]}, and the recipe gives {share[name]}"
    for source, count in zip(recipe.sources, part["sources"], strict=True):
        yield from _tops(recipe, count)
        pool, emitted = count["pool"]["units"], count["emitted"]["units"]
        if emitted > count["allocated"]:
            yield f"{count['source']}: emitted {emitted} units, over its allocation of {count['allocated']}"
        if source.curve is not None:
            yield from (f"{count['source']}: {wrong}" for wrong in _curve(source.curve, count))
            continue
        if count["copies"] != (count["allocated"] // pool if pool else 0):
            yield f"{count['source']}: copies is {count['copies']}, not allocated div pool"
        if not count["copies"] * pool <= emitted:
            yield f"{count['source']}: emitted {emitted} units, fewer than {count['copies']} whole copies of its pool"


def _tops(recipe: Recipe, count: Mapping[str, Any]) -> Iterator[str]:
    """Shares that are more than their rules allow of what came to them."""
    left = count["read"]["units"] - sum(rule["first"]["units"] for rule in count["rules"])
    for rule, said in zip(recipe.tops_for(count["source"]), count["tops"], strict=True):
        assert isinstance(rule.value, Decimal)
        known = left - said["missing"]["units"]
        left -= said["dropped"]["units"]
        more = [what for what in said["missing"] if said["missing"][what] > said["dropped"][what]]
        if left > Fraction(rule.value) * known or more:
            yield f"{count['source']}: {said['rule']} leaves {left} units of {known} that have a value"


def _curve(curve: Curve, count: Mapping[str, Any]) -> Iterator[str]:
    """What a source's curve gives, worked out again from the pools of its buckets. Which document is in which bucket
    nobody can tell without its score.
    """
    said = count["curve"]
    pools = [bucket["units"] for bucket in said["buckets"]]
    whole = said["discarded"]["units"] + sum(pools)
    first = curves.discarded(curve)
    if len(pools) != curve.buckets - first:
        yield f"its curve has {len(pools)} buckets, and the recipe's takes from {curve.buckets - first}"
        return
    for number in range(len(pools)):
        if said["discarded"]["units"] + sum(pools[:number]) > (first + number) * whole // curve.buckets:
            yield f"bucket {number} of its curve begins later than {first + number} of {curve.buckets} parts of {whole}"
    again = curves.fit(curve, count["allocated"], whole, pools)
    if (said["power"], said["growth"]) != (shown(again.power), shown(again.growth)):
        yield f"the curve's power and growth are {said['power']} and {said['growth']}, and the recipe gives " \
              f"{shown(again.power)} and {shown(again.growth)}"
    for number, (bucket, allocated) in enumerate(zip(said["buckets"], again.allocated, strict=True)):
        copies, rest = divmod(allocated, bucket["units"]) if bucket["units"] else (0, 0)
        if (bucket["allocated"], bucket["copies"]) != (allocated, copies):
            yield f"bucket {number} has {bucket['allocated']} units in {bucket['copies']} copies, and the recipe " \
                  f"gives {allocated} in {copies}"
        if (bucket["cutoff"] == NO_CUTOFF) != (rest == 0):
            yield f"bucket {number}: {rest} units are left for extra copies, and its cutoff is {bucket['cutoff']}"
    if (count["copies"], count["cutoff"]) != (0, NO_CUTOFF):
        yield "copies and cutoff are its buckets', and not the source's"
    least = sum(bucket["copies"] * bucket["units"] for bucket in said["buckets"])
    if count["emitted"]["units"] < least:
        yield f"emitted {count['emitted']['units']} units, fewer than {least} of whole copies"
    if count["not_drawn"]["docs"] > sum(bucket["docs"] for bucket in said["buckets"] if not bucket["copies"]):
        yield "documents of a bucket that is taken whole are not drawn"


def _shards(folder: str, part: Mapping[str, Any], found: list[pa.Table]) -> Iterator[str]:
    table = sidecars.table_of(storage.read(storage.join(folder, "shards.parquet")))
    if not table.schema.equals(mixture.SHARD_SCHEMA):
        yield "shards.parquet: not the columns of a shard table"
        return
    paths = table.column("path").to_pylist()
    for path, index_path in zip(paths, table.column("index_path").to_pylist(), strict=True):
        if _number(part, path) is None or index_path != mixture.shard_paths(_name(path))[1]:
            yield f"shards.parquet: {path} with the index {index_path} is no name of a data shard of this mixture"
            return  # which reads no file that is not a mixture's
    if paths != sorted(set(paths)):
        yield "shards.parquet: not sorted, or a data shard stands twice"
    found.append(table)
    digest = mixture.content_digest(table)
    if digest != part["shards"]["digest"] or len(table) != part["shards"]["rows"]:
        yield f"shards.parquet: {len(table)} rows, content digest {digest}, and the manifest says {part['shards']}"
    for name in ("docs", "units", "text_bytes", "record_bytes"):
        if sum(table.column(name).to_pylist()) != part["totals"][name]:
            yield f"shards.parquet: its {name} do not sum to the total of {part['totals'][name]}"
    if len(table) != part["totals"]["shards"]:
        yield f"shards.parquet: {len(table)} shards, and the total is {part['totals']['shards']}"


def _name(path: str | None) -> str:
    return (path or "").removeprefix("data/").removesuffix(".jsonl.zst")


def _number(part: Mapping[str, Any], path: str | None) -> tuple[str, int] | None:
    """(source, number) of a data shard, the source empty in shuffled order; None if no data shard is named so."""
    source, _, number = _name(path).rpartition("/")
    sources = [""] if part["order"] == "shuffled" else [count["source"] for count in part["sources"]]
    named = mixture.shard_paths(_name(path))[0] == path and re.fullmatch("[0-9]{5,9}", number)
    return (source, int(number)) if named and source in sources and f"{int(number):05d}" == number else None


def _listing(folder: str, part: Mapping[str, Any], shards: pa.Table) -> Iterator[str]:
    named = ALLOWED | {*shards.column("path").to_pylist(), *shards.column("index_path").to_pylist()}
    named |= {file["path"] for file in part["documents"]["files"]}
    there = set(storage.listing(folder, hidden=True))
    for path in sorted(named - there):
        yield f"{path}: missing"
    for path in sorted(there - named):
        yield f"{path}: extra; the manifest does not know it"


@dataclass(frozen=True)
class Editing:
    """What a recipe may do to the texts of a source: whether it cuts spans, and what it puts in the place of others."""

    cuts: bool
    texts: frozenset[str]

    @classmethod
    def by_source(cls, recipe: Recipe) -> dict[str, Editing]:
        by_dedup = any(method.about.kind == "spans" for method in recipe.dedup)
        found = {}
        for source in recipe.sources:
            edits = recipe.edits_for(source.name)
            found[source.name] = cls(by_dedup or any(edit.replace is None for edit in edits),
                                     frozenset(edit.replace for edit in edits if edit.replace is not None))
        return found


@dataclass
class _Context:
    """What the data shards are judged by. `last` is where each source stands, in by-source order."""

    folder: str
    part: Mapping[str, Any]
    recipe: Recipe
    inputs: Inputs
    count: int  # of data shards that the recipe's shard_bytes ask for, in shuffled order
    held: Ledger
    may: Mapping[str, Editing]  # by source
    last: dict[str, tuple[int, ...]] = field(default_factory=dict)


def _data(folder: str, part: Mapping[str, Any], shards: pa.Table, held: Ledger) -> Iterator[str]:
    recipe = _read_recipe(folder)
    count = max(1, -(-part["totals"]["text_bytes"] // recipe.shard_bytes))
    context = _Context(folder, part, recipe, _inputs(folder, recipe), count, held, Editing.by_source(recipe))
    emitted: dict[str, dict[str, int]] = {}
    for row in sorted(shards.to_pylist(), key=lambda row: _number(part, row["path"]) or ("", 0)):
        yield from (f"{row['path']}: {failure}" for failure in _shard(context, row))
        for source, counts in json.loads(row["sources"]).items():
            sums = emitted.setdefault(source, {"docs": 0, "units": 0})
            for name in sums:
                sums[name] += counts[name]
    for counted in part["sources"]:
        sums = emitted.get(counted["source"], {"docs": 0, "units": 0})
        for name, said in (("docs", counted["emitted"]["docs"]), ("units", manifest.emitted_units(counted))):
            if sums[name] != said:
                yield f"{counted['source']}: {said} {name} were emitted, and the shards hold {sums[name]}"


def _shard(context: _Context, row: Mapping[str, Any]) -> Iterator[str]:
    """One data shard against its row, and each record against the index. Memory: the index, and one frame."""
    uri, index_uri = (storage.join(context.folder, row[name]) for name in ("path", "index_path"))
    if not storage.exists(uri) or not storage.exists(index_uri):
        return  # the listing has said so
    data = storage.read(index_uri)
    if (len(data), hashlib.sha256(data).hexdigest()) != (row["index_file_bytes"], row["index_file_sha256"]):
        yield "its index is not the file that was recorded"
    table = sidecars.table_of(data)
    if not table.schema.equals(mixture.INDEX_SCHEMA) or any(column.null_count for column in table.columns):
        yield "its index has other columns than an index has, or holes in them"
        return
    if sidecars.digest(table) != row["index_digest"]:
        yield "its index has other contents than were recorded"
    content = hashlib.sha256()
    reader = LineReader(uri)
    at = docs = 0
    for lines in _blocks(reader):
        if isinstance(lines, Bad):
            yield lines.reason
            return
        for line in lines:
            content.update(line + b"\n")
        yield from _records(lines, at, docs, table.slice(docs, len(lines)), context.may, _measure(context.part))
        at, docs = at + sum(map(len, lines)) + len(lines), docs + len(lines)
    if reader.broken is not None:
        yield reader.broken
    elif not reader.ended:
        yield "its last record has no newline"
    if (reader.bytes, reader.sha256) != (row["file_bytes"], row["file_sha256"]):
        yield f"stored bytes differ: {reader.bytes} bytes, sha256 {reader.sha256 or 'not taken'}"
    if content.hexdigest() != row["content_sha256"] or at != row["record_bytes"]:
        yield f"contents differ: sha256 {content.hexdigest()} over {at} bytes of records"
    if docs != row["docs"] or docs != len(table):
        yield f"{docs} records, {len(table)} in its index, and {row['docs']} were recorded"
    sizes = np.asarray(table.column("emitted_bytes"))
    units = mixture.emitted_units(table, _measure(context.part))
    if (int(units.sum()), int(sizes.sum())) != (row["units"], row["text_bytes"]):
        yield f"{int(units.sum())} units and {int(sizes.sum())} bytes of text, and its row has other numbers"
    if mixture.per_source(table, units) != json.loads(row["sources"]):
        yield "its documents or units by source differ from its row"
    if mixture.merkle_root(table.column("emitted_sha256").to_pylist()).hex() != row["merkle_root"]:
        yield "its text hashes have another Merkle root"
    yield from _places(context, row["path"], table)


def _blocks(reader: LineReader) -> Iterator[list[bytes] | Bad]:
    """The lines of a data shard, RECORDS at a time."""
    lines: list[bytes] = []
    for _, _, line in reader:
        if isinstance(line, Bad):
            yield line
            return
        lines.append(line)
        if len(lines) == RECORDS:
            yield lines
            lines = []
    if lines:
        yield lines


class _Original(msgspec.Struct, forbid_unknown_fields=True):
    """What a record says of the text that spans were cut from or replaced in."""

    sha256: manifest.Sha256
    bytes: manifest.Amount
    chars: manifest.Amount


class _Provenance(msgspec.Struct):
    source: str
    shard: str
    row: int
    copy: int
    cut: list[tuple[int, int]] | msgspec.UnsetType = msgspec.UNSET
    replaced: list[tuple[int, int, str]] | msgspec.UnsetType = msgspec.UNSET
    original: _Original | msgspec.UnsetType = msgspec.UNSET


class _Written(msgspec.Struct):
    """What an audit reads of a record."""

    id: str
    text: str
    source: str
    provenance: _Provenance


_decode = msgspec.json.Decoder(_Written, strict=True).decode


def _records(
    lines: list[bytes], at: int, docs: int, index: pa.Table, may: Mapping[str, Editing], measure: str
) -> Iterator[str]:
    """A run of records against their index, by making the index again. `at` and `docs` say how many came before; `may`
    what may have been done to texts of each source, `measure` what says how many units a text has.
    """
    found: list[mixture.Record] = []
    bounds = [at]
    for number, line in enumerate(lines):
        try:
            record = _decode(line)
            text = record.text.encode()
            if not mixture.is_written_so(line):
                yield f"record {docs + number + 1}: not written as a build writes it; a field may stand twice"
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            yield f"record {docs + number + 1}: not a record ({error})"
            return
        by = record.provenance
        emitted = hashlib.sha256(text).digest()
        sha256, size, count, added = emitted, len(text), 0, 0
        cut, replaced = _list(by.cut), _list(by.replaced)
        if (cut or replaced) and isinstance(by.original, _Original):
            sha256, size, count = bytes.fromhex(by.original.sha256), by.original.bytes, len(cut) + len(replaced)
            added = sum(len(each.encode()) for _, _, each in replaced)
            wrong = _not_allowed(by, may.get(by.source)) or _wrong_edit(cut, replaced, by.original, record.text, text)
            wrong = "its text is the original, and was cut" if not wrong and cut and sha256 == emitted else wrong
            if wrong:
                yield f"record {docs + number + 1}: {wrong}"
        elif not by.cut is by.replaced is by.original:
            yield f"record {docs + number + 1}: says what was edited or what the original was, and not both"
        found.append(mixture.Record(b"", by.source, record.source, record.id, by.shard, by.row, by.copy, sha256, size,
                                    emitted, len(text), count, added, 0))
        bounds.append(bounds[-1] + len(line) + 1)
    again = mixture.index_table(found, bounds)
    # A tokenizer's count is the index's own word: without the tokenizer nobody can say more.
    units = index.column("units") if measure == selection.TOKENIZED and len(index) == len(again) else \
        pa.array(selection.units_of_bytes(measure, np.asarray(again.column("text_bytes"))))
    again = again.set_column(again.schema.get_field_index("units"), "units", units)
    if again.equals(index):
        return
    for number, (mine, said) in enumerate(zip(again.to_pylist(), index.to_pylist(), strict=False)):
        for name in mine:
            if mine[name] != said[name]:
                yield f"record {docs + number + 1}: {name} is {_short(mine[name])}; its index has {_short(said[name])}"


def _list(said: list[Any] | msgspec.UnsetType) -> list[Any]:
    return said if isinstance(said, list) else []


def _not_allowed(by: _Provenance, may: Editing | None) -> str | None:
    """Why a record may not have been edited so; None if it may. One of a source that the recipe has not is found out
    elsewhere.
    """
    may = may or Editing(False, frozenset())
    if by.cut == [] or by.replaced == []:
        return "its cuts or its replacements are said, and are none"
    if _list(by.cut) and not may.cuts:
        return "spans were cut from it, and no method of the recipe cuts any"
    strange = [each for _, _, each in _list(by.replaced) if each not in may.texts]
    return f"{_short(strange[0])} stands in the place of a span, and in no edit of the recipe" if strange else None


def _wrong_edit(
    cut: list[tuple[int, int]], replaced: list[tuple[int, int, str]], original: _Original, text: str, data: bytes
) -> str | None:
    """Why these cuts and replacements cannot have made this text; None if they can. What was there before is not here,
    so that neither it nor its place can be known to be right; what replaces it is, and has to stand where they say.
    """
    ends = [end for _, end in cut]
    if any(start <= before for (start, _), before in zip(cut[1:], ends, strict=False)):
        return f"its cuts are not in order within {original.chars} characters, or touch each other"
    spans = sorted([*((start, end, "") for start, end in cut), *replaced])
    if replaced != sorted(replaced) or spans[0][0] < 0 or spans[-1][1] > original.chars or \
            any(start >= end for start, end, _ in spans) or \
            any(after[0] < before[1] for before, after in itertools.pairwise(spans)):
        return f"what was cut or replaced is not in order within {original.chars} characters, or overlaps"
    moved = 0  # by how much what is after a span stands later than it did
    for start, end, instead in spans:
        if text[start + moved : start + moved + len(instead)] != instead:
            return f"{_short(instead)} does not stand in the place of the characters {start} to {end}"
        moved += len(instead) - (end - start)
    chars = sum(end - start for start, end, _ in spans)
    if original.chars + moved != len(text) or not text:
        return f"{chars} of {original.chars} characters were cut or replaced, and {len(text)} are left"
    removed = original.bytes - len(data) + sum(len(instead.encode()) for _, _, instead in replaced)
    if not chars <= removed <= 4 * chars:
        return f"{chars} characters were cut or replaced of {original.bytes} bytes, and {len(data)} bytes are left"
    return None


def _short(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value)[:80]


def _places(context: _Context, path: str, table: pa.Table) -> Iterator[str]:
    """Where the records of a data shard come from, whether they stand where they belong; takes them into the ledger."""
    inputs = context.inputs
    names = pc.dictionary_encode(table.column("shard").combine_chunks())
    known = np.array([inputs.numbers.get(name, -1) for name in names.dictionary.to_pylist()] or [-1], np.int64)
    shard = known[np.asarray(names.indices)]
    row, copy = np.asarray(table.column("row")), np.asarray(table.column("copy"))
    unknown = (shard < 0) | (row < 0) | (copy < 0) | (row >= inputs.rows[shard])
    for number in np.flatnonzero(unknown)[:5]:
        yield f"record {number + 1}: comes from {names.dictionary[names.indices[number].as_py()]} row {row[number]}, " \
              "which is not in the lock"
    if unknown.any():
        return
    sources = [source.name for source in context.recipe.sources]
    said = pc.dictionary_encode(table.column("mix_source").combine_chunks())
    of = np.array([sources.index(name) if name in sources else -1 for name in said.dictionary.to_pylist()] or [-1])[
        np.asarray(said.indices)]
    wrong = (of < 0) | ~inputs.sources[shard, of]
    for number in np.flatnonzero(wrong)[:5]:
        yield f"record {number + 1}: its shard is not of the source that it names"
    if wrong.any():
        return
    identity = np.frombuffer(b"".join(map(rows.identity, table.column("source").to_pylist(),
                                          table.column("id").to_pylist())), np.uint8).reshape(-1, 16)
    records = np.empty(len(table), ledger.RECORD)
    records["identity"] = identity.view("<u8")
    records["sha256"] = sidecars.fixed_bytes(table.column("text_sha256")).view("<u8")
    records["emitted_sha256"] = sidecars.fixed_bytes(table.column("emitted_sha256")).view("<u8")
    for name, values in (("row", row), ("bytes", np.asarray(table.column("text_bytes"))), ("shard", shard),
                         ("copy", copy), ("emitted_bytes", np.asarray(table.column("emitted_bytes"))),
                         ("cuts", np.asarray(table.column("cuts"))), ("added", np.asarray(table.column("added"))),
                         ("source", of), ("units", np.asarray(table.column("units")))):
        records[name] = values
    context.held.add(records)
    source, own = _number(context.part, path) or ("", 0)
    if context.part["order"] == "shuffled":
        place = np.zeros(len(table), np.uint64)
        for each in np.unique(copy).tolist():
            mine = copy == each
            place[mine] = draw.draws(context.recipe.seed, "order", identity[mine], each)
        target = mixture.shard_of(place, context.count)
        keys = [place, *identity.view(">u8").astype(np.uint64).T, copy.astype(np.uint64)]
        astray = target != own
    else:
        keys = [each.astype(np.uint64) for each in (copy, shard, row)]
        astray = of != sources.index(source)
        before = context.last.get(source)
        if before is not None and len(table):
            keys = [np.concatenate([[np.uint64(value)], key]) for value, key in zip(before, keys, strict=True)]
        if len(table):
            context.last[source] = tuple(int(key[-1]) for key in keys)
    for number in np.flatnonzero(astray)[:5]:
        yield f"record {number + 1}: belongs into another data shard"
    for number in np.flatnonzero(~_rising(keys))[:5]:
        yield f"record {number + 2}: does not stand where the recipe's order puts it, after the record before it"


def _rising(keys: list[Any]) -> Any:
    """Whether each row but the first comes after the one before it; the most significant key is first."""
    less = np.zeros(max(0, len(keys[0]) - 1), bool)
    tied = np.ones(len(less), bool)
    for key in keys:
        less |= tied & (key[:-1] < key[1:])
        tied &= key[:-1] == key[1:]
    return less


def _selection(folder: str, part: Mapping[str, Any], held: Ledger) -> Iterator[str]:
    if held.records != part["totals"]["docs"]:
        yield f"only {held.records} of {part['totals']['docs']} records could be judged; see the data shards"
        return
    recipe = _read_recipe(folder)
    inputs = _inputs(folder, recipe)
    read = sum(count["read"]["docs"] for count in part["sources"])
    read += sum(compared["docs"] for compared in part["dedup"]["references"])
    locked = sum((inputs.rows * np.maximum(1, inputs.sources.sum(axis=1))).tolist())
    if locked != read:  # a bit is held for each row
        yield f"the lock has {locked} rows, and {read} documents were read; see the lock"
        return
    yield from ledger.judge(held, recipe, inputs, part["sources"])


def _tree(folder: str, part: Mapping[str, Any], shards: pa.Table) -> Iterator[str]:
    """Makes the leaves again from the indexes, each read once. Memory: one file of the tree, some 100 MB.

    The leaves wait in temporary files, 84 bytes each, of which each holds those of one file of the tree, or of some
    that follow each other.
    """
    said = part["documents"]
    bits = tree.prefix_bits(part["totals"]["docs"])
    if len(said["files"]) != 1 << bits or \
            [file["path"] for file in said["files"]] != [tree.file_path(number) for number in range(1 << bits)]:
        yield f"documents: the tree of {part['totals']['docs']} records has {1 << bits} files, named in order"
        return
    if tree.root_of([file["root"] for file in said["files"]]) != said["root"]:
        yield "documents: its root is not that of its files"
    if sum(file["leaves"] for file in said["files"]) != said["leaves"]:
        yield "documents: its leaves are not those of its files"
    # So few bits more than those of the temporary file tell the files of the tree apart.
    more = max(0, bits - (ledger.FILES.bit_length() - 1))
    leaf = np.dtype((np.void, tree.LEAF_BYTES))
    spill = Spill(leaf, 1 << bits - more)
    try:
        for path in shards.column("index_path").to_pylist():
            table, _ = sidecars.read(storage.join(folder, path), tree.COLUMNS)
            leaves = np.ascontiguousarray(tree.leaves_of(table))
            spill.add(tree.file_numbers(leaves, bits - more), leaves.view(leaf).reshape(-1))
        for number, file in enumerate(said["files"]):
            yield from _tree_file(folder, file, number, tree.sort(_tree_leaves(spill, number, bits, more)))
    finally:
        spill.close()


def _tree_leaves(spill: Spill, number: int, bits: int, more: int) -> Any:
    """The leaves of one file of the tree, in no order."""
    parts = [block.view(np.uint8).reshape(-1, tree.LEAF_BYTES) for block in spill.blocks(number >> more)]
    if more:
        parts = [leaves[tree.file_numbers(leaves, bits) == number] for leaves in parts]
    return np.concatenate(parts) if parts else tree.NO_LEAVES


def _tree_file(folder: str, file: Mapping[str, Any], number: int, again: Any) -> Iterator[str]:
    if not np.array_equal(tree.read_file(folder, number), again):
        yield f"{file['path']}: its leaves are not the records of the indexes, in order"
    root = tree.file_root(again).hex()
    if (len(again), root) != (file["leaves"], file["root"]):
        yield f"{file['path']}: {len(again)} leaves with the root {root} were expected"
    table, _ = sidecars.read(storage.join(folder, file["path"]))
    if sidecars.digest(table) != file["digest"]:
        yield f"{file['path']}: has other contents than were recorded"


def _inputs(folder: str, recipe: Recipe) -> Inputs:
    uri = storage.join(folder, "recipe.lock")
    return Inputs.of(recipe, lock.decode(storage.read(uri), uri)["shards"])


def _read_recipe(folder: str) -> Recipe:
    uri, lock_uri = storage.join(folder, "recipe.yaml"), storage.join(folder, "recipe.lock")
    return lock.recipe_of(lock.decode(storage.read(lock_uri), lock_uri), storage.read(uri), uri)
