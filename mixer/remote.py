"""Object stores, over fsspec: what mixer.storage does with a URI that has a scheme. Nothing else imports this.

Who tries again what: `attempt` does, around each single request to S3, and around each call for other stores. The
layers below are told not to (botocore: total_max_attempts, s3fs: retries), or tries would multiply; aiohttp alone may
send a request once more on a new connection where a kept one had been closed. gcsfs and adlfs keep their own few
tries, and the time limit bounds both.

Credentials are found by the store's own package, never by us: no URI may carry any, and none is ever printed.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, TypeVar

from mixer.errors import BadInput, FileMissing, SoleraError, StorageError, StoreUnavailable

Result = TypeVar("Result")


class CutShort(Exception):
    """Fewer bytes came than were asked for."""


# One request's worth of a shard: large enough that its latency is small beside its transfer, small enough that two
# of them (the one that is read and the one that is fetched meanwhile) are nothing beside a batch of documents.
BLOCK_BYTES = 8 << 20
# A file up to this size is fetched whole: most sidecars are, and a Parquet reader asks three times.
SMALL_BYTES = 1 << 20
# Where a reader jumps, as Parquet's do, it gets what it asks for and no block, but this much at least.
JUMP_BYTES = 64 << 10
# A file over two parts is uploaded in parts, PARTS_AT_ONCE of them in memory. S3 takes 10,000 parts, each of 5 MiB
# or more.
PART_BYTES = 16 << 20
PARTS_AT_ONCE = 4
MAX_PARTS = 10_000
# Names that one request removes; S3 takes no more.
REMOVED_AT_ONCE = 1_000
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 20.0


@dataclass(frozen=True)
class Stat:
    """A file's size in bytes, and a token (ETag, version or mtime) that changes when the file is written again."""

    bytes: int
    token: str
    # Seconds since 1970, None where that is not told. For clearing up alone: it decides nothing that is digested.
    modified: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Limits:
    """How long a store is waited for. Settable, since a test waits for less and a busy bucket takes more."""

    tries: int  # of one request
    seconds: float  # after which no further try of it is begun
    timeout: float  # seconds without a byte after which a try has failed


def limits() -> Limits:
    return Limits(int(_setting("SOLERA_STORE_TRIES", 10)), _setting("SOLERA_STORE_SECONDS", 300),
                  _setting("SOLERA_STORE_TIMEOUT", 60))


def part_bytes() -> int:
    return int(_setting("SOLERA_STORE_PART_BYTES", PART_BYTES))


def _setting(name: str, default: float) -> float:
    text = os.environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e15:
        raise BadInput(f"{name}={text}: not a number above 0; the default is {default:,}")
    return value


# ---- URIs


def refuse_credentials(uri: str) -> None:
    """StorageError for a URI that carries a key, a password or a signature, without any of it in the message."""
    if carries_credentials(uri):
        raise StorageError(f"a {uri.partition('://')[0]}:// URI carries credentials; take them out: they are found by "
                           "the usual chain (environment, ~/.aws or its like, the machine's role), never in a URI")


def carries_credentials(uri: str) -> bool:
    scheme, sign, rest = uri.partition("://")
    if not sign:
        return False
    # abfs://container@account has a name before its @; a key may hold slashes, as in key:sec/ret@bucket.
    first = rest.partition("/")[0]
    named = ":" in first and not first.startswith("arn:") and "@" in rest
    return named or ("@" in first and not scheme.startswith(("abfs", "az", "wasb"))) or bool(_SIGNED.search(uri))


_SIGNED = re.compile(
    r"[?&](?:x-(?:amz|goog)-[a-z-]+|awsaccesskeyid|googleaccessid|signature|sig|sv|se|sp|[a-z_]*token|[a-z_]*key|"
    r"[a-z_]*secret|password)=", re.IGNORECASE)
_SECRETS = re.compile(
    r"((?:x-(?:amz|goog)-[a-z-]+|awsaccesskeyid|googleaccessid|signature|sig|credential|[a-z_]*token|[a-z_]*secret|"
    r"[a-z_]*password|accountkey|authorization)\s*[=:]\s*)[^\s&,;'\"<>]+|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b", re.IGNORECASE)


