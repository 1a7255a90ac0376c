"""A plan is what a slow and plain one is: of each row, in every count, for any corpus, recipe and binning."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import random
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_cases import TEXTS, VALUES, Case, case, cases, corpora, recipe_text
from plan_oracle import Doc, Overlapping, Shortfall, decide

from mixer import lock, plan, quantiles, selection, storage
from mixer.errors import BadInput, JobFailed
from mixer.recipe_parser import parse

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def with_recipe(made: Case, text: bytes) -> Case:
    """The same corpus under another recipe that needs the same sidecars and sets."""
    return dataclasses.replace(made, recipe=parse(text, "recipe.yaml"))


def web(count: int, size: int = 40) -> dict[str, list[Doc]]:
    """Documents of different lengths, all different, in shards of `size`."""
    docs = [Doc("crawl", f"{number}", f"{number}" + "x" * (number * 7 % 23)) for number in range(count)]
    return {f"web/{at // size}.jsonl": docs[at: at + size] for at in range(0, count, size)}


def selected(found, source: str) -> list[int]:
    return [copies for path, rows in found.selection.items() if path.startswith(source + "/") for copies, _ in rows]


# ---- equal to the oracle


@settings(SLOW, max_examples=40)
@given(cases(), st.randoms(use_true_random=False), st.sampled_from([16, 1]),
       st.sampled_from([1 << 14, 1 << 14, 1 << 14, 0]))
def test_plan_is_what_the_oracle_says(made, random, bits, few):
    """With one bit, half of all documents share the bucket where the allocation ends; with no rows that are few enough
    to be sorted, quantiles are looked for to the last bit.
    """
    recipe, docs = made
    with folder() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "BUCKET_BITS", bits)
        patch.setattr(quantiles, "FEW", few)
        opened = case(place, recipe, docs)
        bins = some_bins(opened, random)
        try:
            expected = decide(opened.recipe, docs, opened.owner)
        except Overlapping as error:
            with pytest.raises(BadInput, match=f"{error} documents pass the rules of more than one source"):
                opened.plan(bins)
            return
        except Shortfall:
            with pytest.raises(BadInput, match="sources"):
                opened.plan(bins)
            return
        _, found = opened.plan(bins)
        assert found == expected


def some_bins(made: Case, random: random.Random) -> list[list[int]]:
    """The slices in up to three bins, those of a shard in one, in any order."""
    shards = list(range(len(made.corpus.shards)))
    random.shuffle(shards)
    cuts = sorted(random.choices(range(len(shards) + 1), k=2))
    parts = [part for part in (shards[: cuts[0]], shards[cuts[0]: cuts[1]], shards[cuts[1]:]) if part]
    return [[number for shard in part for number, each in enumerate(made.corpus.slices) if each.shard == shard]
            for part in parts]


@pytest.fixture(scope="module")
def rich(tmp_path_factory) -> Case:
    """600 documents in eleven shards of three sources, many the same, some missing values, one shard empty."""
    choose = random.Random(20261121)
    docs: dict[str, list[Doc]] = {}
    for path in ["book/0.jsonl", *(f"web/{number}.jsonl" for number in range(8)), "wiki/0.jsonl", "wiki/1.jsonl"]:
        docs[path] = []
        for number in range(0 if path == "web/3.jsonl" else 60):
            text = choose.choice([choose.choice(TEXTS), f"{choose.randrange(150)} " * choose.randrange(1, 9)])
            values = {name: choose.choice(each) for name, each in VALUES.items()}
            docs[path].append(Doc(choose.choice("xy"), f"{path}:{number}", text, values))
    recipe = recipe_text(
        {"web": {"weight": 0.6, "max_epochs": 0.8}, "wiki": {"weight": 0.3, "keep": {"language.en": {"min": 0.65}}},
         "book": {"weight": 0.1}},
        policy={"kind": "fixed"}, budget=2000, unit="tokens", on_shortfall="redistribute",
        dedup=[{"use": "text@1"}, {"use": "text@1", "normalise": ["lower", "whitespace"]}], prefer=["wiki"],
        keep={"words.count": {"min": 1}})
    return case(tmp_path_factory.mktemp("rich"), recipe, docs)


def test_rich_plan_is_what_the_oracle_says(rich):
    _, found = rich.plan()
    expected = decide(rich.recipe, rich.docs, rich.owner)
    assert found == expected
    # It is worth comparing: each part of a plan has something to say here.
    assert {loss["lost_to"] for loss in found.losses} == {"web", "wiki"}
    web, wiki, _ = found.counts
    assert web["capped"] and web["not_drawn"]["docs"] and web["selected"]["docs"]
    assert wiki["copies"] > 1 and wiki["max_copies"] == wiki["copies"] + 1
    assert all(lost for lost in found.losers)


def test_plan_does_not_depend_on_bins(rich):
    made, found = rich.plan()
    digests = [each["digest"] for each in made.body["selections"]]
    entries = rich.indexes["rows@1"]
    for bins in [plan.bins_of(rich.corpus, entries, 7), plan.bins_of(rich.corpus, entries, 100)[::-1],
                 [[5, 2, 8], [10, 0, 1, 9, 3], [4, 7, 6]]]:
        again, same = rich.plan(bins)
        assert same == found
        assert [each["digest"] for each in again.body["selections"]] == digests
        assert again.lock == made.lock
        assert {**again.body, "seconds": 0} == {**made.body, "seconds": 0}


@pytest.mark.parametrize(("unit", "budget"), [("docs", 77), ("bytes", 5001), ("tokens", 10_000), ("tokens", 1)])
def test_units_and_budgets_are_what_the_oracle_says(rich, unit, budget):
    text = json.loads(rich.recipe.text) | {"unit": unit, "budget": budget}
    other = with_recipe(rich, json.dumps(text).encode())
    assert other.plan()[1] == decide(other.recipe, other.docs, other.owner)


# ---- what an edit of a recipe may change


@settings(SLOW, max_examples=20)
@given(st.integers(1, 2).flatmap(lambda sources: corpora(False, sources)), st.sampled_from(["docs", "bytes", "tokens"]),
       st.lists(st.integers(1, 400), min_size=2, max_size=4, unique=True))
def test_larger_allocations_are_supersets_never_over_and_under_by_less_than_the_next(docs, unit, budgets):
    names = sorted({path[0] for path in docs})
    weights = {1: [1], 2: [0.6, 0.4]}[len(names)]
    sources = {name: {"weight": weight} for name, weight in zip(names, weights, strict=True)}
    texts = [recipe_text(sources, policy={"kind": "fixed"}, unit=unit, budget=budget, dedup=[{"use": "text@1"}])
             for budget in sorted(budgets)]
    with folder() as place:
        opened = case(place, texts[0], docs)
        before: dict[str, tuple[int, list[int]]] = {}
        for text in texts:
            try:
                _, found = with_recipe(opened, text).plan()
            except BadInput:
                continue  # a source without documents
            for count in found.counts:
                name, allocated, emitted = count["source"], count["allocated"], count["emitted"]["units"]
                copies = selected(found, name)
                assert emitted <= allocated
                if emitted < allocated:
                    assert allocated - emitted < units_at(count["cutoff"], docs, unit)
                if name in before and allocated >= before[name][0]:
                    assert all(more >= less for more, less in zip(copies, before[name][1], strict=True))
                before[name] = allocated, copies


def units_at(cutoff: str, docs, unit: str) -> int:
    """Units of the document whose order key this is: the first that has no copy more than the others."""
    for each in docs.values():
        for doc in each:
            if hashlib.sha256(doc.text.encode()).hexdigest() == cutoff[48:]:
                size = len(doc.text.encode())
                return {"docs": 1, "bytes": size, "tokens": -(-size // 4)}[unit]
    raise AssertionError(f"no document has the cutoff {cutoff}")


def test_names_and_places_of_sources_do_not_matter(tmp_path):
    docs = {**web(50), **{f"wiki/{path}": [Doc("wiki", doc.id, doc.text + "x"[: number % 2]) for number, doc in
                                           enumerate(each)] for path, each in web(45, 10).items()}}
    shared = {"policy": {"kind": "fixed"}, "unit": "bytes", "budget": 700, "dedup": [{"use": "text@1"}]}
    halves = {"shards": "web/*.jsonl", "weight": 0.5}, {"shards": "wiki/web/*.jsonl", "weight": 0.5}
    made = case(tmp_path, recipe_text({"web": halves[0], "wiki": halves[1]}, prefer=["wiki", "web"], **shared), docs)
    _, first = made.plan()
    other = recipe_text({"a": halves[1], "zebra": halves[0]}, prefer=["a", "zebra"], **shared, name="other",
                        version="9.9.9")
    renamed = case(tmp_path / "other", other, docs)
    assert dict(renamed.owner) != dict(made.owner)
    _, second = renamed.plan()
    assert second.selection == first.selection
    assert second.losers == first.losers
    assert [count["cutoff"] for count in second.counts] == [count["cutoff"] for count in first.counts][::-1]
    assert any(copies for copies, _ in first.selection["web/0.jsonl"])
    assert first.losers[0]


@settings(SLOW, max_examples=12)
@given(corpora(False, 3), st.sampled_from(["docs", "bytes", "tokens"]), st.integers(1, 200), st.booleans(),
       st.tuples(st.integers(0, 10), st.integers(1, 10)), st.booleans())
def test_a_greater_weight_only_adds_documents(docs, unit, budget, rest, steps, capped):
    """Of the source whose weight is raised. The others, in proportion or by `rest`, have more documents or fewer as
    they have more units or fewer, and never others.
    """
    less = Fraction(steps[0], 21)
    more = less + Fraction(steps[1], 21)
    texts = []
    for weight in (less, more):
        others = (1 - weight) / 3
        sources = {"a": {"weight": f"{weight.numerator}/{weight.denominator}"},
                   "b": {"weight": f"{others.numerator}/{others.denominator}"},
                   "c": {"weight": "rest" if rest else f"{2 * others.numerator}/{others.denominator}"}}
        sources["b"] |= {"max_epochs": 1.5} if capped else {}
        texts.append(recipe_text(sources, policy={"kind": "fixed"}, unit=unit, budget=budget, dedup=[{"use": "text@1"}],
                                 on_shortfall="redistribute"))
    with folder() as place:
        opened = case(place, texts[0], docs)
        try:
            before, after = (with_recipe(opened, text).plan()[1] for text in texts)
        except BadInput:
            return  # of which no source has enough
    for old, new in zip(before.counts, after.counts, strict=True):
        pair = zip(selected(before, old["source"]), selected(after, old["source"]), strict=True)
        assert old["source"] != "a" or old["allocated"] <= new["allocated"]
        if old["allocated"] <= new["allocated"]:
            assert all(less <= more for less, more in pair)
        else:
            assert all(less >= more for less, more in pair)


@settings(SLOW, max_examples=12)
@given(corpora(False, 3), st.sampled_from(["docs", "bytes", "tokens"]), st.lists(st.integers(1, 60), min_size=3,
                                                                               max_size=3),
       st.lists(st.sampled_from("abc"), min_size=1, unique=True), st.randoms(use_true_random=False))
def test_no_source_changes_the_draw_of_another(docs, unit, amounts, stay, random):
    """Sources are taken away, put in another order and called by other names: what gives as much as it did gives the
    same documents as often.
    """
    docs = {path: each for path, each in docs.items() if any(doc.text for doc in each)}
    units = dict(zip("abc", amounts, strict=True))
    found = {}
    for names in (sorted({path[0] for path in docs}), stay):
        there = {path: each for path, each in docs.items() if path[0] in names}
        names = sorted({path[0] for path in there})
        if not names:
            return
        random.shuffle(names)
        whole = sum(units[name] for name in names)
        sources = {f"{random.choice('xyz')}{name}": {"shards": f"{name}/*.jsonl", "weight": f"{units[name]}/{whole}"}
                   for name in names}
        text = recipe_text(sources, policy={"kind": "fixed"}, unit=unit, budget=whole)
        with folder() as place:
            _, made = case(place, text, there).plan()
        assert {count["source"][1:]: count["allocated"] for count in made.counts} == {
            name: units[name] for name in names}
        for path, rows in made.selection.items():
            assert found.setdefault(path, rows) == rows
        for count in made.counts:
            name = count["source"][1:]
            assert found.setdefault(name, count["cutoff"]) == count["cutoff"]


def test_another_seed_is_another_draw(tmp_path):
    texts = [recipe_text({"web": {}}, budget=300, unit="bytes", seed=seed) for seed in (1, 2)]
    made = case(tmp_path, texts[0], web(80))
    draws = [selected(with_recipe(made, text).plan()[1], "web") for text in texts]
    assert draws[0] != draws[1]
    assert all(0 < sum(each) < 80 for each in draws)


def test_new_documents_do_not_change_the_draw_of_others(tmp_path):
    text = recipe_text({"web": {}}, unit="docs", budget=40)
    small, large = case(tmp_path / "small", text, web(80)), case(tmp_path / "large", text, web(120))
    before, after = selected(small.plan()[1], "web"), selected(large.plan()[1], "web")
    assert sum(before) == sum(after) == 40
    assert all(old >= new for old, new in zip(before, after[:80], strict=True))  # nobody comes in, some are pushed out


def test_what_won_over_copies_is_not_more_likely_to_be_taken(tmp_path):
    """Half of the pool stands twice in the corpus. Of one draw for both, the lesser of two values would go on to be
    compared with those of documents that had to win nothing: 10% of the pool would be 6.8% of them, and 13.2%.
    """
    size = 1200
    docs = {"web/0.jsonl": [Doc("crawl", f"{number}", f"{number}") for number in range(2 * size)],
            "web/1.jsonl": [Doc("copy", f"{number}", f"{number}") for number in range(size)]}
    made = case(tmp_path, recipe_text({"web": {}}, unit="docs", budget=size // 5, dedup=[{"use": "text@1"}]), docs)
    chosen = made.plan()[1].selection
    alone = sum(copies for copies, _ in chosen["web/0.jsonl"][size:])
    assert sum(copies for rows in chosen.values() for copies, _ in rows) == size // 5
    assert 0.085 < alone / size < 0.115  # 0.1, give or take two and a half standard deviations


# ---- on disk


def test_finished_plan_is_found_and_not_made_again(tmp_path):
    made = case(tmp_path, recipe_text({"web": {}}, unit="docs", budget=5), web(10))
    first, _ = made.plan()

    def never(phase, parts, label):
        raise AssertionError(f"{label} ran again")

    again = remade(made, never)
    assert again == first
    assert again.folder.endswith(lock.digest(first.lock)[:16])
    assert storage.read(storage.join(first.folder, "recipe.yaml")) == made.recipe.text
    assert storage.read(storage.join(first.folder, "recipe.lock")) == first.lock
    assert not storage.listing(storage.join(first.folder, "scratch"))


@pytest.mark.parametrize("change", [
    {"format": "solera-plan@0"}, {"format": None}, {"lock_sha256": "0" * 64}, None,
])
def test_plan_of_another_format_or_lock_is_made_again(tmp_path, change):
    """Its folder is named by the first digits of the lock's digest alone."""
    made = case(tmp_path, recipe_text({"web": {}}, unit="docs", budget=5), web(10))
    first, _ = made.plan()
    uri = storage.join(first.folder, "plan.json")
    storage.put(uri, b"{" if change is None else json.dumps({**first.body, **change}).encode())
    assert plan.read(first.folder, lock.digest(first.lock)) is None
    again = remade(made)
    assert {**again.body, "seconds": 0} == {**first.body, "seconds": 0}
    assert plan.read(first.folder, lock.digest(first.lock)) == again


