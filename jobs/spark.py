"""The Spark session, quiet and with every setting explained, and readable failures.

Nothing here imports pyspark before a function is called, so that commands which need no JVM stay fast.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.cluster import archive_settings
from jobs.java import java_home
from mixer import errors

if TYPE_CHECKING:
    from pyspark.conf import SparkConf
    from pyspark.sql import SparkSession

_LOG = "spark.solera.log"  # where a session says which file its messages go to


@contextlib.contextmanager
def session(
    master: str | None,
    conf: Mapping[str, str],
    log_file: str | os.PathLike[str],
    app_name: str,
) -> Iterator[SparkSession]:
    """A SparkSession, stopped at the end together with its JVM.

    Where a session is active already it is handed out as it is and left running; under spark-submit, which has
    started the JVM, what it was given decides about the master, and the log stays where the cluster puts it.
    """
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._active_spark_context is not None:
        yield SparkSession.builder.getOrCreate()
    elif is_submitted():
        if master is not None:
            raise errors.BadInput("--master after the job's file is not Spark's", value=master,
                                  remedy="spark-submit decides about the master: give it before the file")
        with _submitted(conf, app_name) as spark:
            yield spark
    else:
        with _launched(settings(master, conf, app_name, usable_cores()), Path(log_file)) as spark:
            yield spark


@contextlib.contextmanager
def failures(spark: SparkSession) -> Iterator[None]:
    """Nothing; turns what Spark raises inside it into JobFailed, with the words of the Python error that caused it."""
    with _readable(spark.sparkContext.getConf().get(_LOG) or "Spark's log"):
        yield


def reason(text: str) -> str:
    """Why a job failed, from Spark's long account of it. The message of a SoleraError comes back as it was raised."""
    raised = _python_error(text)
    if raised is not None and "PYTHON_VERSION_MISMATCH" not in raised:
        if re.search(r"No module named '(jobs|mixer|taggers)\b", raised):
            return "an executor that joined later has no Solera; install it there, or send it along with --pack"
        kind, _, message = raised.partition(": ")
        module, _, name = kind.rpartition(".")
        ours = module == errors.__name__ and isinstance(getattr(errors, name, None), type)
        return message if ours and message else f"a task failed with {raised}"
    version = re.search(r"PYTHON_VERSION_MISMATCH[^\n]* different version[^\d]*([\d.]+)[^\d]*([\d.]*\d)", text)
    if version is not None:
        return (f"the executors run Python {version[1]} and the driver {version[2]}; name one of the same minor "
                "version with --conf spark.pyspark.python=PATH")
    program = re.search(r'Cannot run program "([^"]+)"', text)
    if program is not None:
        return (f"the executors have no {program[1]} to run Python tasks with; name theirs with "
                "--conf spark.pyspark.python=PATH")
    if raised is None and "No space left on device" in text:
        return ("a disk is full where Spark keeps its shuffle files; make room there, or name another folder with "
                "--conf spark.local.dir=PATH (SPARK_LOCAL_DIRS on the workers of a cluster)")
    crash = re.search(r"Fatal Python error: [^\n]+", text)  # written by the fault handler
    if crash is not None:
        return f"a Python worker crashed each time it was tried ({crash[0]})"
    if "Python worker exited unexpectedly" in text or "Python worker failed to connect back" in text:
        return "a Python worker was killed each time it was tried; most often the machine has run out of memory"
    if "OutOfMemoryError" in text:
        return "Java ran out of memory; give it more with --conf spark.driver.memory=4g"
    if "trying to connect to the Java server" in text or "Answer from Java side is empty" in text or not text.strip():
        return "Spark's Java process has ended; it crashed or was killed, most often for lack of memory"
    cause = re.search(r"most recent failure: [^\n]*?\): ([^\n]+)", text)
    cause = cause or re.search(r"^: ([^\n]+)", text, re.MULTILINE)
    return f"Spark failed with {cause[1] if cause else text.strip().splitlines()[0]}"


def within(seconds: float, action: Callable[[], object]) -> None:
    """Nothing; does this in a thread of its own, and gives up waiting for it after so many seconds."""

    def attempt() -> None:
        with contextlib.suppress(Exception):  # the JVM may be gone
            action()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)