def scrub(text: str) -> str:
    """What a store's package said, in one line of bounded length, without what looks like or is a credential."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|ACCOUNT_KEY|CONNECTION_STRING", name):
            text = text.replace(value, "…")
    text = _SECRETS.sub(lambda found: (found[1] or "") + "…", text)
    return " ".join(text.split())[:500]


# ---- trying again


def attempt(uri: str, doing: str, call: Callable[[], Result]) -> Result:
    """What `call` returns, tried again with growing pauses where the store is busy or the connection breaks.

    FileMissing where there is no such file; StorageError at once where trying again is no use; StoreUnavailable
    after `limits`. `doing` completes "cannot …".
    """
    began, tries, allowed = time.monotonic(), 0, limits()
    while True:
        tries += 1
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise _final(uri, doing, error) from None
            said = _said(error)
        seconds = time.monotonic() - began
        # Jitter, so that hundreds of tasks that were refused together don't come back together.
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1)) * random.uniform(0.5, 1)
        if tries >= allowed.tries or seconds + pause > allowed.seconds:
            times = "once" if tries == 1 else f"{tries} times"
            raise StoreUnavailable(
                f"{uri}: cannot {doing}: {said}; tried {times} in {seconds:.1f} s; give the same command again when "
                "the store answers, or raise SOLERA_STORE_TRIES or SOLERA_STORE_SECONDS")
        time.sleep(pause)


def is_transient(error: BaseException) -> bool:
    """Whether the same request may do better a moment later."""
    for each in _chain(error):
        names = {kind.__name__ for kind in type(each).__mro__}
        if names & {"SSLError", "ProxyConnectionError"}:
            return False
        if names & _TRANSIENT_NAMES:
            return True
        status, code = _answer(each)
        if status or code:
            return status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES
    return False


_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {
    "BadDigest", "ConditionalRequestConflict", "IncompleteBody", "InternalError", "OperationAborted",
    "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException",
    "TooManyRequests", "XAmzContentSHA256Mismatch",
}
# By name, so that no store's package has to be imported to know its errors: Python's, botocore's, aiohttp's, Azure's.
_TRANSIENT_NAMES = {
    "ConnectionError", "TimeoutError", "FSTimeoutError", "IncompleteRead", "IncompleteReadError", "HTTPClientError",
    "ResponseStreamingError", "ResponseParserError", "FlexibleChecksumError", "ClientPayloadError",
    "ClientConnectionError", "ServiceRequestError", "ServiceResponseError", "CutShort",
}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it: s3fs turns the store's answers into OSErrors."""
    while error is not None:
        yield error
        error = error.__cause__


