"""What the tests share: one Spark session, real data where it is at hand, and small shards."""

from __future__ import annotations

import gzip
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import zstandard
from clusters import SHORT_LIVED
from faults import Bucket, Proxy

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The first call of a kernel compiles it, and what else runs on the machine is not known either.
hypothesis.settings.register_profile("solera", deadline=None)
hypothesis.settings.load_profile("solera")

# For the JVM of every driver, those of processes that tests start among them.
os.environ.setdefault("SPARK_SUBMIT_OPTS", SHORT_LIVED)

Record = Mapping[str, Any] | str | bytes
WriteShard = Callable[..., Path]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one session of the suite: a JVM takes seconds to start. `jobs.spark.session` hands it out to jobs as well."""
    from jobs.spark import session

    conf = {
        # Two tasks at a time, so that order is not given by chance, and a killed worker is tried again as for a user.
        "spark.master": "local[2,4]",
        # The data is tiny: a task costs more than what it does.
        "spark.sql.shuffle.partitions": "4",
        # Beside this suite there may be another, and a small machine has 4 GB.
        "spark.driver.memory": "1g",
        # Shuffle files go where pytest cleans up, whatever becomes of the JVM.
        "spark.local.dir": str(tmp_path_factory.mktemp("spark-local")),
    }
    with session(None, conf, tmp_path_factory.mktemp("spark") / "spark.log", "solera tests") as started:
        yield started


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real data: SOLERA_CORPORA, or `shared/corpora` beside the checkout. Tests skip without it."""
    beside = Path(__file__).absolute().parents[2] / "shared" / "corpora"
    folder = Path(os.environ.get("SOLERA_CORPORA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; SOLERA_CORPORA says where it is")
    return folder


@pytest.fixture
def write_shard(tmp_path: Path) -> WriteShard:
    """write_shard(path, records, source="web"): the path of a new shard in the format its name says.

    A relative path is below tmp_path. A record is a document, its text alone, or the bytes of a line as they are.
    """

    def write(path: str | Path, records: Iterable[Record], source: str = "web") -> Path:
        whole = tmp_path / path
        lines = [_line(record, number, source) for number, record in enumerate(records)]
        data = b"".join(line + b"\n" for line in lines)
        if whole.suffix == ".zst":
            data = zstandard.ZstdCompressor(write_checksum=True).compress(data)
        elif whole.suffix == ".gz":
            data = gzip.compress(data, mtime=0)
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(data)
        return whole

    return write


def _line(record: Record, number: int, source: str) -> bytes:
    if isinstance(record, bytes):
        return record
    if isinstance(record, str):
        record = {"text": record}
    return json.dumps({"id": str(number), "source": source, **record}, ensure_ascii=False).encode()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of moto's S3 server, on loopback and any free port."""
    from moto.server import ThreadedMotoServer

    # Its threads live as long as the process; only the fixture `s3` writes to it, each test to a bucket of its own.
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new bucket of a real S3 server, behind a proxy that can fail, with credentials in the environment alone."""
    import boto3

    from mixer import remote

    proxy = Proxy(s3_server)
    bucket = Bucket(f"bucket-{secrets.token_hex(4)}", proxy, None, f"sekret/{secrets.token_hex(16)}")
    for name in list(os.environ):
        if name.startswith(("AWS_", "FSSPEC_")):
            monkeypatch.delenv(name)
    bucket.environ = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": bucket.secret,
        "AWS_ENDPOINT_URL": proxy.url, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
    }
    for name, value in bucket.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "FIRST_PAUSE", 0.01)
    bucket.client = boto3.client("s3", endpoint_url=s3_server)
    bucket.client.create_bucket(Bucket=bucket.name)
    remote.forget()
    yield bucket
    remote.forget()
    bucket.client.close()
    proxy.stop()