def settings(master: str | None, conf: Mapping[str, str], app_name: str, cores: int) -> dict[str, str]:
    """Every setting of a session that is started here. What the user gave in `conf` wins over each of them."""
    # local[N] alone fails the whole job when a single Python worker is killed; the 4 is how often a task is tried.
    master = conf.get("spark.master") or master or f"local[{cores},4]"
    chosen = {"spark.master": master, "spark.app.name": app_name, **_everywhere()}
    chosen |= _on_this_machine(cores) if is_local(master) else _on_a_cluster(os.environ) | archive_settings(conf)
    # Options for Java add up instead: with ours gone, Spark would write to the terminal again.
    java = "spark.driver.extraJavaOptions"
    ours = f"-Dlog4j2.configurationFile={_log4j2('log4j2')}"
    if is_local(master):
        # The JVM passes blocks on while Python computes. What its second compiler does takes cores from that, and does
        # not pay: of the processor time of a dedup over 120 MB of text, 3 s of 18.
        ours += " -XX:TieredStopAtLevel=1"
    return chosen | dict(conf) | {java: f"{ours} {conf.get(java, '')}".strip()}


def _everywhere() -> dict[str, str]:
    return {
        # Our own line shows the progress; Spark's bar would be drawn over it.
        "spark.ui.showConsoleProgress": "false",
        # A worker keeps its compiled kernels and loaded models from task to task.
        "spark.python.worker.reuse": "true",
        # When native code crashes a worker, the log then has the Python stack it crashed in.
        "spark.python.worker.faulthandler.enabled": "true",
        # Rows cross between Java and Python as Arrow batches, and never, in silence, the slow way.
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
        # Bounds a batch of long documents by its bytes, where 10,000 rows could pass the 2 GiB of a string column.
        "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
        # Times mean the same wherever a cluster stands.
        "spark.sql.session.timeZone": "UTC",
    }


def _on_this_machine(cores: int) -> dict[str, str]:
    return {
        # Nobody looks at the web page of a local run, and its port may be taken.
        "spark.ui.enabled": "false",
        # Without these two Spark resolves the host's name, which fails offline, and listens to the network.
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # The one JVM is driver and executor. Texts stay in Python, so that it holds no more than shuffles of keys.
        "spark.driver.memory": "2g",
        # Shuffles and spills go where the system's temporary files go: TMPDIR moves them.
        "spark.local.dir": tempfile.gettempdir(),
    }


def _on_a_cluster(environ: Mapping[str, str]) -> dict[str, str]:
    # How long a store is waited for is the same everywhere. Credentials are found on each machine, never sent.
    stores = {f"spark.executorEnv.{name}": value for name, value in environ.items() if name.startswith("SOLERA_STORE_")}
    return stores | {
        # A machine whose disk is full fails task after task in no time; without this it alone would fail the job.
        "spark.excludeOnFailure.enabled": "true",
        # Several executors of one machine: one of them that fails does not speak for the rest.
        "spark.excludeOnFailure.task.maxTaskAttemptsPerNode": "3",
        "spark.excludeOnFailure.stage.maxFailedExecutorsPerNode": "4",
    }


def is_submitted() -> bool:
    """Whether spark-submit has started this process, and with it the JVM."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def is_local(master: str) -> bool:
    """Whether this master runs everything in this machine's one JVM."""
    return master == "local" or master.startswith("local[")


def usable_cores() -> int:
    """How many cores this process may run on, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def _readable(log: str) -> Iterator[None]:
    from py4j.protocol import Py4JError
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.errors.exceptions.captured import CapturedException

    try:
        yield
    except (AnalysisException, ParseException):
        raise  # a mistake in our own code, which wants its stack trace
    except (Py4JError, CapturedException, ConnectionError) as error:
        raise errors.JobFailed(reason(str(error)), remedy=f"see {log}") from None


@contextlib.contextmanager
def _submitted(conf: Mapping[str, str], app_name: str) -> Iterator[SparkSession]:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    SparkContext._ensure_initialized()  # so that SparkConf sees what spark-submit was given
    given = SparkConf()
    for name, value in conf.items():
        given.set(name, value)
    whole = dict(given.getAll())
    ours = {"spark.app.name": app_name, **_everywhere()}
    if not is_local(whole["spark.master"]):
        given.setAll(list(archive_settings(whole).items()))
        ours |= _on_a_cluster(os.environ)
    for name, value in ours.items():
        given.setIfMissing(name, value)
    if "spark.log.level" not in whole:
        _quiet()
    with _own_interrupt(), _readable("what stands above"):
        spark = SparkSession.builder.config(conf=given).getOrCreate()
    try:
        yield spark
    finally:
        within(60, spark.stop)


def _quiet() -> None:
    """Nothing; has the JVM say errors only. spark-submit's own default is a hundred lines to say that it starts."""
    from pyspark import SparkContext

    jvm: Any = SparkContext._jvm
    # Spark would load its default over what is set before it first logs something.
    jvm.org.apache.spark.SparkConf(False).initializeLogIfNecessary(False)
    jvm.org.apache.logging.log4j.core.config.Configurator.reconfigure(jvm.java.net.URI(_log4j2("log4j2-errors")))