def _answer(error: BaseException) -> tuple[int, str]:
    """(HTTP status, the store's code) of an error that holds the store's answer; (0, "") of another."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(response.get("Error", {}).get("Code", ""))
        return status or (int(code) if code.isdigit() else 0), code
    for name in ("status_code", "code", "status"):  # Azure, gcsfs, aiohttp
        found = getattr(error, name, None)
        if isinstance(found, int | str) and str(found).isdigit() and 100 <= int(found) < 600:
            return int(found), ""
    return 0, ""


def answer(error: BaseException) -> tuple[int, str]:
    return next((found for found in map(_answer, _chain(error)) if any(found)), (0, ""))


def _said(error: BaseException) -> str:
    status, code = answer(error)
    kind = type(error).__name__ if not status else f"{code} {status}" if code and not code.isdigit() else str(status)
    said = getattr(error, "strerror", None) or str(error)
    return scrub(f"{kind}: {said}" if said else kind)


def _final(uri: str, doing: str, error: Exception) -> Exception:
    """What to raise of an error that trying again does not help."""
    if isinstance(error, SoleraError):
        return error
    status, code = answer(error)
    names = {kind.__name__ for each in _chain(error) for kind in type(each).__mro__}
    if code == "NoSuchBucket" or "ContainerNotFound" in str(error):
        return StorageError(f"{uri}: there is no bucket {bucket_of(uri)}; correct its name, or make it")
    if status == 404 or isinstance(error, FileNotFoundError):
        return FileMissing(f"{uri}: cannot {doing}: there is no such file; check the path")
    if names & _NO_CREDENTIALS:
        return StorageError(f"{uri}: no credentials found: {_said(error)}; give them by the store's usual chain "
                            "(environment, ~/.aws or its like, the machine's role), to the driver and to every "
                            "executor")
    if code in _REFUSED_CREDENTIALS:
        return StorageError(f"{uri}: the store does not accept the credentials ({_said(error)}); renew or correct "
                            "them where the usual chain finds them")
    if status in (401, 403) or isinstance(error, PermissionError):
        return StorageError(f"{uri}: no permission to {doing} ({_said(error)}); ask its owner, or use credentials "
                            "that may; a store may say this of a file that is not there, too")
    if isinstance(error, OSError) or names & {"BotoCoreError", "ClientError"} or \
            type(error).__module__.partition(".")[0] in ("aiohttp", "azure", "gcsfs", "adlfs", "google"):
        return StorageError(f"{uri}: cannot {doing} ({_said(error)}); see what the store says, and correct the URI "
                            "or its settings")
    return error  # a mistake in our own code, which wants its stack trace


_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound", "SSOError",
    "TokenRetrievalError", "MetadataRetrievalError", "DefaultCredentialsError", "RefreshError",
    "ClientAuthenticationError", "CredentialUnavailableError",
}
_REFUSED_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
                        "TokenRefreshRequired", "RequestTimeTooSkewed", "InvalidClientTokenId", "AuthFailure"}


def bucket_of(uri: str) -> str:
    return uri.partition("://")[2].partition("/")[0]


# ---- stores


class Store:
    """Any store, by what all fsspec packages have in common. Paths are as fsspec has them, without a scheme."""

    def __init__(self, files: Any) -> None:
        self.files = files

    def stat(self, uri: str, path: str) -> Stat | None:
        try:
            info = attempt(uri, "look at it", lambda: self.files.info(path))
        except FileMissing:
            return None
        return None if info.get("type") == "directory" else _stat_of(info)

    def listing(self, uri: str, folder: str) -> Iterator[tuple[str, Stat]]:
        """(path, stat) of each file whose path starts with `folder` and a slash."""
        try:
            found = attempt(uri, "list it", lambda: self.files.find(folder, detail=True))
        except FileMissing:
            return
        for path, info in found.items():
            if path.startswith(folder + "/"):  # what only starts like the folder's name is not in it
                yield path, _stat_of(info)

    def check_bucket(self, uri: str) -> None:
        """StorageError where there is no such bucket, which is why there is no such file."""

    def fetch(self, uri: str, path: str, start: int, end: int, token: str) -> bytes:
        """The bytes from start to before end, all of them, of the file as it was when it had this token."""

        def get() -> bytes:
            data: bytes = self.files.cat_file(path, start=start, end=end)
            if len(data) != end - start:
                raise CutShort(f"{len(data)} of {end - start} bytes came")
            return data

        return attempt(uri, f"read it from byte {start}", get)

    def put(self, uri: str, path: str, source: IO[bytes], size: int) -> None:
        """Makes `source`, of so many bytes, the file at `path`, at once."""

        def put() -> None:
            source.seek(0)
            if size <= part_bytes():
                self.files.pipe_file(path, source.read())
            else:
                with tempfile_of(source) as name:
                    self.files.put_file(name, path)

        attempt(uri, "put it", put)

    def create(self, uri: str, path: str, data: bytes) -> bool:
        """Puts a file where there is none; says whether it did."""

        def create() -> bool:
            try:
                self.files.pipe_file(path, data, mode="create")
            except FileExistsError:
                # After a try whose answer was lost, by us or by the package below, it may be this one's own file. Of
                # two that put the same bytes at once both may be told that they did.
                return bool(self.files.cat_file(path) == data)
            return True

        # A store that cannot create only, overwrites: looked at before, it is at least seldom.
        return self.stat(uri, path) is None and attempt(uri, "put it", create)

    def remove(self, uri: str, paths: Iterable[str]) -> None:
        for path in paths:
            with contextlib.suppress(FileMissing):
                attempt(uri, "remove it", lambda path=path: self.files.rm_file(path))  # type: ignore[misc]


class S3(Store):
    """S3 and what speaks like it. s3fs gives the client and its credentials; each request is one of ours."""

    def stat(self, uri: str, path: str) -> Stat | None:
        try:
            head = self._ask(uri, "look at it", "head_object", path)
        except FileMissing:
            return None
        return Stat(head["ContentLength"], head["ETag"].strip('"'), head["LastModified"].timestamp())

    def listing(self, uri: str, folder: str) -> Iterator[tuple[str, Stat]]:
        bucket, _, prefix = folder.partition("/")
        more: dict[str, str] = {}
        while True:
            page = self._ask(uri, "list it", "list_objects_v2", bucket, Prefix=prefix and prefix + "/", **more)
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith("/"):  # by which consoles show a folder that holds nothing
                    yield (f"{bucket}/{entry['Key']}",
                           Stat(entry["Size"], entry["ETag"].strip('"'), entry["LastModified"].timestamp()))
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def check_bucket(self, uri: str) -> None:
        self._ask(uri, "look at its bucket", "list_objects_v2", bucket_of(uri), MaxKeys=1)

    def fetch(self, uri: str, path: str, start: int, end: int, token: str) -> bytes:
        from fsspec.asyn import sync

        bucket, _, key = path.partition("/")

        async def get() -> bytes:
            # If-Match, so that no file is read half as it was and half as it is.
            given = await self.files._call_s3("get_object", Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}",
                                              IfMatch=f'"{token}"')
            async with given["Body"] as body:
                data: bytes = await body.read()
            if len(data) != end - start:
                raise CutShort(f"{len(data)} of {end - start} bytes came")
            return data

        def checked() -> bytes:
            try:
                found: bytes = sync(self.files.loop, get)
                return found
            except Exception as error:
                if answer(error)[0] == 412:
                    raise StorageError(f"{uri}: was written again while it was read; give the same command again"
                                       ) from None
                raise

        return attempt(uri, f"read it from byte {start}", checked)

    def put(self, uri: str, path: str, source: IO[bytes], size: int) -> None:
        part = max(part_bytes(), -(-size // MAX_PARTS))
        source.seek(0)
        if size <= 2 * part:
            self._ask(uri, "put it", "put_object", path, Body=source.read())
        else:
            self._put_in_parts(uri, path, source, part)

    def _put_in_parts(self, uri: str, path: str, source: IO[bytes], size: int) -> None:
        mine = secrets.token_hex(16)
        upload = self._ask(uri, "put it", "create_multipart_upload", path, Metadata={_MINE: mine})["UploadId"]

        def put(number: int, data: bytes) -> dict[str, Any]:
            put = self._ask(uri, f"put part {number} of it", "upload_part", path, UploadId=upload, PartNumber=number,
                            Body=data)
            return {"PartNumber": number, "ETag": put["ETag"]}

        try:
            done: list[dict[str, Any]] = []
            with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
                while parts := [data for _ in range(PARTS_AT_ONCE) if (data := source.read(size))]:
                    done += pool.map(put, range(len(done) + 1, len(done) + len(parts) + 1), parts)
            try:
                self._ask(uri, "put it", "complete_multipart_upload", path, UploadId=upload,
                          MultipartUpload={"Parts": done})
            except FileMissing:  # no such upload: an earlier try completed it, and its answer was lost
                if not self._is_mine(uri, path, mine):
                    raise StorageError(f"{uri}: cannot put it: the store has lost the upload; give the same command "
                                       "again") from None
        except BaseException:
            # Parts that are not completed are no file, but are paid for. Where even this fails, the bucket's own rule
            # for incomplete uploads has to remove them.
            with contextlib.suppress(SoleraError):
                self._ask(uri, "abandon the upload", "abort_multipart_upload", path, UploadId=upload)
            raise

    def create(self, uri: str, path: str, data: bytes) -> bool:
        if self.stat(uri, path) is not None:
            return False
        mine = secrets.token_hex(16)

        def create() -> bool:
            try:
                self._call("put_object", path, Body=data, IfNoneMatch="*", Metadata={_MINE: mine})
            except Exception as error:
                status, code = answer(error)
                if status == 501 or code == "NotImplemented":
                    raise StorageError(f"{uri}: this store cannot put a file only where there is none (If-None-Match), "
                                       "so two runs could overwrite each other; use another store") from None
                if status != 412:
                    raise
                # Of a try whose answer was lost, which aiohttp may have sent again by itself: then it is this one's.
                return self._is_mine(uri, path, mine)
            return True

        shape = self.files.s3.meta.service_model.operation_model("PutObject").input_shape
        if "IfNoneMatch" not in shape.members:  # s3fs leaves out, in silence, what botocore does not know
            raise StorageError(f"{uri}: this botocore cannot put a file only where there is none; upgrade s3fs")
        return attempt(uri, "put it", create)

    def _is_mine(self, uri: str, path: str, mine: str) -> bool:
        try:
            head = self._ask(uri, "look at it", "head_object", path)
        except FileMissing:
            return False
        return bool(head["Metadata"].get(_MINE) == mine)

    def remove(self, uri: str, paths: Iterable[str]) -> None:
        keys = [path.partition("/")[::2] for path in paths]
        for start in range(0, len(keys), REMOVED_AT_ONCE):
            bucket, some = keys[start][0], [{"Key": key} for _, key in keys[start : start + REMOVED_AT_ONCE]]
            if len(some) == 1:
                with contextlib.suppress(FileMissing):
                    self._ask(uri, "remove it", "delete_object", f"{bucket}/{some[0]['Key']}")
                continue
            done = self._ask(uri, "remove it", "delete_objects", bucket, Delete={"Objects": some, "Quiet": True})
            for error in done.get("Errors", ()):
                raise StorageError(f"{bucket}/{error['Key']}: cannot be removed ({scrub(str(error.get('Code')))})")

    def _ask(self, uri: str, doing: str, method: str, path: str, **parameters: Any) -> Any:
        """One request, tried again. A path without a key is a bucket."""
        return attempt(uri, doing, lambda: self._call(method, path, **parameters))

    def _call(self, method: str, path: str, **parameters: Any) -> Any:
        bucket, _, key = path.partition("/")
        return self.files.call_s3(method, Bucket=bucket, **({"Key": key} if key else {}), **parameters)


# The metadata by which a put is known to be this one, when its answer was lost: a random word, of no other meaning.
_MINE = "solera-put"


def _stat_of(info: Mapping[str, Any]) -> Stat:
    names = ("ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "created")
    token = next((info[name] for name in names if info.get(name) is not None), "")
    if isinstance(token, datetime):  # fsspec's memory gives times as numbers to info and as dates to find
        token = token.timestamp()
    times = [info[name] for name in ("LastModified", "last_modified", "updated", "mtime", "created") if info.get(name)]
    modified = next((time.timestamp() if isinstance(time, datetime) else float(time) for time in times
                     if isinstance(time, datetime | float | int)), None)
    return Stat(int(info["size"]), str(token).strip('"'), modified)


@contextlib.contextmanager
def tempfile_of(source: IO[bytes]) -> Iterator[str]:
    """The name of a temporary file with what `source` has."""
    import shutil
    import tempfile

    with tempfile.NamedTemporaryFile() as out:
        shutil.copyfileobj(source, out, BLOCK_BYTES)
        out.flush()
        yield out.name


# ---- reading


class Stream(io.RawIOBase):
    """A file of a store, to be read and sought in. Read in order, it fetches the next block while one is used.

    Each block is a request of its own, which is tried again by itself: a connection that breaks costs a block, and
    what is read is never shorter than what the store said when the file was opened.
    """

    def __init__(self, store: Store, uri: str, path: str, stat: Stat) -> None:
        self._store, self._uri, self._path, self._size, self._token = store, uri, path, stat.bytes, stat.token
        self._at = self._start = 0
        self._data = b""
        self._in_order = True
        self._next: _Ahead | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"{self._uri}: position {base + offset} is before its start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer at the end of the file alone."""
        if self.closed:
            raise ValueError(f"{self._uri}: read of a closed file")
        left = max(0, self._size - self._at)
        left = left if size is None or size < 0 else min(size, left)
        pieces = []
        while left:
            if not self._start <= self._at < self._start + len(self._data):
                self._fill(left)
            piece = self._data[self._at - self._start :][:left] if left < len(self._data) or self._at > self._start \
                else self._data
            pieces.append(piece)
            self._at, left = self._at + len(piece), left - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readall(self) -> bytes:
        return self.read()

    def close(self) -> None:
        self._data, self._next = b"", None
        super().close()

    def _fill(self, wanted: int) -> None:
        ahead, self._next = self._next, None
        end = self._start + len(self._data)
        if self._size <= SMALL_BYTES:
            self._start, self._data = 0, self._fetch(0, self._size)
        elif self._at == end and self._in_order:
            self._data = ahead.result() if ahead is not None else self._fetch(end, end + BLOCK_BYTES)
            self._start, end = end, end + len(self._data)
            if end < self._size:
                self._next = _Ahead(lambda: self._fetch(end, end + BLOCK_BYTES))
        else:
            self._in_order = False
            wanted = min(BLOCK_BYTES, max(wanted, JUMP_BYTES))
            self._start, self._data = self._at, self._fetch(self._at, self._at + wanted)

    def _fetch(self, start: int, end: int) -> bytes:
        return self._store.fetch(self._uri, self._path, start, min(end, self._size), self._token)