def test_plan_that_was_stopped_is_made_again_whole(rich):
    _, expected = rich.plan()
    storage.remove_below(storage.join(rich.corpus.workspace.folder, "plans"))

    def stops(phase, parts, label):
        if label == "plan: selection":
            phase(parts[0])
            raise KeyboardInterrupt
        return run(phase, parts, label)

    numbers = list(range(len(rich.corpus.slices)))
    with pytest.raises(KeyboardInterrupt):
        remade(rich, stops, [numbers[:2], numbers[2:]])
    folders = {path.split("/")[0] for path in storage.listing(storage.join(rich.corpus.workspace.folder, "plans"))}
    assert len(folders) == 1
    unfinished = storage.join(rich.corpus.workspace.folder, "plans", folders.pop())
    assert not storage.exists(storage.join(unfinished, "plan.json"))
    made = remade(rich)
    assert made.folder == unfinished
    assert rich.outcome(made) == expected


def run(phase, parts, label):
    return [phase(part) for part in parts]


def remade(made: Case, run=run, bins=None):
    bins = [list(range(len(made.corpus.slices)))] if bins is None else bins
    return plan.make(made.recipe, made.corpus, made.indexes, made.sets, bins, run, selection.resolve_in_memory)


@pytest.mark.parametrize("ends", [True, False])
def test_plan_that_begins_in_the_midst_of_another_changes_nothing(rich, ends):
    """Whether it comes to its end or is stopped after the keep rules, with which all rows were alive again."""
    _, expected = rich.plan()
    storage.remove_below(storage.join(rich.corpus.workspace.folder, "plans"))
    inner = []

    def stops(phase, parts, label):
        if label != "plan: keep rules":
            raise KeyboardInterrupt
        return run(phase, parts, label)

    def outer(phase, parts, label):
        if label in ("plan: dedup 1", "plan: dedup 2"):
            if ends:
                inner.append(remade(rich))
            else:
                with pytest.raises(KeyboardInterrupt):
                    remade(rich, stops)
        return run(phase, parts, label)

    made = remade(rich, outer)
    assert rich.outcome(made) == expected
    assert not ends or inner == [made, made]  # the first to end has made it
    assert not storage.listing(storage.join(made.folder, "scratch"))