def _log4j2(name: str) -> str:
    return Path(__file__).with_name(f"{name}.properties").absolute().as_uri()  # a URI has no blanks to quote


@contextlib.contextmanager
def _launched(chosen: Mapping[str, str], log_file: Path) -> Iterator[SparkSession]:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    conf = SparkConf(loadDefaults=False).setAll(list(chosen.items())).set(_LOG, str(log_file.absolute()))
    with contextlib.ExitStack() as stack:
        with _own_interrupt(), _environment(_for_the_jvm(chosen, os.environ)):
            gateway = _launch(conf, log_file)
            stack.callback(_end, gateway)
            with _readable(str(log_file)):
                SparkContext(conf=conf, gateway=gateway)  # which the builder then finds
                spark = SparkSession.builder.getOrCreate()
        # Each in a thread of its own: after Ctrl-C this thread's connection to the JVM may still wait for an answer.
        stack.callback(within, 60, spark.stop)
        yield spark


def _for_the_jvm(chosen: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment that the JVM starts with, and the Python workers after it, where it differs from ours.

    Executors run this same Python with its packages, not whatever `python3` is on their PATH; where an archive brings
    the packages, any of the same minor version will do.
    """
    ours = sys.executable if not archive_settings(chosen) else f"python{sys.version_info[0]}.{sys.version_info[1]}"
    result = {
        "JAVA_HOME": java_home(environ).home,
        "PYSPARK_PYTHON": chosen.get("spark.pyspark.python") or environ.get("PYSPARK_PYTHON") or ours,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }
    if is_local(chosen["spark.master"]):
        # Workers find our packages also in a checkout that is not installed.
        root = str(Path(__file__).absolute().parent.parent)
        result["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environ.get("PYTHONPATH")]))
        # Java asks for the address of the host's own name, and fails where nothing resolves it, unless told.
        result["SPARK_LOCAL_IP"] = environ.get("SPARK_LOCAL_IP") or "127.0.0.1"
        result["SPARK_LOCAL_HOSTNAME"] = environ.get("SPARK_LOCAL_HOSTNAME") or "localhost"
    return result


def _launch(conf: SparkConf, log_file: Path) -> Any:
    """A py4j gateway to a new JVM, which ends when its stdin does, so with this process however that ends."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        before = log.tell()
        try:
            # Java's output, and that of the Python workers below it, is not for the terminal; ours still goes there.
            return launch_gateway(conf, {"stdout": log, "stderr": subprocess.STDOUT})  # type: ignore[no-untyped-call]
        except PySparkRuntimeError:
            said = log_file.read_bytes()[before:].decode(errors="replace")
            cause = re.search(r"^(?=\S).*(?:[Ee]rror|[Ee]xception|[Ii]nvalid|[Ff]ail).*$", said, re.MULTILINE)
            home = os.environ.get("SPARK_HOME")
            raise errors.JobFailed(
                f"Spark's Java process did not start: {cause[0] if cause else said.strip() or 'it said nothing'}",
                remedy=f"see {log_file}" + (f"; SPARK_HOME={home} is used in place of pyspark's own" if home else ""),
            ) from None


def _end(gateway: Any) -> None:
    """Nothing; ends the JVM and forgets it, so that another session of this process starts with its own settings."""
    from pyspark import SparkContext

    process = gateway.proc
    try:
        with contextlib.suppress(Exception):  # the JVM may be gone
            gateway.shutdown()
        process.stdin.close()
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        SparkContext._gateway = SparkContext._jvm = None


@contextlib.contextmanager
def _own_interrupt() -> Iterator[None]:
    """Nothing; gives Ctrl-C back its own handler, which pyspark replaces for good when a session starts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _python_error(text: str) -> str | None:
    """The last Python error in Spark's account, "module.Kind: message", without the stacks of Python and Java."""
    _, found, after = text.rpartition("Traceback (most recent call last):\n")
    if not found:
        return None
    after = re.split(r"\n\s*\n\tat |\n\s*JVM stacktrace:|\n\s*Driver stacktrace:|\n\tat ", after)[0]
    lines = after.splitlines()
    first = next((number for number, line in enumerate(lines) if line and not line[0].isspace()), None)
    return None if first is None else re.sub(r"\s+SQLSTATE: \w+$", "", "\n".join(lines[first:]).strip())
