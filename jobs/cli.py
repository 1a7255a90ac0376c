"""The command line: `solera COMMAND …`. A command imports what it needs, so that lint and --help stay quick."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.stopping import Stopped, catching, command_line, stop_of
from mixer import DEFAULT_WORK
from mixer.errors import NotDone, RecipeError, SoleraError, StorageError

if TYPE_CHECKING:
    from decimal import Decimal
    from fractions import Fraction

    from jobs.engine import Engine
    from jobs.own import Own
    from jobs.progress import Stage
    from jobs.training import Planned
    from mixer.corpus import Corpus
    from mixer.recipe import Recipe
    from mixer.sides import Side


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0 done, 1 an audit that failed, 2 a mistake, 130 or 143 stopped."""
    options = parser().parse_args(arguments)
    options.command_line = command_line(arguments)
    if not logging.root.handlers:
        # What goes wrong is said below, once. Without a handler py4j would print its stack traces at every Ctrl-C.
        logging.root.addHandler(logging.NullHandler())
    try:
        with catching():
            code: int = options.command(options)
            sys.stdout.flush()
            return code
    except SoleraError as error:
        return _say_error(options, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        return _say_error(options, StorageError(f"{error.filename}: {(error.strerror or 'cannot be used').lower()}; "
                                                "check the path and its permissions"))
    except KeyboardInterrupt as error:
        stopped = stop_of(error) or Stopped(signal.SIGINT)
        resume = f"; what is done stays done, and this goes on from there:\n  {_resume(options)}"
        print(f"solera: stopped by {stopped.by}{resume if hasattr(options, 'events') else ''}", file=sys.stderr)
        return stopped.exit_code


def _say_error(options: Any, error: SoleraError) -> int:
    if getattr(options, "json", False):
        mistakes = {"mistakes": [asdict(each) for each in error.mistakes]} if isinstance(error, RecipeError) else {}
        print(json.dumps({"error": type(error).__name__, "message": str(error), **mistakes}, ensure_ascii=False))
    print(f"solera: {error}", file=sys.stderr)
    return error.exit_code


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="solera", description="Turns text shards into training mixtures that a stranger can verify.")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[Any], int], says: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=says, description=says)
        made.set_defaults(command=run)
        made.add_argument("--json", action="store_true", help="print JSON instead of tables")
        made.add_argument("--quiet", action="store_true", help="show no progress")
        return made

    def recipe(made: argparse.ArgumentParser) -> None:
        made.add_argument("recipe", metavar="RECIPE", help="a recipe file")
        made.add_argument("--stand-ins", metavar="FILE",
                          help="what stands in for shards and models that the recipe says were not published")
        made.add_argument("--scale", type=_scale, metavar="FACTOR", help="multiply the recipe's budget, as by 1e-6")
        own(made)

    def own(made: argparse.ArgumentParser) -> None:
        made.add_argument("--taggers", action="append", default=[], metavar="MODULE:TAGGER",
                          help="a tagger of your own, declared in MODULE.py; repeatable")

    def work(made: argparse.ArgumentParser) -> None:
        made.add_argument("--work", default=os.environ.get("SOLERA_WORK") or DEFAULT_WORK, metavar="DIR",
                          help="where sidecars, clusters and plans lie (default: $SOLERA_WORK, or .solera)")

    def events(made: argparse.ArgumentParser) -> None:
        made.add_argument("--events", metavar="FILE", type=_local_file,
                          help="append what happens to this file, as JSON (default: logs/events.jsonl in the work "
                               "folder, or in .solera where that is remote)")

    def spark(made: argparse.ArgumentParser) -> None:
        made.add_argument("--master", help="Spark master (default: local on all cores, each task tried four times)")
        made.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE",
                          help="a Spark setting; repeatable")
        made.add_argument("--pack", action="store_true",
                          help="send this installation along to a cluster whose executors have none")
        events(made)

    def tagging(made: argparse.ArgumentParser) -> None:
        made.add_argument("--max-bad-share", type=_share, default=0.01, metavar="SHARE",
                          help="fail when more of the records than this cannot be read (default 0.01)")
        made.add_argument("--keep-broken", action="store_true",
                          help="use what stands before the break of a truncated or corrupt shard")
        made.add_argument("--verify", action="store_true",
                          help="hash every shard and sidecar instead of trusting times")

    def planning(made: argparse.ArgumentParser) -> None:
        made.add_argument("--where", choices=("auto", "pool", "spark"), default="auto",
                          help="plan in processes of this machine, or in Spark (default: by the size of the corpus)")

    def split(made: argparse.ArgumentParser) -> None:
        made.add_argument("--split", metavar="NAME",
                          help="of what this split of the recipe's holdout holds out, instead of all else")

    def stage(made: argparse.ArgumentParser) -> None:
        made.add_argument("--stage", metavar="NAME", help="of this later stage of the recipe's training")

    def out(made: argparse.ArgumentParser) -> None:
        made.add_argument("--out", required=True, metavar="DIR", help="the folder of the mixture")

    made = command("demo", _demo, "Write a small corpus and make a mixture of it.")
    made.add_argument("folder", nargs="?", default="solera-demo", metavar="DIR", help="where (default: solera-demo)")
    spark(made)
    made = command("run", _run, "Do what is not done yet of tag, dedup, plan and build.")
    for add in (recipe, out, work, spark, tagging, planning, split, stage):
        add(made)
    made = command("tag", _tag, "Measure every document that has not been measured.")
    for add in (recipe, work, spark, tagging, split, stage):
        add(made)
    made.add_argument("--columns", type=_columns, default=[], metavar="A,B",
                      help="columns to measure beside those that the recipe's rules name; words.* is all of a tagger's")
    made.add_argument("--sample", type=_size, metavar="N",
                      help="write nothing; measure N documents here, and show how each column's values lie")
    made = command("dedup", _dedup, "Find the documents that are the same.")
    for add in (recipe, work, spark, split, stage):
        add(made)
    made = command("lint", _lint, "Check a recipe without any data.")
    for add in (recipe, work, stage):
        add(made)
    made.add_argument("--strict", action="store_true", help="exit with 1 where there are warnings")
    made = command("plan", _plan, "Show what a recipe takes, without reading any text.")
    for add in (recipe, work, spark, planning, split, stage):
        add(made)
    made.add_argument("--html", metavar="FILE", help="also write the plan as one page, with the funnel and the shares "
                                                     "drawn")
    instead = made.add_mutually_exclusive_group()
    instead.add_argument("--sweep", metavar="COLUMN", help="instead of a plan, show what each threshold would keep")
    instead.add_argument("--sample", type=_sample_share, metavar="SHARE",
                         help="estimate the plan from a stored sample of this share of the documents, such as 0.01, "
                              "with error bars")
    instead.add_argument("--watch", action="store_true",
                         help="stay, plan again at each save of the recipe, and mark what changed; Ctrl-C ends")
    instead.add_argument("--show-dropped", metavar="RULE",
                         help="instead of a plan, show examples of what a rule drops and what it barely keeps; RULE is "
                              "as the plan prints it, or some of its words, such as a column")
    made.add_argument("--examples", type=_size, metavar="N",
                      help="with --show-dropped, at most so many of each kind (default 5)")
    made = command("diff", _diff, "Say what changed between two recipes, locks, plans or mixtures.")
    for name, says in (("old", "a recipe, a lock, a plan's folder or a mixture's"), ("new", "the same, as it is now")):
        made.add_argument(name, metavar="AB"[name == "new"], help=says)
    made.add_argument("--examples", type=_few, default=3, metavar="N",
                      help="name so many documents of each kind and source that are in or out (default 3)")
    made.add_argument("--plan", action="store_true", help="plan a recipe that has not been planned")
    for add in (own, work, spark, planning, split):
        add(made)
    made = command("build", _build, "Write the mixture of a recipe that has been planned.")
    for add in (recipe, out, work, spark, planning, split, stage):
        add(made)
    made = command("audit", _audit, "Recompute all that a mixture's folder allows.")
    made.add_argument("mixture", metavar="DIR", help="the folder of a mixture")
    made.add_argument("--digest", metavar="SHA256", help="the digest that was published for it")
    made = command("export", _export, "Write what was measured as attribute files of the dolma toolkit.")
    recipe(made)
    made.add_argument("--to", required=True, metavar="DIR", help="the folder in which `attributes` is to lie")
    made.add_argument("--experiment", required=True, metavar="NAME", help="the folder below `attributes`")
    made.add_argument("--columns", type=lambda text: text.split(","), metavar="A,B",
                      help="columns, separated by commas (default: all that the recipe measures)")
    made.add_argument("--plan", action="store_true", help="also who lost to another copy, and the copies of the plan")
    for add in (work, spark):
        add(made)
    made = command("import", _import, "Read attribute files of the dolma toolkit, for a recipe's rules.")
    recipe(made)
    made.add_argument("--from", dest="origin", required=True, metavar="DIR",
                      help="the folder in which `attributes` lies")
    made.add_argument("--experiment", required=True, metavar="NAME", help="the folder below `attributes`")
    for add in (work, spark):
        add(made)
    made = command("explain", _explain, "Say why a document is in or out, and where it stands in the mixture.")
    recipe(made)
    made.add_argument("source", metavar="SOURCE", help="the document's own source")
    made.add_argument("id", metavar="ID", help="the document's own id")
    made.add_argument("--mixture", metavar="DIR", help="the mixture of this plan: say also on which lines")
    work(made)
    split(made)
    stage(made)
    made = command("train", _train, "Train a quality model from documents that a recipe selects.")
    for add in (recipe, work, spark, planning):
        add(made)
    made.add_argument("--positive", type=_columns, required=True, metavar="A,B",
                      help="the recipe's sources of good documents")
    made.add_argument("--negative", type=_columns, default=[], metavar="A,B",
                      help="its sources of others; a perplexity model is trained without")
    made.add_argument("--out", required=True, metavar="FILE", help="the model's file")
    made.add_argument("--kind", choices=("fasttext", "ngram"), default="fasttext",
                      help="a classifier, or a trigram model for perplexity (default: fasttext)")
    made.add_argument("--held-out", type=_share, default=0.1, metavar="SHARE",
                      help="of the documents, to measure the model by (default 0.1)")
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                      help="a setting of the trainer, such as epochs=3; repeatable")
    made = command("prune", _prune, "Show what no lock names and the recipe does not use, and remove it.")
    for add in (recipe, work):
        add(made)
    made.add_argument("--lock", action="append", default=[], metavar="FILE",
                      help="a lock, or the folder of a mixture, whose files stay too; repeatable. Those of the plans "
                           "in the work folder do in any case")
    made.add_argument("--yes", action="store_true", help="remove without asking; no other command may be running")
    made = command("pack", _pack, "Make the archive that brings Solera to executors which have none.")
    made.add_argument("--out", metavar="FILE", help="the archive's file, ending in .tar.gz (default: in the cache)")
    made = command("taggers", _taggers, "List the taggers, and the columns that a recipe's rules may name.")
    made.add_argument("names", nargs="*", metavar="NAME", help="only these taggers")
    own(made)
    return top