def test_task_that_ends_late_changes_nothing(rich):
    """As a lost executor's does, or one that Spark had given up."""
    _, expected = rich.plan()
    storage.remove_below(storage.join(rich.corpus.workspace.folder, "plans"))
    before = []

    def again(phase, parts, label):
        for earlier in before:
            run(*earlier)
        before.append((phase, parts, label))
        return run(phase, parts, label)

    assert rich.outcome(remade(rich, again)) == expected


def test_counts_that_do_not_add_up_are_no_plan(rich):
    storage.remove_below(storage.join(rich.corpus.workspace.folder, "plans"))

    def loses(phase, parts, label):
        found = run(phase, parts, label)
        return [dataclasses.replace(part, tallies={}) for part in found] if label == "plan: dedup 1" else found

    with pytest.raises(JobFailed, match=r"rules and dedup leave .* plan again"):
        remade(rich, loses)
    assert not [path for path in storage.listing(rich.corpus.workspace.folder) if path.endswith("plan.json")]


# ---- what cannot be planned


def test_repeated_identity_names_documents_and_remedy(tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", "a", "one"), Doc("crawl", "b", "two")],
            "web/1.jsonl": [Doc("crawl", "c", "three"), Doc("other", "b", "two"), Doc("crawl", "b", "four")]}
    made = case(tmp_path, recipe_text({"web": {}}), docs)
    with pytest.raises(BadInput) as error:
        made.plan()
    said = str(error.value)
    assert "recipe.yaml: 2 documents share their (source, id)" in said
    assert "'crawl', 'b' in web/0.jsonl line 2 and web/1.jsonl line 3;" in said
    assert "`- {use: id@1}`" in said


