"""What each command says when it is done: text for people, plain data for --json."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jobs import figures, tables
from jobs.build import BuildSummary
from jobs.cluster import job_file
from jobs.dedup import DedupSummary
from jobs.pack import FOLDER, Packed
from jobs.progress import brief, megabytes
from jobs.rates import Rate
from jobs.tag import TagSummary
from mixer import banding
from mixer.audit import Check
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.plan import Plan

TEXT_SHOWN = 80  # code points of a text that is repeated in many documents
CUTS_SHOWN = 10  # by one method
PLACES_SHOWN = 10  # of a document's copies


def tag_text(found: TagSummary, corpus: Corpus) -> str:
    if not found.redone:
        lines = [f"nothing to tag: all {found.shards:,} shards are up to date ({found.seconds:.1f} s)"]
    else:
        lines = [f"tagged {found.redone:,} of {found.shards:,} shards: {found.sidecars:,} sidecars from "
                 f"{megabytes(found.redone_text_bytes)} of text in {found.seconds:.1f} s "
                 f"({tables.rate(found.redone_text_bytes, found.seconds)})"]
    lines.append(f"{found.documents:,} documents, {megabytes(found.text_bytes)} of text; " +
                 (quarantine_text(found, corpus) if found.bad else "no bad records"))
    lines.append(f"next: solera dedup {corpus.arguments}")
    return "\n".join(lines)


def quarantine_text(found: TagSummary, corpus: Corpus) -> str:
    return (f"{found.bad:,} bad records are in quarantine, with reasons, under "
            f"{corpus.workspace.folder}/quarantine")


def dedup_json(found: DedupSummary) -> dict[str, Any]:
    sets = [{"name": each.name, "method": each.method, "parameters": dict(each.parameters), "clusters": each.clusters,
             "documents": each.documents, "digest": each.digest, "about": dict(each.about)} for each in found.sets]
    banded = [banding.as_json(*each) for each in banding.bandings(each.parameters for each in found.sets)]
    return {"sets": sets, "bandings": banded, "made": list(found.made), "keys": found.keys, "seconds": found.seconds}


def dedup_text(found: DedupSummary, arguments: str) -> str:
    body = [[each.method, f"{each.clusters:,}", f"{each.documents:,}", "found now" if each.name in found.made
             else "up to date", each.name] for each in found.sets]
    banded = banding.bandings(each.parameters for each in found.sets)
    reports = [line for each in found.sets if "report" in each.about for line in ["", *_repeated(each), ""]]
    reports += [line for each in found.sets for line in _counted(each)]
    return "\n".join([tables.table(["method", "clusters", "members", "", "set"], body),
                      *(line for each in banded for line in banding.curve_lines(*each)), *reports,
                      f"{found.seconds:.1f} s; what goes is decided by the plan: solera plan {arguments}"])


def _counted(found: ClusterSet) -> list[str]:
    """What a set says of its work in numbers and words; nothing of those that say nothing."""
    said = [f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{name.replace('_', ' ')} {value}"
            for name, value in found.about.items() if isinstance(value, int | str)]
    return [f"{found.method}: {', '.join(said)}"] if said else []


def _repeated(found: ClusterSet) -> list[str]:
    """What a set of spans says of those in many documents."""
    about = found.about["report"]
    said = (f"{found.method}: {found.clusters:,} keys occur more than once; {about['keys']:,} of them are in more than "
            f"{about['threshold']:,} documents")
    if not about["top"]:
        return [said]
    body = [[f"{each['documents']:,}", f"{each['times']:,}", _short(each["text"])] for each in about["top"]]
    return [f"{said}, such as these; report.parquet in the set's folder has {about['listed']:,}",
            tables.table(["documents", "times", "text"], body)]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_SHOWN else line[: TEXT_SHOWN - 1] + "…"


def plan_json(plan: Plan, rate: Rate | None = None) -> dict[str, Any]:
    """plan.json as it is, and what follows from it. `rate` is that of the last build."""
    counts = plan.body["counts"]
    return {
        "folder": plan.folder,
        "recipe": {"name": plan.recipe.name, "version": plan.recipe.version, "sha256": plan.recipe.sha256},
        **plan.body,
        "sources": [{
            "source": each["source"], "realised": figures.realised_of(each),
            "effective": figures.effective_of(each), "epochs": _epochs(each), "max_epochs": each["max_copies"],
        } for each in counts],
        "build": {"bytes": moved(plan), "seconds": None if rate is None else round(rate.seconds_for(moved(plan)), 1),
                  "rate": None if rate is None else rate.as_json()},
        "warnings": findings(plan),
    }


def _epochs(each: Mapping[str, Any]) -> float | None:
    """How often a unit of the pool is emitted in the mean; None where there is no pool."""
    pool = each["pool"]["units"]
    return round(each["emitted"]["units"] / pool, 6) if pool else None


def plan_text(plan: Plan, arguments: str, seconds: float, rate: Rate | None = None) -> str:
    """What a plan says, for a terminal. `rate` is that of the last build; None where none was measured."""
    lines = [plan_title(plan), ""]
    for table in figures.tables(plan):
        lines += [*table_lines(table), ""]
        if table.name == "losses" and plan.body["references"]:
            lines += [compared_text(plan), ""]
    lines += [f"warning: {tables.visible(warning)}" for warning in findings(plan)]
    lines += [f"lock {plan.body['lock_sha256'][:16]}, planned in {seconds:.1f} s without reading text",
              build_estimate(plan, rate), f"next: solera build {arguments} --out DIR"]
    return "\n".join(lines)


def plan_title(plan: Plan) -> str:
    recipe = plan.recipe
    return (f"{recipe.name} {recipe.version}: {recipe.unit}" + (f" ({recipe.counter})" if recipe.counter else "") +
            (f", budget {recipe.budget:,}" if recipe.budget is not None else ", no budget: all there is"))


def table_lines(table: figures.Table) -> list[str]:
    return [tables.fitted(table.head, table.rows, table.keys), *(f"  {tables.visible(note)}" for note in table.notes)]


def compared_text(plan: Plan) -> str:
    compared = [f"{each['reference']} ({each['docs']:,} documents in {each['shards']:,} "
                f"shard{'' if each['shards'] == 1 else 's'})" for each in plan.body["references"]]
    return f"  compared with {' and '.join(compared)}: what is there is dropped here"


def moved(plan: Plan) -> int:
    """Bytes of text that a build writes."""
    return sum(each["emitted"]["bytes"] - each["edited"]["bytes"] + each["edited"]["added"]
               for each in plan.body["counts"])


def build_estimate(plan: Plan, rate: Rate | None) -> str:
    size = moved(plan)
    if rate is None:
        return f"a build moves {megabytes(size)} of text; how fast was not measured yet in this work folder"
    return (f"a build moves {megabytes(size)} of text: about {brief(rate.seconds_for(size))} at the "
            f"{rate.text} measured on {rate.day} ({megabytes(rate.bytes)}, {rate.slots} at a time)")


def findings(plan: Plan) -> list[str]:
    """What a plan shows to be odd: broken shards, rules that drop nothing or everything, and many epochs."""
    found = []
    for count in plan.body["counts"]:
        docs = count["read"]["docs"]
        if count["broken"]:
            found.append(f"{count['source']}: {count['broken']:,} of {count['shards']:,} shards are used only up to "
                         "where their stream breaks; how much is missing is not known")
        for rule in count["rules"]:
            if docs and rule["own"]["docs"] == docs:
                missing = " (its column is always missing)" if rule["missing"]["docs"] == docs else ""
                found.append(f"{count['source']}: {rule['rule']} drops every document{missing}")
        pool = count["pool"]["units"]
        if pool and count["emitted"]["units"] > 4 * pool:
            found.append(f"{count['source']}: {count['emitted']['units'] / pool:.1f} epochs; beyond four, repeats add "
                         "less and less")
    everywhere: dict[str, int] = {}
    for count in plan.body["counts"]:
        for rule in count["rules"]:
            everywhere[rule["rule"]] = everywhere.get(rule["rule"], 0) + rule["own"]["docs"]
    found += [f"{rule} drops nothing" for rule, docs in everywhere.items() if not docs]
    return found


def build_json(found: BuildSummary) -> dict[str, Any]:
    return {"out": found.out, "digest": found.manifest["digest"], "made": found.made, "kept": found.kept,
            "seconds": found.seconds, "totals": found.manifest["mixture"]["totals"]}


def build_text(found: BuildSummary, out: str) -> str:
    part = found.manifest["mixture"]
    totals, unit = part["totals"], part["unit"]
    if found.was_there:
        first = f"nothing to build: {out} is this mixture already"
    else:
        kept = f" ({found.kept:,} were there from an earlier, interrupted build)" if found.kept else ""
        rate = f" ({tables.rate(found.moved_bytes, found.seconds)})" if found.moved_bytes else ""
        first = f"wrote {found.made:,} data shards{kept} in {found.seconds:.1f} s{rate}"
    return "\n".join([
        first,
        f"{part['name']} {part['version']}: {totals['docs']:,} documents ({totals['unique_docs']:,} unique), " +
        (f"{totals['units']:,} {unit}, " if unit != "docs" else "") +
        f"{megabytes(totals['text_bytes'])} of text in {totals['shards']:,} shards, {part['order']} order",
        *([f"{totals['edited']['docs']:,} of them edited: {totals['edited']['spans']:,} spans cut"
           + (" or replaced" if totals["edited"]["added"] else "") +
           f", {megabytes(totals['edited']['bytes'])} of text"
           + (f", with {totals['edited']['added']:,} bytes in their place" if totals["edited"]["added"] else "")]
          if totals["edited"]["docs"] else []),
        f"digest sha256:{found.manifest['digest']}",
        f"next: solera audit {shlex.quote(out)}",
    ])


def audit_json(folder: str, checks: Sequence[Check]) -> dict[str, Any]:
    return {"mixture": folder, "ok": all(check.ok for check in checks),
            "checks": [{"name": check.name, "ok": check.ok, "proves": check.proves, "failures": list(check.failures)}
                       for check in checks]}


def audit_text(folder: str, checks: Sequence[Check]) -> str:
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"  {'ok  ' if check.ok else 'FAIL'}  {check.name.ljust(width)}  {check.proves}")
        lines += [f"        {' ' * width}  {line}" for failure in check.failures for line in failure.splitlines()]
    failed = sum(not check.ok for check in checks)
    lines.append(f"{folder}: {failed} of {len(checks)} checks failed; this is not the mixture that its manifest "
                 "describes" if failed else f"{folder}: all {len(checks)} checks hold")
    return "\n".join(lines)


def pack_text(found: Packed) -> str:
    about = found.about
    return "\n".join([
        f"{found.path}: {megabytes(found.bytes)}, {found.files:,} files of {len(about['packages'])} packages "
        f"{'written' if found.made else '(there already)'}",
        f"for executors with {about['implementation']} {about['python']} on {about['platform']}; Spark's own files are "
        "not in it",
        f"next: spark-submit --master MASTER --archives {shlex.quote(found.path)}#{FOLDER} "
        f"{shlex.quote(job_file('run'))} RECIPE --work URI --out URI",
        "  or: solera run RECIPE --work URI --out URI --master MASTER --pack",
    ])


def explain_text(found: dict[str, Any]) -> str:
    lines = [
        f"{found['source']} {found['id']}",
        f"  in {found['shard']} row {found['row']}, line {found['line']}, byte {found['offset']:,}; source "
        f"{found['mix_source']} of the recipe",
        f"  {found['chars']:,} characters, {found['bytes']:,} bytes, sha256 {found['text_sha256']}",
        "", *(f"  | {tables.visible(line)}".rstrip() for line in found["marked"].split("\n")), "",
    ]
    if found["values"]:
        lines += [tables.table(["measured", ""], [[tables.visible(name), tables.visible(tables.value(value))]
                                                  for name, value in found["values"].items()]), ""]
    if found["phases"]:
        lines += [tables.table(["phase", "step", "verdict"], [[each["phase"], tables.visible(each["step"]), _said(each)]
                                                              for each in found["phases"]], left=3), ""]
    for each in found["dedup"]:
        if "cuts" in each:
            lines += _cuts_lines(each, found["bytes"])
        elif each["cluster"] is None:
            lines.append(f"  {each['method']}: no other document is the same")
        elif "lost_to" in each:
            keeper = each["lost_to"]
            lines.append(f"  {each['method']}: lost to {_place(keeper)}")
            lines += _difference_lines(keeper["difference"])
        else:
            lines.append(f"  {each['method']}: in cluster {each['cluster']}, not beaten by another copy")
    lines += _further_lines(found)
    lines += [*_edit_lines(found["edits"]), "",
              f"in: {found['copies']} cop{'y' if found['copies'] == 1 else 'ies'}{_edited_text(found)}"
              if found["copies"]
              else f"out: {found['reason']}"]
    lines += [f"  copy {place['copy']} in {place['shard']}" + (f" line {place['line']:,}" if "line" in place else "")
              for place in found.get("places", [])[:PLACES_SHOWN]]
    if len(found.get("places", [])) > PLACES_SHOWN:
        lines.append(f"  … and {len(found['places']) - PLACES_SHOWN:,} copies more; --json has all")
    lines += [f"  not of {each['source']}, which shares its shard: {each['reason']}" for each in found["other_sources"]]
    return "\n".join(lines)


def _said(entry: Mapping[str, Any]) -> str:
    """A verdict with why, as in "dropped: words.count 31 < 50"."""
    return tables.visible(f"{entry['verdict']}: {entry['why']}" if entry["why"] else entry["verdict"])


def _further_lines(found: Mapping[str, Any]) -> list[str]:
    """What edits, splits and a sample say of a document; nothing of a reference's."""
    lines = []
    for edit in found.get("would_edit", ()):
        most = "" if edit["max_removed"] == 1 else f"; up to {edit['max_removed']:.0%} may be"
        lines.append(f"  {edit['edit']}: {_spans_text(len(edit['spans']))}, {edit['share']:.2%} of its text{most}")
    for split in found.get("holdout", ()):
        key = f"cluster {split['cluster']}" if split["cluster"] else "it is like no other"
        lines.append(f"  split {split['split']}: {'holds it out' if split['held_out'] else 'leaves it'} ({key})")
    sample = found.get("sample")
    if sample is not None:
        lines.append(f"  {sample['sample']}: score {tables.value(sample['score'])}, draw {sample['draw']}, "
                     f"{'keeps it' if sample['kept'] else 'drops it'}")
    return lines