# ---- commands


def _demo(options: Any) -> int:
    from jobs.demo import demo

    return demo(options)


def _run(options: Any) -> int:
    from jobs.run import run
    from mixer import storage

    recipe, corpus = _opened(options)
    storage.check_bucket(options.out)
    with opened_engine(options, corpus) as engine:
        found = run(recipe, corpus, options.out, engine, where=options.where,
                    keep_broken=options.keep_broken, verify=options.verify, max_bad_share=options.max_bad_share)
    _print(options, found.as_json(), found.text)
    return 0


def _tag(options: Any) -> int:
    from jobs import report
    from jobs.plan import expand
    from jobs.run import run_tag

    recipe, corpus = _opened(options)
    columns = expand(recipe, options.columns)
    with opened_engine(options, corpus) as engine:
        if options.sample is not None:
            from jobs.sample import sample

            sampled = sample(recipe, corpus, engine, options.sample, columns)
        else:
            found = run_tag(recipe, corpus, engine, also=columns, keep_broken=options.keep_broken,
                            verify=options.verify, max_bad_share=options.max_bad_share)
    if options.sample is not None:
        _print(options, sampled.as_json(), lambda: sampled.text)
    else:
        _print_stages(options, found.as_json(), lambda: report.tag_text(found, corpus), engine.progress.stages)
    return 0


