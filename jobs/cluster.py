"""What has to be true of a cluster's executors before the first task, and what to say where it is not."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.pack import FOLDER, SUFFIX, source_digest
from mixer import storage
from mixer.errors import JobFailed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# So long nobody wonders; after it, why nothing happens is said, and said again.
PATIENCE = 15.0  # seconds


def archive_settings(conf: Mapping[str, str]) -> dict[str, str]:
    """What lets executors find an archive of `solera pack` among spark.archives; {} where there is none.

    Each executor unpacks archives into its own current folder, under the name that stands after the `#`.
    """
    for archive in filter(None, (each.strip() for each in conf.get("spark.archives", "").split(","))):
        uri, _, alias = archive.partition("#")
        name = uri.rpartition("/")[2]
        if name.startswith("solera") and name.endswith(SUFFIX):
            before = conf.get("spark.executorEnv.PYTHONPATH", "")
            return {"spark.executorEnv.PYTHONPATH": os.pathsep.join(filter(None, [f"./{alias or name}", before]))}
    return {}


def with_archive(conf: Mapping[str, str], archive: str) -> dict[str, str]:
    """The settings that send this archive along."""
    archives = [*filter(None, [conf.get("spark.archives", "")]), f"{archive}#{FOLDER}"]
    return {**conf, "spark.archives": ",".join(archives)}


def check(spark: SparkSession, work: Sequence[str], say: Callable[[str], None]) -> None:
    """Nothing; JobFailed where an executor can't run our tasks: another Python or platform, no Solera or another one,
    or a local folder of `work` that it does not see.

    Waits for the first executor as long as it takes, and says so. Those that join later are not asked.
    """
    context = spark.sparkContext
    with _marks(work) as marks, _said_while_waiting(spark, say):
        ask = _question(dict(marks), {"python": sys.version_info[:2], "implementation": sys.implementation.name,
                                      "platform": sysconfig.get_platform(), "sources": source_digest()})
        tasks = 2 * max(2, context.defaultParallelism)  # so that each executor gets one
        answers = context.parallelize(range(tasks), tasks).map(ask).collect()
        if len(answers) < 2 * context.defaultParallelism:  # more executors came while the first ones answered
            tasks = 2 * context.defaultParallelism
            answers += context.parallelize(range(tasks), tasks).map(ask).collect()
    wrong = sorted({(host, message, remedy) for host, message, remedy in answers if message})
    if wrong:
        hosts = sorted({host for host, message, _ in wrong if message == wrong[0][1]})
        more = f" and {len(hosts) - 3} more" if len(hosts) > 3 else ""
        raise JobFailed(f"executors on {', '.join(hosts[:3])}{more} can't run this: {wrong[0][1]}", remedy=wrong[0][2])


def _question(marks: Mapping[str, str], driver: Mapping[str, Any]) -> Callable[[int], tuple[str, str, str]]:
    """A function for executors that answers (host, what is wrong or "", remedy).

    It is nested, and imports nothing of ours before it knows that it can: so it is sent as code, not by name.
    """

    def ask(_: int) -> tuple[str, str, str]:
        import json
        import os
        import platform
        import sys
        import sysconfig

        host = platform.node()
        python = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
        here = f"{python} on {sysconfig.get_platform()} ({sys.executable})"
        pack_it = "make an archive there with `solera pack` and give it to --archives, or use that Python on both sides"
        for folder in sys.path:
            about_file = os.path.join(folder, "solera-pack.json")
            if os.path.isfile(about_file):
                with open(about_file, encoding="utf-8") as stream:
                    about = json.load(stream)
                if [about["python"], about["implementation"], about["platform"]] != [
                        f"{sys.version_info[0]}.{sys.version_info[1]}", sys.implementation.name,
                        sysconfig.get_platform()]:
                    return (host, f"the archive is for {about['implementation']} {about['python']} on "
                                  f"{about['platform']}, and the executor runs {here}", pack_it)
                break
        if sys.version_info[:2] != driver["python"] or sys.implementation.name != driver["implementation"]:
            wanted = f"{driver['implementation']} {driver['python'][0]}.{driver['python'][1]}"
            return (host, f"the driver runs {wanted} and the executor {here}",
                    "name a Python of the same minor version with --conf spark.pyspark.python=PATH")
        try:
            from jobs.pack import source_digest
        except ImportError as error:
            return (host, f"its Python has no Solera ({error}; {here})",
                    "install it there, or send it along: `solera run --pack`, or --archives with what `solera pack` "
                    "made")
        if source_digest() != driver["sources"]:
            import jobs

            return (host, f"its Solera is not the driver's: {os.path.dirname(jobs.__path__[0])} holds other sources",
                    "install the same version on both sides, or send the driver's along with --pack")
        for module in ("numba", "numpy", "pandas", "pyarrow", "zstandard", "msgspec", "fasttext", "xxhash", "fsspec",
                       "py3langid", "publicsuffixlist", "tokenizers"):
            try:
                __import__(module)
            except ImportError as error:
                return (host, f"{module} can't be imported: {error} ({here})",
                        "install what Solera needs there, or send it along with --pack")
        for folder, mark in marks.items():
            if not os.path.exists(os.path.join(folder, mark)):
                return (host, f"it does not see the driver's folder {folder}",
                        "give a folder that all machines share, or a URI such as s3://bucket/folder")
        return (host, "", "")

    return ask


def check_shared(spark: SparkSession, uri: str) -> None:
    """Nothing; JobFailed where an executor does not see this file of the driver's as it is."""
    if not storage.is_local(uri):
        return
    context = spark.sparkContext
    data = storage.read(uri)

    def unseen(_: int) -> str | None:
        import platform

        try:
            with open(uri.removeprefix("file://"), "rb") as stream:
                return None if stream.read() == data else platform.node()
        except OSError:
            return platform.node()

    tasks = 2 * max(2, context.defaultParallelism)
    hosts = sorted(set(filter(None, context.parallelize(range(tasks), tasks).map(unseen).collect())))
    if hosts:
        raise JobFailed(f"executors on {', '.join(hosts[:3])} do not see the driver's folder {os.path.dirname(uri)}",
                        remedy="give a folder that all machines share, or a URI such as s3://bucket/folder")


@contextlib.contextmanager
def _marks(folders: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """(folder, name of a new empty file in it) for each folder on this machine; the files go at the end."""
    marks = []
    try:
        for folder in folders:
            if storage.is_local(folder):
                path, mark = storage.absolute(folder), f".{secrets.token_hex(8)}.tmp"
                storage.put(storage.join(path, mark), b"")
                marks.append((path, mark))
        yield marks
    finally:
        for path, mark in marks:
            storage.remove(storage.join(path, mark))


@contextlib.contextmanager
def _said_while_waiting(spark: SparkSession, say: Callable[[str], None]) -> Iterator[None]:
    over = threading.Event()
    master = spark.sparkContext.master

    def wait() -> None:
        while not over.wait(PATIENCE):
            with contextlib.suppress(Exception):  # Spark is ending; what matters is raised elsewhere
                status = spark.sparkContext._jsc.sc().statusTracker()
                if len(status.getExecutorInfos()) < 2:  # the driver counts as one
                    say(f"waiting for {master} to start an executor; it may be busy, or have no worker with the "
                        "memory and cores that are asked for (spark.executor.memory, spark.executor.cores)")

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def job_file(name: str) -> str:
    """The path of a job's file, for spark-submit."""
    return str(Path(__file__).with_name(f"{name}.py"))