def test_repeated_identity_names_few_of_many(tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", "same", f"{number}") for number in range(500)],
            "web/1.jsonl": [Doc("crawl", "same", "more")]}
    made = case(tmp_path, recipe_text({"web": {}}), docs)
    with pytest.raises(BadInput, match=r": 501 documents.*web/0.jsonl line 1 and web/0.jsonl line 2 and web/0.jsonl "
                                       r"line 3; give"):
        made.plan()


def test_repeated_identity_can_be_a_dedup_method(tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", "a", "one"), Doc("crawl", "a", "two"), Doc("crawl", "a", "two")],
            "wiki/0.jsonl": [Doc("crawl", "a", "three"), Doc("wiki", "a", "one")]}
    made = case(tmp_path, recipe_text({"web": {}, "wiki": {}}, dedup=[{"use": "id@1"}], prefer=["wiki"]), docs)
    _, found = made.plan()
    assert found == decide(made.recipe, docs, made.owner)
    assert found.selection == {"web/0.jsonl": [(0, "dedup id@1")] * 3, "wiki/0.jsonl": [(1, "kept")] * 2}


def test_source_without_documents_is_an_error_or_shared_out(tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", f"{number}", "four") for number in range(9)],
            "wiki/0.jsonl": [Doc("wiki", "empty", "")]}
    sources = {"web": {"weight": 0.5}, "wiki": {"weight": 0.5}}
    shared = {"policy": {"kind": "fixed"}, "unit": "tokens", "budget": 6}
    made = case(tmp_path, recipe_text(sources, **shared, on_shortfall="error"), docs)
    with pytest.raises(BadInput, match=r"wiki: 3 requested, but a pool of 0 gives at most 0; .*redistribute"):
        made.plan()
    _, found = with_recipe(made, recipe_text(sources, **shared, on_shortfall="redistribute")).plan()
    assert sum(selected(found, "web")) == 6
    assert found.selection["wiki/0.jsonl"] == [(0, "not drawn")]