def _dedup(options: Any) -> int:
    from jobs import report
    from jobs.run import run_dedup

    recipe, corpus = _opened(options)
    with opened_engine(options, corpus) as engine:
        found = run_dedup(recipe, corpus, engine)
    _print_stages(options, report.dedup_json(found), lambda: report.dedup_text(found, corpus.arguments),
                  engine.progress.stages)
    return 0


def _lint(options: Any) -> int:
    from jobs.lint import lint

    first = _recipe(options)
    recipe, file = _staged(options, first)
    found = lint(recipe, file, options.work, _read(file) if recipe is first else None)
    _print(options, found.as_json(), found.text)
    return 1 if options.strict and found.warnings else 0


def _plan(options: Any) -> int:
    from jobs import rates, report
    from jobs.run import run_plan
    from jobs.training import Planned

    _check_together(options)
    if options.watch:
        from jobs.watch import watch

        return watch(options.recipe, options.where, options.json, options.html, lambda text: _opened(options, text),
                     lambda corpus: opened_engine(options, corpus))
    recipe, corpus = _opened(options)
    with opened_engine(options, corpus) as engine:
        if options.sweep is not None:
            from jobs.sweep import make_sweep

            swept = make_sweep(recipe, corpus, engine, options.sweep, options.where)
            _print(options, swept.as_json(), lambda: swept.text)
            return 0
        if options.sample is not None:
            from jobs.plan_sample import sample_stage, text_of

            estimated = sample_stage(recipe, corpus, engine, options.sample, options.where)
            (stage,) = engine.progress.stages
            _print_stages(options, estimated.as_json(), lambda: text_of(estimated, stage.seconds), [stage])
            return 0
        if options.show_dropped is not None:
            from jobs.examples import show_dropped

            shown = show_dropped(recipe, corpus, engine, options.show_dropped, options.examples or 5, options.where)
            _print(options, shown.as_json(), lambda: shown.text)
            return 0
        found = run_plan(recipe, corpus, engine, options.where)
        rate = rates.read(corpus.workspace).get("build")
        if options.html is not None:
            from jobs import page

            page.write(found, options.html, rate)
        if recipe.stages and options.split is None:
            return _print_training(options, Planned(recipe.name, recipe, corpus, found), engine)
    (stage,) = engine.progress.stages
    _print_stages(options, report.plan_json(found, rate),
                  lambda: report.plan_text(found, corpus.arguments, stage.seconds, rate), [stage])
    return 0