class _Ahead:
    """A block that is fetched meanwhile, by a thread that nothing waits for if the block is not wanted after all."""

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        self._fetch = fetch
        self._data = b""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> bytes:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._data

    def _run(self) -> None:
        try:
            self._data = self._fetch()
        except BaseException as error:
            self._error = error


# ---- from a URI to its store

_stores: dict[tuple[int, str], S3] = {}
_lock = threading.Lock()


def find(uri: str) -> tuple[Store, str]:
    """The store of a URI, and the path in it, without a slash at its end."""
    refuse_credentials(uri)
    scheme, _, rest = uri.partition("://")
    if scheme in ("s3", "s3a"):
        return _s3(), rest.rstrip("/")
    import fsspec

    try:
        # No list of names is kept: another process writes, and what it wrote has to be seen.
        files, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StorageError(f"{uri}: no file system for this scheme ({scrub(str(error))}); install its fsspec package"
                           ) from None
    return Store(files), path.rstrip("/")


def _s3() -> S3:
    """This process's client. Its event loop is a thread, which a fork does not take along: so each process has its own.

    What a child inherits is kept, unused: to drop it would be to close its connections, which are the parent's.
    """
    key = (os.getpid(), "s3")
    with _lock:
        if key not in _stores:
            try:
                import s3fs
            except ImportError:
                raise StorageError("s3:// needs the package s3fs: pip install 'solera[s3]'") from None
            files = s3fs.S3FileSystem(
                skip_instance_cache=True, use_listings_cache=False,
                config_kwargs={"retries": {"total_max_attempts": 1}, "connect_timeout": min(10.0, limits().timeout),
                               "read_timeout": limits().timeout, "max_pool_connections": 4 * PARTS_AT_ONCE})
            files.retries = 1
            _stores[key] = S3(files)
        return _stores[key]


def forget() -> None:
    """Drops the clients, so that the next use reads environment and credentials again."""
    with _lock:
        _stores.clear()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()  # the one inherited may be held by a thread that the fork did not take along


os.register_at_fork(after_in_child=_new_lock)