def test_source_of_no_weight_takes_part_in_dedup_alone(tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", "a", "same"), Doc("crawl", "b", "own")],
            "held/0.jsonl": [Doc("held", "a", "same"), Doc("held", "b", "")]}
    sources = {"web": {"weight": 1}, "held": {"weight": 0}}
    made = case(tmp_path, recipe_text(sources, policy={"kind": "fixed"}, unit="bytes", budget=3, prefer=["held"],
                                      dedup=[{"use": "text@1"}]), docs)
    _, found = made.plan()
    assert found.selection == {"web/0.jsonl": [(0, "dedup text@1"), (1, "kept")],
                               "held/0.jsonl": [(0, "not drawn"), (0, "not drawn")]}


def test_more_copies_than_can_be_counted_are_an_error(tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", "a", "x")]}
    text = recipe_text({"web": {}}, unit="bytes", budget=6_000_000_000_000)
    made = case(tmp_path, text, docs)
    with pytest.raises(BadInput, match=r"web: 6_000_000_000_000 allocated over a pool of 1 is .* max_epochs"):
        made.plan()
    most = selection.MOST_COPIES
    _, found = with_recipe(made, recipe_text({"web": {}}, unit="bytes", budget=most)).plan()
    assert found.selection == {"web/0.jsonl": [(most, "kept")]}
    assert found.counts[0]["emitted"] == {"docs": most, "units": most, "bytes": most}