def _edit_lines(edits: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each edit of the text that is taken: [-what goes-] and {+what stands there instead+}."""
    lines = ["  edited: [-before-] {+after+}"] if edits else []
    for edit in edits[:CUTS_SHOWN]:
        instead = f"{{+{tables.visible(edit['replacement'])}+}}" if edit["replacement"] else ""
        before, text, after = (tables.visible(edit[part]) for part in ("before", "text", "after"))
        lines.append(f"    at {edit['start']}: {before}[-{text}-]{instead}{after}".rstrip())
    more = len(edits) - CUTS_SHOWN
    return [*lines, *([f"    … and {more:,} more; --json has all"] if more > 0 else [])]


def _edited_text(found: Mapping[str, Any]) -> str:
    cut = [edit for edit in found["edits"] if edit["replacement"] is None]
    others = [edit for edit in found["edits"] if edit["replacement"] is not None]
    said = [f", {what} {_spans_text(len(each))}, {tables.percent(sum(edit['bytes'] for edit in each), found['bytes'])} "
            "of its text" for what, each in (("without", cut), ("with other words for", others)) if each]
    return "".join(said)


def _place(document: Mapping[str, Any]) -> str:
    where = f"{document['shard']} row {document['row']}"
    return f"{document['source']} {document['id']} ({where}, line {document['line']})" if "id" in document else where


def _spans_text(count: int) -> str:
    return f"{count:,} span{'s' if count != 1 else ''}"


def _cuts_lines(method: Mapping[str, Any], size: int) -> list[str]:
    """What a method of spans cuts from a document, and which document keeps each span."""
    if not method["repeated"]:
        return [f"  {method['method']}: nothing of it occurs elsewhere"]
    share = f"{tables.percent(method['bytes_cut'], size)} of its text; up to {method['max_removed']:.0%} may be cut"
    lines = [f"  {method['method']}: {method['repeated']:,} repeated span{'s' if method['repeated'] != 1 else ''}, of "
             f"which {len(method['cuts']):,} kept in another place: {share}"]
    for cut in method["cuts"][:CUTS_SHOWN]:
        lines.append(f"    {cut['start']}-{cut['end']} {_quoted(cut['text'])} stays in {_place(cut['keeper'])} at "
                     f"{cut['keeper']['start']}")
    if len(method["cuts"]) > CUTS_SHOWN:
        lines.append(f"    … and {len(method['cuts']) - CUTS_SHOWN:,} more; --json has all")
    return lines


_SAME = {"equal": "its text is the same", "different": "its text differs",
         "normalised": "its text differs in case, spaces, punctuation or composed characters alone"}


def _difference_lines(found: Mapping[str, Any]) -> list[str]:
    """How the text of the copy that beat a document differs: [-here-] and {+there+}."""
    lines = [f"    {_SAME[found['same']]}" + (": [-here-] {+there+}" if found["places"] else "")]
    for place in found["places"]:
        here = f"[-{tables.visible(place['one'])}-]" if place["one"] else ""
        there = f"{{+{tables.visible(place['other'])}+}}" if place["other"] else ""
        shown = f"{tables.visible(place['before'])}{here}{there}{tables.visible(place['after'])}"
        lines.append(f"      at {place['at']}: {shown}".rstrip())
    return [*lines, *(["      … and more after these"] if found["more"] else [])]


def _quoted(text: str) -> str:
    return '"' + tables.visible(text) + '"'