def _check_together(options: Any) -> None:
    """Nothing; BadInput where options of `plan` say nothing together."""
    from mixer.errors import BadInput

    if options.html is not None and (options.sweep is not None or options.show_dropped is not None
                                     or options.sample is not None):
        raise BadInput("--html draws a plan, and --sweep, --sample and --show-dropped make none; leave one of them out")
    if options.watch and options.stage is not None:
        raise BadInput("--watch follows the recipe that is named, and --stage plans another; leave out one of them")
    if options.examples is not None and options.show_dropped is None:
        raise BadInput("--examples is for --show-dropped; leave it out, or add --show-dropped RULE")


def _print_training(options: Any, first: Planned, engine: Engine) -> int:
    """The plans of all stages of a training, the first of which is made, and what they come to together."""
    from jobs import rates, report
    from jobs.run import run_plan
    from jobs.training import Planned, whole

    planned, done, lacking = [first], list(engine.progress.stages), []
    for stage in first.recipe.stages:
        try:
            recipe, corpus = _opened(argparse.Namespace(**{**vars(options), "stage": stage.name}))
            planned.append(Planned(stage.name, recipe, corpus, run_plan(recipe, corpus, engine, options.where)))
            done.append(engine.progress.stages[-1])
        except NotDone as error:
            lacking.append(f"stage {stage.name} is not in this plan: {error}")
    found = None if lacking else whole(planned, engine, options.where)

    rate = rates.read(first.corpus.workspace).get("build")

    def text() -> str:
        plans = [report.plan_text(each.plan, each.corpus.arguments, stage.seconds, rate)
                 for each, stage in zip(planned, done, strict=True)]
        return "\n\n".join([*plans, *lacking, *([] if found is None else [found.text()])])

    _print_stages(options, {
        **report.plan_json(first.plan, rate), "lacking": lacking,
        "later_stages": {each.name: report.plan_json(each.plan, rate) for each in planned[1:]},
        "training": None if found is None else found.as_json()}, text, done)
    return 0


