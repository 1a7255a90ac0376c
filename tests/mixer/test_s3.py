"""Storage on S3: a real server on loopback, and what busy stores and bad networks do to it."""

from __future__ import annotations

import json
import os
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from faults import Bucket, Fault, Request

from mixer import documents, remote, sidecars, storage
from mixer.documents import ShardReader
from mixer.errors import BadInput, StorageError, StoreUnavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PART = 5 << 20  # S3 takes no smaller ones but the last


def text(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def first(count: int, fault: str, method: str = "", path: str = "") -> Callable[[Request], Fault]:
    """A rule: this happens to the first `count` requests of that method whose path holds that."""
    left = [count]

    def rule(request: Request) -> Fault:
        if left[0] and method in ("", request.method) and path in request.path:
            left[0] -= 1
            return fault
        return None

    return rule


def every(fault: str) -> Callable[[Request], Fault]:
    return lambda request: fault


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLERA_STORE_TRIES", "3")


# ---- files as anywhere: the contract that the local half is held to as well


def test_what_is_put_is_listed_and_read(s3: Bucket) -> None:
    for path in ("web/b.jsonl", "web/a.jsonl", "web/.hidden", ".work/x", "webs/c", "a"):
        storage.put(storage.join(s3.uri, path), path.encode())
    assert list(storage.listing(s3.uri)) == ["a", "web/a.jsonl", "web/b.jsonl", "webs/c"]
    assert list(storage.listing(s3.uri, "web")) == ["web/a.jsonl", "web/b.jsonl"]
    assert list(storage.listing(s3.uri + "/web", hidden=True)) == [".hidden", "a.jsonl", "b.jsonl"]
    assert list(storage.listing(s3.uri, hidden=True)) == sorted(s3.objects())
    assert storage.listing(s3.uri, "nowhere") == {} == storage.listing(s3.uri + "/a")
    assert list(storage.glob(s3.uri, ["web*/*"])) == ["web/a.jsonl", "web/b.jsonl", "webs/c"]
    assert storage.read(s3.uri + "/web/.hidden") == b"web/.hidden"


def test_names_that_urls_and_xml_escape(s3: Bucket) -> None:
    names = ["a b+c%20d", "é/日本", "<&>\"'", "q?versionId=1", "hash#tag", "a..b", "~"]
    for name in names:
        storage.put(f"{s3.uri}/x/{name}", name.encode())
    assert list(storage.listing(s3.uri + "/x")) == sorted(names)
    for name in names:
        assert storage.read(f"{s3.uri}/x/{name}") == name.encode()
    storage.remove_below(s3.uri + "/x")
    assert s3.objects() == {}


def test_an_empty_file_and_the_mark_of_a_folder(s3: Bucket) -> None:
    storage.put(s3.uri + "/x/empty", b"")
    s3.client.put_object(Bucket=s3.name, Key="x/", Body=b"")
    assert {path: stat.bytes for path, stat in storage.listing(s3.uri + "/x").items()} == {"empty": 0}
    assert storage.read(s3.uri + "/x/empty") == b""
    assert storage.stat(s3.uri + "/x") is None


def test_a_token_is_the_same_however_it_is_asked_for_and_changes_with_the_file(s3: Bucket) -> None:
    uri = s3.uri + "/x"
    storage.put(uri, b"one")
    one = storage.stat(uri)
    assert one == storage.listing(s3.uri)["x"] and one is not None
    storage.put(uri, b"two")
    two = storage.stat(uri)
    assert two is not None and two.bytes == 3 and two.token != one.token
    # What another process writes is seen at once: no listing is kept.
    s3.client.put_object(Bucket=s3.name, Key="y", Body=b"three")
    assert list(storage.listing(s3.uri)) == ["x", "y"]
    s3.client.delete_object(Bucket=s3.name, Key="x")
    assert storage.stat(uri) is None and list(storage.listing(s3.uri)) == ["y"]


def test_pages_of_a_thousand(s3: Bucket) -> None:
    """2,500 keys come in three pages, each of which may have to be asked for again; they go in three requests."""
    keys = [f"many/{number:05d}" for number in range(2_500)]
    for key in keys:
        s3.backend.put_object(s3.name, key, b"x")
    s3.client.put_object(Bucket=s3.name, Key="many-others", Body=b"x")
    s3.proxy.set(lambda request: {2: "slow down", 3: "cut", 5: "drop"}.get(request.number))
    assert [f"many/{path}" for path in storage.listing(s3.uri + "/many")] == keys
    assert len(s3.proxy.seen) == 6
    s3.proxy.set(lambda request: {5: "slow down"}.get(request.number))
    storage.remove_below(s3.uri + "/many")
    assert [request.method for request in s3.proxy.seen] == ["GET"] * 3 + ["POST"] * 4
    assert list(s3.objects()) == ["many-others"]


# ---- reading


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 1,000 bytes, so that small files have many."""
    monkeypatch.setattr(remote, "BLOCK_BYTES", 1_000)
    monkeypatch.setattr(remote, "SMALL_BYTES", 100)
    monkeypatch.setattr(remote, "JUMP_BYTES", 10)


@pytest.mark.usefixtures("blocks")
def test_a_stream_reads_and_seeks_as_a_file_does(s3: Bucket) -> None:
    data = text(10_500)
    storage.put(s3.uri + "/x", data)
    at = random.Random(2)
    with storage.open_read(s3.uri + "/x") as stream:
        assert b"".join(iter(lambda: stream.read(777), b"")) == data
        assert stream.read(1) == b"" and stream.seek(0) == 0 and stream.read() == data
        for _ in range(100):
            start, size = at.randrange(11_000), at.choice([0, 1, 9, 500, 2_500])
            assert stream.seek(start) == start and stream.read(size) == data[start : start + size]
        assert stream.seek(-100, os.SEEK_END) == 10_400 and stream.read() == data[-100:]
        buffer = bytearray(50)
        assert stream.seek(7) == 7 and stream.readinto(buffer) == 50 and buffer == data[7:57]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="closed"):
        stream.read(1)


@pytest.mark.usefixtures("blocks")
def test_in_order_each_block_is_asked_for_once_and_one_ahead(s3: Bucket) -> None:
    storage.put(s3.uri + "/x", text(5_500))
    s3.proxy.set(lambda request: None)
    with storage.open_read(s3.uri + "/x") as stream:
        stream.read(10)
        deadline = time.monotonic() + 10
        while len(s3.proxy.seen) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [request.method for request in s3.proxy.seen] == ["HEAD", "GET", "GET"]
        stream.read()
    assert len(s3.proxy.seen) == 7


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("fault", ["cut", "drop", "lose", "slow down"])
def test_a_stream_that_breaks_goes_on_where_it_broke(s3: Bucket, fault: str) -> None:
    data = text(20_000)
    storage.put(s3.uri + "/x", data)
    s3.proxy.set(lambda request: fault if request.number % 3 == 0 else None)
    with storage.open_read(s3.uri + "/x") as stream:
        assert b"".join(iter(lambda: stream.read(333), b"")) == data


@pytest.mark.usefixtures("blocks", "few_tries")
@pytest.mark.parametrize("fault", ["cut", "drop"])
def test_a_shard_that_breaks_for_good_is_an_error_and_never_short(
    s3: Bucket, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(documents, "READ_BYTES", 500)
    lines = b"".join(b'{"id":"%d","text":"a","source":"web"}\n' % number for number in range(200))
    storage.put(s3.uri + "/x.jsonl", lines)
    s3.proxy.set(lambda request: fault if request.number > 4 else None)
    read = 0
    with pytest.raises(StoreUnavailable, match=r"x\.jsonl: cannot read it from byte \d+000: .*tried 3 times in"):
        for batch in ShardReader(s3.uri + "/x.jsonl", batch_bytes=500):
            read += len(batch.documents)
    assert 0 < read < 200


@pytest.mark.usefixtures("blocks")
def test_a_file_that_is_written_again_while_it_is_read_is_not_mixed(s3: Bucket) -> None:
    storage.put(s3.uri + "/x", b"a" * 5_000)
    with storage.open_read(s3.uri + "/x") as stream:
        stream.read(10)
        storage.put(s3.uri + "/x", b"b" * 5_000)
        with pytest.raises(StorageError, match="was written again while it was read"):
            while block := stream.read(100):
                assert set(block) == {ord("a")}


def test_a_sidecar_that_the_store_does_not_give_is_not_taken_for_a_broken_one(
    s3: Bucket, few_tries: None
) -> None:
    """Else it would be made again, or a message would have it removed, for a store that is busy."""
    import pyarrow as pa

    sidecars.write(s3.uri + "/x", pa.table({"a": [1]}), {})
    s3.proxy.set(lambda request: "slow down" if request.method == "GET" else None)
    with pytest.raises(StoreUnavailable):
        sidecars.metadata(s3.uri + "/x")
    with pytest.raises(StoreUnavailable):
        sidecars.read(s3.uri + "/x")


# ---- uploads in parts


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLERA_STORE_PART_BYTES", str(PART))


@pytest.mark.usefixtures("parts")
def test_a_large_file_goes_up_in_parts_each_tried_again(s3: Bucket) -> None:
    data = text(5 * PART + 7)
    s3.proxy.set(lambda request: {2: "slow down", 4: "drop", 5: "lose"}.get(request.number))
    storage.put(s3.uri + "/x", data)
    assert s3.objects() == {"x": data} and s3.uploads() == []
    found = storage.stat(s3.uri + "/x")
    assert found is not None and found.bytes == len(data) and found.token.endswith("-6")
    assert storage.read(s3.uri + "/x") == data


@pytest.mark.usefixtures("parts")
def test_a_file_of_two_parts_goes_up_in_one_request(s3: Bucket) -> None:
    s3.proxy.set(lambda request: None)
    storage.put(s3.uri + "/x", text(2 * PART))
    assert [request.method for request in s3.proxy.seen] == ["PUT"]


@pytest.mark.usefixtures("parts", "few_tries")
def test_a_part_that_fails_leaves_what_was_there_and_no_upload(s3: Bucket) -> None:
    storage.put(s3.uri + "/x", b"old")
    s3.proxy.set(lambda request: "slow down" if "partNumber=3" in request.path else None)
    with pytest.raises(StoreUnavailable, match=r"/x: cannot put part 3 of it: SlowDown 503: .*tried 3 times"):
        storage.put(s3.uri + "/x", text(4 * PART))
    with pytest.raises(StoreUnavailable):
        storage.put(s3.uri + "/new", text(4 * PART))
    assert s3.objects() == {"x": b"old"} and s3.uploads() == []


@pytest.mark.usefixtures("parts")
def test_a_writer_that_fails_sends_nothing(s3: Bucket) -> None:
    s3.proxy.set(lambda request: None)
    with pytest.raises(KeyError), storage.writer(s3.uri + "/x") as out:
        out.write(text(3 * PART))
        raise KeyError
    assert s3.proxy.seen == [] and s3.objects() == {}


@pytest.mark.usefixtures("parts")
def test_an_upload_whose_completion_was_not_answered_is_complete(s3: Bucket) -> None:
    data = text(2 * PART + 1)
    s3.proxy.set(first(1, "lose", "POST", "uploadId="))
    storage.put(s3.uri + "/x", data)
    assert s3.objects() == {"x": data} and s3.uploads() == []


@pytest.mark.usefixtures("parts")
def test_an_upload_that_another_aborted_is_no_success(s3: Bucket) -> None:
    """Its completion says that there is no such upload, as after a lost answer; what lies there is another's."""
    data = text(2 * PART + 1)
    storage.put(s3.uri + "/x", b"another's")

    s3.proxy.set(lambda request: "forget" if request.method == "POST" and "uploadId=" in request.path else None)
    with pytest.raises(StorageError, match="the store has lost the upload"):
        storage.put(s3.uri + "/x", data)
    assert s3.objects() == {"x": b"another's"} and s3.uploads() == []


# ---- put if absent


def test_of_two_that_put_if_absent_one_wins(s3: Bucket) -> None:
    """Both look before either puts, so that the server has to decide."""
    together = threading.Barrier(2, timeout=10)

    def rule(request: Request) -> Fault:
        return "wait" if request.method == "PUT" else None

    s3.proxy.late = 0.2
    s3.proxy.set(rule)
    won: list[int] = []

    def race(number: int) -> None:
        together.wait()
        if storage.put_if_absent(s3.uri + "/x", b"the same bytes"):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [request.method for request in s3.proxy.seen].count("PUT") == 2
    assert len(won) == 1 and s3.objects() == {"x": b"the same bytes"}


def test_a_put_if_absent_whose_answer_was_lost_has_put(s3: Bucket) -> None:
    s3.proxy.set(first(2, "lose", "PUT"))
    assert storage.put_if_absent(s3.uri + "/x", b"mine") is True
    assert s3.objects() == {"x": b"mine"}


def test_a_put_if_absent_after_another_s_is_not_its_own(s3: Bucket) -> None:
    """Its first try never arrives; before the second, another puts the very same bytes."""

    def rule(request: Request) -> Fault:
        if request.method == "PUT" and not s3.objects():
            s3.client.put_object(Bucket=s3.name, Key="x", Body=b"same")
            return "drop"
        return None

    s3.proxy.set(rule)
    assert storage.put_if_absent(s3.uri + "/x", b"same") is False


# ---- trying again, and giving up


@pytest.mark.parametrize("fault", ["slow down", "drop", "lose", "cut"])
def test_each_request_is_tried_again(s3: Bucket, fault: str) -> None:
    """The first three tries of each request fail."""
    counts: dict[tuple[str, str], int] = {}

    def rule(request: Request) -> Fault:
        key = (request.method, request.path)
        counts[key] = counts.get(key, 0) + 1
        return fault if counts[key] <= 3 else None

    def again() -> None:
        counts.clear()

    s3.proxy.set(rule)
    storage.put(s3.uri + "/x", b"one")
    again()
    assert storage.stat(s3.uri + "/x") == remote.Stat(3, "f97c5d29941bfb1b2fdab0874906ab82")
    again()
    assert storage.read(s3.uri + "/x") == b"one"
    again()
    assert list(storage.listing(s3.uri)) == ["x"]
    again()
    assert storage.put_if_absent(s3.uri + "/y", b"two") is True
    again()
    storage.remove(s3.uri + "/x")
    again()
    storage.remove_below(s3.uri)
    assert s3.objects() == {}


@pytest.mark.usefixtures("few_tries")
@pytest.mark.parametrize(("fault", "said"), [
    ("slow down", r"(SlowDown 503: Please reduce your request rate|503: Service Unavailable)"),
    ("drop", r"[A-Z]\w+Error: "), ("lose", r"[A-Z]\w+Error: ")])
def test_after_so_many_tries_it_says_what_when_and_how_often(s3: Bucket, fault: str, said: str) -> None:
    s3.proxy.set(every(fault))
    for doing, call in (("put it", lambda: storage.put(s3.uri + "/x", b"")),
                        ("look at it", lambda: storage.stat(s3.uri + "/x")),
                        ("list it", lambda: storage.listing(s3.uri + "/x")),
                        ("remove it", lambda: storage.remove(s3.uri + "/x"))):
        s3.proxy.seen.clear()
        with pytest.raises(StoreUnavailable, match=rf"^s3://{s3.name}/x: cannot {doing}: {said}.*; tried 3 times in "
                                                   r"[\d.]+ s; give the same command again .*SOLERA_STORE_TRIES"):
            call()
        # aiohttp itself sends a request again, once, where a connection that it kept was closed.
        assert 3 <= len(s3.proxy.seen) <= (3 if fault == "slow down" else 6)


def test_after_so_many_seconds_no_try_is_begun(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLERA_STORE_SECONDS", "0.3")
    monkeypatch.setenv("SOLERA_STORE_TRIES", "1000")
    s3.proxy.set(every("slow down"))
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"tried (once|\d+ times) in"):
        storage.stat(s3.uri + "/x")
    assert time.monotonic() - began < 3


def test_a_store_that_does_not_answer_in_time_is_tried_again(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLERA_STORE_TIMEOUT", "0.3")
    remote.forget()
    storage.put(s3.uri + "/x", b"one")
    s3.proxy.late = 1
    s3.proxy.set(first(1, "wait", "GET"))
    assert storage.read(s3.uri + "/x") == b"one"
    assert [request.method for request in s3.proxy.seen] == ["HEAD", "GET", "GET"]


@pytest.mark.usefixtures("few_tries")
def test_a_store_that_is_not_there_is_told(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    remote.forget()
    with pytest.raises(StoreUnavailable, match=r"cannot look at it: EndpointConnectionError: Could not connect to the "
                                               r"endpoint URL: .http://127\.0\.0\.1:1/.*tried 3 times"):
        storage.stat(s3.uri + "/x")


@pytest.mark.parametrize("value", ["none", "0", "-1", "nan", "inf"])
def test_a_setting_that_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOLERA_STORE_TRIES", value)
    with pytest.raises(BadInput, match=f"SOLERA_STORE_TRIES={value}: not a number above 0; the default is 10"):
        remote.limits()


# ---- what trying again does not help


def asked(s3: Bucket, call: Callable[[], object], expected: str) -> None:
    s3.proxy.set(lambda request: None)
    with pytest.raises(StorageError, match=expected) as error:
        call()
    assert not isinstance(error.value, StoreUnavailable) and len(s3.proxy.seen) <= 2
    assert s3.secret not in str(error.value)


def test_a_missing_bucket_is_named(s3: Bucket) -> None:
    uri = "s3://no-such-bucket-here/x"
    for call in (lambda: storage.read(uri), lambda: storage.put(uri, b""), lambda: storage.put_if_absent(uri, b""),
                 lambda: storage.listing(uri), lambda: storage.check_bucket(uri)):
        asked(s3, call, "^s3://no-such-bucket-here/x: there is no bucket no-such-bucket-here; correct its name, or")
    asked(s3, lambda: storage.read(s3.uri + "/x"), f"^s3://{s3.name}/x: there is no such file; check the path")
    storage.check_bucket(s3.uri + "/x")


def test_no_credentials_is_told_with_where_they_are_looked_for(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    remote.forget()
    asked(s3, lambda: storage.listing(s3.uri), r"no credentials found: NoCredentialsError: .*usual chain")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    remote.forget()
    asked(s3, lambda: storage.listing(s3.uri), r"no credentials found: ProfileNotFound: .*usual chain")


def test_credentials_of_a_file_are_found(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.environ["AWS_SHARED_CREDENTIALS_FILE"], "w") as file:
        file.write(f"[default]\naws_access_key_id = a\naws_secret_access_key = {s3.secret}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    remote.forget()
    storage.put(s3.uri + "/x", b"one")
    assert s3.objects() == {"x": b"one"}


@pytest.fixture
def guard(s3: Bucket) -> Iterator[Callable[[bool], None]]:
    """guard(True): the server asks for permissions, as it otherwise does not; nobody has any."""

    def guard(on: bool) -> None:
        request = urllib.request.Request(f"{s3.proxy.server}/moto-api/reset-auth", b"0" if on else b"Infinity",
                                         {"Content-Type": "text/plain"})
        urllib.request.urlopen(request).close()

    yield guard
    guard(False)


def test_credentials_that_the_store_does_not_know_are_told(s3: Bucket, guard: Callable[[bool], None]) -> None:
    guard(True)
    said = r"the store does not accept the credentials \(InvalidAccessKeyId 403: .*; renew or correct them"
    asked(s3, lambda: storage.listing(s3.uri), said)
    asked(s3, lambda: storage.put(s3.uri + "/x", b""), said)
    asked(s3, lambda: storage.read(s3.uri + "/x"), r"x: no permission to look at it .*that is not there, too")


def test_a_user_without_permission_is_told(
    s3: Bucket, guard: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = boto3.client("iam", endpoint_url=s3.proxy.server)
    iam.create_user(UserName=s3.name)
    key = iam.create_access_key(UserName=s3.name)["AccessKey"]
    iam.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    remote.forget()
    guard(True)
    asked(s3, lambda: storage.listing(s3.uri), r": no permission to list it \(AccessDenied 403: .*; ask its owner")
    asked(s3, lambda: storage.put(s3.uri + "/x", b""), r"/x: no permission to put it \(AccessDenied 403")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    remote.forget()
    asked(s3, lambda: storage.listing(s3.uri), r"the store does not accept the credentials \(SignatureDoesNotMatch 403")


# ---- credentials stay where they are


SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize("uri", [
    f"s3://AKIAIOSFODNN7EXAMPLE:{SECRET}@bucket/x", "s3://AKIAIOSFODNN7EXAMPLE@bucket/x", f"gs://user:{SECRET}@bucket/x",
    f"s3://bucket/x?X-Amz-Signature={SECRET}", f"s3://bucket/x?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature={SECRET}",
    f"abfs://c@a.dfs.core.windows.net/x?sv=2024&sig={SECRET}", f"abfs://c:{SECRET}@a.dfs.core.windows.net/x",
    f"s3a://bucket/x?a=1&x-amz-security-token={SECRET}"])
def test_a_uri_that_carries_credentials_is_refused_and_not_repeated(uri: str) -> None:
    for call in (storage.absolute, storage.read, storage.exists, storage.listing, storage.remove,
                 lambda uri: storage.put(uri, b"")):
        with pytest.raises(StorageError, match="URI carries credentials; take them out") as error:
            call(uri)
        assert SECRET not in str(error.value) and "AKIA" not in str(error.value)


@pytest.mark.parametrize("uri", [
    "s3://bucket/a:b@c", "s3://bucket/a@b", "abfs://container@account.dfs.core.windows.net/x", "gs://bucket/x?y=z",
    "/a:b@c", "file:///a:b@c", "s3://arn:aws:s3:us-east-1:1:accesspoint/name/a@b"])
def test_other_uris_are_not_taken_for_such(uri: str) -> None:
    assert not remote.carries_credentials(uri)


def test_what_a_store_says_is_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token-of-the-environment")
    said = remote.scrub(f"GET https://b.s3/x?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F&X-Amz-Signature={SECRET}&y=1\n "
                        f"AccountKey={SECRET};z a-token-of-the-environment Authorization: {SECRET} kept")
    assert said == ("GET https://b.s3/x?X-Amz-Credential=…&X-Amz-Signature=…&y=1 AccountKey=…;z … Authorization: … "
                    "kept")


# ---- processes


def test_spark_s_workers_have_clients_of_their_own(s3: Bucket, spark: SparkSession) -> None:
    """The driver has a client, with its thread, before Spark's workers are forked, and goes on with it after."""
    storage.put(s3.uri + "/x", b"one")
    environ = {**s3.environ}

    def use(number: int) -> tuple[int, bytes]:
        os.environ.update(environ)
        storage.put(f"{environ['uri']}/{number}", b"%d" % number)
        return os.getpid(), storage.read(f"{environ['uri']}/x")

    environ["uri"] = s3.uri
    found = spark.sparkContext.parallelize(range(8), 8).map(use).collect()
    assert {data for _, data in found} == {b"one"} and os.getpid() not in {process for process, _ in found}
    assert {path for path in storage.listing(s3.uri)} == {"x", *map(str, range(8))}


def test_a_forked_child_has_a_client_of_its_own(s3: Bucket) -> None:
    """A fork while this process's client is in use: the child must neither wait for it nor end it."""
    storage.put(s3.uri + "/x", b"one")
    back, there = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(there, json.dumps([storage.read(s3.uri + "/x").decode(), list(storage.listing(s3.uri))]).encode())
        finally:
            os._exit(0)
    os.close(there)
    with open(back, "rb") as stream:
        assert json.loads(stream.read()) == ["one", ["x"]]
    os.waitpid(child, 0)
    assert storage.read(s3.uri + "/x") == b"one"