def _diff(options: Any) -> int:
    from jobs.diff import compare
    from jobs.engine import engine
    from mixer.sides import opened

    own = _own(options).taggers
    sides = [_planned(options, opened(uri, own)) for uri in (options.old, options.new)]
    with engine(None, {}, "", options.quiet or options.json) as made:
        found = compare(sides[0], sides[1], made, options.examples)
    _print(options, found.as_json(), lambda: found.text)
    return 0 if found.verdict.enough else 1


def _planned(options: Any, side: Side) -> Side:
    """A recipe with the plan of what lies in the work folder, if there is one; anything else as it is."""
    from dataclasses import replace

    from jobs.plan import existing_plan, make_plan
    from mixer.corpus import find
    from mixer.errors import NotDone, SoleraError, StoreUnavailable
    from mixer.models import resolve
    from mixer.sides import planned

    if side.kind != "recipe" or side.recipe is None:
        return side
    if not all(source.shards for source in side.recipe.sources):
        return replace(side, unplanned="its shards were not published, so that recipes alone are compared")
    words = [word for reference in options.taggers for word in ("--taggers", reference)]
    if options.split is not None:
        side = replace(side, recipe=side.recipe.for_split(options.split))
        words += ["--split", options.split]
    try:
        assert side.recipe is not None
        recipe = resolve(side.recipe, side.uri)
        corpus = find(recipe, side.uri, options.work, words)
        try:
            return planned(side, existing_plan(recipe, corpus)[0])
        except NotDone:
            if not options.plan:
                raise
        with opened_engine(options, corpus) as made:
            return planned(side, make_plan(recipe, corpus, made, options.where))
    except StoreUnavailable:
        raise
    except SoleraError as error:
        if options.plan:
            raise
        return replace(side, unplanned=str(error).removeprefix(f"{side.uri}: "))


def _build(options: Any) -> int:
    from jobs import report
    from jobs.run import run_build, run_plan

    recipe, corpus = _opened(options)
    with opened_engine(options, corpus) as engine:
        found = run_build(run_plan(recipe, corpus, engine, options.where), corpus, options.out, engine)
    _print_stages(options, report.build_json(found), lambda: report.build_text(found, options.out),
                  engine.progress.stages)
    return 0


def _audit(options: Any) -> int:
    from jobs import report
    from mixer.audit import audit

    checks = audit(options.mixture, options.digest)
    _print(options, report.audit_json(options.mixture, checks), lambda: report.audit_text(options.mixture, checks))
    return 0 if all(check.ok for check in checks) else 1


def _export(options: Any) -> int:
    from jobs.dolma import export_attributes
    from jobs.progress import Counts

    recipe, corpus = _opened(options)
    with opened_engine(options, corpus) as engine, engine.stage("export") as stage:
        found = export_attributes(recipe, corpus, engine, options.to, options.experiment, options.columns,
                                  options.plan)
        stage.done(f"{found.shards:,} shards", Counts(documents=found.documents))
    _print_stages(options, found.__dict__, lambda: found.text, engine.progress.stages)
    return 0


def _import(options: Any) -> int:
    from jobs.dolma import import_attributes
    from jobs.progress import Counts

    recipe, corpus = _opened(options)
    with opened_engine(options, corpus) as engine, engine.stage("import") as stage:
        found = import_attributes(recipe, corpus, engine, options.origin, options.experiment)
        stage.done(f"{found.redone:,} of {found.shards:,} shards", Counts(documents=found.documents))
    _print_stages(options, found.__dict__, lambda: found.text, engine.progress.stages)
    return 0


def _explain(options: Any) -> int:
    from jobs import report
    from jobs.places import places
    from jobs.plan import existing_plan
    from mixer.explain import explain, with_texts

    recipe, corpus = _opened(options)
    made, context = existing_plan(recipe, corpus)
    found = with_texts(explain(made, context, corpus, options.source, options.id), corpus)
    found["places"] = places(made, found, options.mixture)
    _print(options, found, lambda: report.explain_text(found))
    return 0


def _train(options: Any) -> int:
    from jobs.train import Order, train

    recipe, corpus = _opened(options)
    order = Order(options.kind, tuple(options.positive), tuple(options.negative), options.out, options.held_out,
                  tuple(_pair("--set", each, "epochs=3") for each in options.set))
    with opened_engine(options, corpus) as engine:
        found = train(recipe, corpus, engine, order, options.where)
    _print_stages(options, found.as_json(), lambda: found.text, engine.progress.stages)
    return 0


def _prune(options: Any) -> int:
    from jobs import prune

    recipe, corpus = _opened(options)
    ask = not options.json and prune.is_interactive()
    found = prune.run(recipe, corpus, options.lock, options.yes, ask)
    text = found.pop("text")
    _print(options, found, lambda: text)
    return 0


def _pack(options: Any) -> int:
    from jobs import report
    from jobs.pack import pack
    from jobs.progress import Display

    found = pack(options.out, Display(silent=options.quiet).say)
    _print(options, found.__dict__, lambda: report.pack_text(found))
    return 0


def _taggers(options: Any) -> int:
    import shutil

    from jobs import tagger_list
    from mixer.errors import BadInput
    from taggers.registry import DOCUMENT, TAGGERS

    every = (*TAGGERS, DOCUMENT, *_own(options).taggers)
    unknown = [name for name in options.names if name not in {tagger.name for tagger in every}]
    if unknown:
        raise BadInput(f"{', '.join(unknown)}: no tagger of this name; there are "
                       f"{', '.join(tagger.name for tagger in every)}")
    chosen = [tagger for tagger in every if tagger.name in options.names or not options.names]
    _print(options, [tagger_list.as_json(tagger) for tagger in chosen],
           lambda: tagger_list.text(chosen, shutil.get_terminal_size((120, 40)).columns))
    return 0


# ---- what commands share


def _opened(options: Any, text: bytes | None = None) -> tuple[Recipe, Corpus]:
    """Recipe and corpus of a command. `text` is that of the recipe's file, where it has been read."""
    from mixer.corpus import find
    from mixer.models import resolve
    from mixer.stages import check_shards, needs_same_shards

    first = _recipe(options, text)
    recipe, uri = _staged(options, first)
    if any(not source.shards for source in recipe.sources):
        from mixer.stand_ins import check_complete

        check_complete(recipe, uri)
    split = getattr(options, "split", None)
    recipe = recipe if split is None else recipe.for_split(split)
    more = [word for reference in options.taggers for word in ("--taggers", reference)]
    stage = None if uri == options.recipe else options.stage
    for option, value in (("--stand-ins", options.stand_ins), ("--scale", options.scale), ("--split", split),
                          ("--stage", stage)):
        more += [] if value is None else [option, str(value)]
    recipe = resolve(recipe, uri)
    corpus = find(recipe, uri, options.work, more, options.recipe)
    if needs_same_shards(recipe):
        check_shards(recipe, corpus, find(first, options.recipe, options.work))
    return recipe, corpus


def _staged(options: Any, first: Recipe) -> tuple[Recipe, str]:
    """The recipe that is meant, the first or its stage, and its file."""
    if getattr(options, "stage", None) is None:
        return first, options.recipe
    from mixer import stages

    stage = stages.named(first, options.recipe, options.stage)
    return stages.of_training(first, options.recipe, stage), stages.uri_of(options.recipe, stage)


def _recipe(options: Any, text: bytes | None = None) -> Recipe:
    """The recipe that the command line names, or the one that is made of it by --stand-ins and --scale."""
    from mixer.recipe_parser import parse

    text, own = _read(options.recipe) if text is None else text, _own(options).taggers
    if options.stand_ins is None and options.scale is None:
        return parse(text, options.recipe, own)
    from jobs.progress import Display
    from mixer.stand_ins import derive

    derived = derive(text, options.recipe, options.stand_ins, options.scale, own)
    for line in derived.said:
        Display(silent=options.quiet or options.json).say(line)
    return parse(derived.text, options.recipe, own)


def _own(options: Any) -> Own:
    """The taggers that the command line names; without any, nothing is imported."""
    from jobs import own

    return own.load(getattr(options, "taggers", []))


def _read(uri: str) -> bytes:
    from mixer import storage

    return storage.read(uri)


@contextmanager
def opened_engine(options: Any, corpus: Corpus) -> Iterator[Engine]:
    """The engine of a command that does long work, whose course is in the event log from here to its end."""
    from jobs.engine import engine
    from jobs.events import EventLog, beginning, without_credentials
    from jobs.progress import Display, Progress

    conf = dict(_pair("--conf", each, "spark.driver.memory=4g") for each in options.conf)
    if options.pack:
        conf = _packed(options, conf)
    logs = corpus.workspace.logs
    logs = os.path.join(os.path.abspath(DEFAULT_WORK), "logs") if "://" in logs else logs
    quiet = options.quiet or options.json
    events = EventLog(options.events or os.path.join(logs, "events.jsonl"), quiet)
    progress = Progress(Display(quiet, silent=options.quiet), events)
    began = progress.clock()

    def end(event: str, **about: Any) -> None:
        events.write(event, **about, seconds=round(progress.clock() - began, 3))

    events.write("started", **beginning(options.command_line, options.master, corpus))
    try:
        shared = [corpus.workspace.root]
        files = _own(options).files
        with engine(options.master, conf, os.path.join(logs, "spark.log"), quiet, shared, progress, files) as made:
            yield made
        end("finished", **progress.result)
    except BaseException as error:
        if stopped := stop_of(error):
            end("interrupted", by=stopped.by, resume=_resume(options))
            raise stopped from None
        end("failed", error=type(error).__name__, message=without_credentials(str(error)))
        raise
    finally:
        events.close()


def _resume(options: Any) -> str:
    """What to do for a command that was stopped to go on."""
    from jobs.events import redacted
    from jobs.spark import is_submitted

    if is_submitted():
        return "submit the same job again"
    return shlex.join(redacted(options.command_line))


def _packed(options: Any, conf: dict[str, str]) -> dict[str, str]:
    """The settings with the archive of this installation, made now unless it is in the cache."""
    from jobs.cluster import with_archive
    from jobs.pack import pack
    from jobs.progress import Display
    from jobs.spark import is_local, is_submitted

    if not is_submitted() and is_local(options.master or conf.get("spark.master") or "local"):
        from mixer.errors import BadInput

        raise BadInput("--pack is for the executors of a cluster, and Spark would run on this machine",
                       remedy="leave it out, or name the cluster with --master")
    return with_archive(conf, pack(say=Display(silent=options.quiet).say).path)


def _pair(option: str, text: str, example: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        from mixer.errors import BadInput

        raise BadInput(f"{option} {text}: not KEY=VALUE; write it like {option} {example}")
    return key, value


def _local_file(text: str) -> str:
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text} is no local file; an object store has no way to append to one")
    return text


def _columns(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _size(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text} is no number of documents; write one from 1 to 1,000,000, such as "
                                         "1000")
    return int(text)


def _few(text: str) -> int:
    if not text.isdecimal() or int(text) > 10_000:
        raise argparse.ArgumentTypeError(f"{text} is no number of examples; write one from 0 to 10,000, such as 3")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share; write a number from 0 to 1, such as 0.01")
    return value


def _scale(text: str) -> Decimal:
    from decimal import Decimal, InvalidOperation

    try:
        factor = Decimal(text)
    except InvalidOperation:
        factor = Decimal(0)
    if not (factor.is_finite() and factor > 0 and -30 < factor.adjusted() < 30 and len(text) < 30):
        raise argparse.ArgumentTypeError(f"{text} is no factor; write a number above 0, such as 1e-6")
    return factor


def _sample_share(text: str) -> Fraction:
    from decimal import Decimal, InvalidOperation
    from fractions import Fraction

    try:
        value = Decimal(text)
        if value.is_finite() and Decimal("1e-12") <= value <= 1:
            return Fraction(value)
    except InvalidOperation:
        pass
    raise argparse.ArgumentTypeError(f"{text} is not a share of documents; write a number above 0 and up to 1, such as "
                                     "0.01")


def _print(options: Any, data: Any, text: Callable[[], str]) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=1, default=str) if options.json else text())


def _print_stages(
    options: Any, data: Mapping[str, Any], text: Callable[[], str], stages: Sequence[Stage]
) -> None:
    """The answer of a command that does long work, with the table of its stages."""
    from jobs import tables

    _print(options, {**data, "stages": [stage.as_json() for stage in stages]},
           lambda: "\n\n".join([tables.stages(stages), text()]))


if __name__ == "__main__":
    sys.exit(main())
