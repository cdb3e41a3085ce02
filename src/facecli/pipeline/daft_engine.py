"""Pictures analysed by Daft: in processes of this machine, or of a Ray cluster, each with one analyzer.

Rows come back as Arrow and are written by one process, this one: what an engine does twice, as a cluster does
after it has lost a machine, has one row all the same. Daft and Ray are imported where they are needed.
"""

import contextlib
import logging
import os
import pickle
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from facecli.core.errors import FacecliError, InputError, SourceError
from facecli.core.paths import how_to_install
from facecli.core.process import NAME, start_threads
from facecli.pipeline.batch import Batch, ExecutorEntry, Job
from facecli.pipeline.threads import EndOfStream, OrderedChannel
from facecli.schema import picture_schema, to_arrow
from facecli.sources.files import Item, one_line

log = logging.getLogger(__name__)

NATIVE, RAY = "native", "ray"
RUNNERS = (NATIVE, RAY)
AT_ONCE = 16
"""Pictures of a call of a worker: what is lost with it, and how long a row may wait."""
_OF_A_TASK = 128
"""Pictures that Ray gives to a machine at a time."""
_OF_A_PLAN = 10_000
"""Pictures for each worker that the engine is told of at a time. It holds all of them, a third of a kilobyte
each, and begins anew with the next ones, which takes some seconds."""
_ANSWERS_WITHIN_S = 5.0
_LOOKS_EVERY_S = 1.0
_OWN = re.compile(r"^facecli[.]core[.]errors[.]\w+: (.+)$", re.MULTILINE)
"""The end of a traceback."""
_HOW_TO_GO_ON = "--resume goes on with what is there"
_QUIET = {"DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0", "DAFT_PROGRESS_BAR": "0"}
"""What engines are told by the environment, unless something else is there: to report to nobody."""


class DaftExecutor:
    """A `pipeline.batch.RowsExecutor`."""

    def __init__(self, job: Job) -> None:
        """Looks whether all is here; nothing is started.

        Raises InputError: Daft or Ray is not installed, no such runner, or no cluster answers at the address.
        """
        self._job = job
        self._address = job.settings.get("ray_address")
        self._runner = job.settings.get("runner") or (RAY if self._address else NATIVE)
        if self._runner not in RUNNERS:
            raise InputError(f"no runner '{self._runner}'; choose one of {', '.join(RUNNERS)}")
        if self._address and self._runner != RAY:
            raise InputError(f"a Ray cluster's address is of the runner '{RAY}', not '{self._runner}'")
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        _check_installed("daft", "daft")
        if self._runner == RAY:
            _check_installed("ray", "ray")
            check_cluster(self._address)

    def tables(self, items: Iterable[Item]) -> Iterator[Any]:
        """As of RowsExecutor. Raises InputError for an item that another process cannot read."""
        import daft

        rest = iter(items)
        first = next(rest, None)
        if first is None:
            return
        with _translated(), self._running() as cores:
            workers = self._job.workers or cores
            plan = _OF_A_PLAN * workers
            held = [first, *islice(rest, plan - 1)]
            while held:
                yield from self._analysed(daft, held, workers)
                held = list(islice(rest, plan))

    def _analysed(self, daft: Any, items: Sequence[Item], workers: int) -> Iterator[Any]:
        import pyarrow

        schema = picture_schema()
        frame = daft.from_arrow(pyarrow.table({"item": [_packed(item) for item in items]}))
        if self._runner == RAY:
            frame = frame.into_partitions(-(-len(items) // _OF_A_TASK))
        worker = _worker_class(daft, min(workers, len(items)))(pickle.dumps(self._job.build), os.getcwd())
        frame = frame.select(worker.rows(frame["item"]).alias("row"))
        for batch in _watched(frame, 2 * workers, self._runner):
            yield pyarrow.Table.from_struct_array(batch.column(0)).cast(schema)

    @contextlib.contextmanager
    def _running(self) -> Iterator[int]:
        """The runner begins, and ends with the block; gives the number of its cores."""
        import daft

        _take_runner(self._runner)
        if self._runner == NATIVE:
            daft.set_execution_config(maintain_order=False)
            yield len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            return
        import ray

        address = self._address or os.environ.get("RAY_ADDRESS") or "local"
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True)
            daft.set_runner_ray(noop_if_initialized=True)
            yield int(ray.cluster_resources().get("CPU", 1))
        finally:
            ray.shutdown()


_taken_runners: set[str] = set()


def _take_runner(runner: str) -> None:
    """Daft knows one in a process, to its end. Raises InputError when that is another one."""
    import daft

    if _taken_runners - {runner}:
        raise InputError(f"this process has run Daft otherwise; take another one for the runner '{runner}'")
    if runner == NATIVE and not _taken_runners:
        daft.set_runner_native()
    _taken_runners.add(runner)


def _watched(frame: Any, ahead: int, runner: str) -> Iterator[Any]:
    """The record batches of a data frame, computed in a thread.

    Daft waits without an end for a process that dies before it has said anything. Raises what Daft raises,
    and SourceError when a process of this machine has died.
    """
    stop = threading.Event()
    channel = OrderedChannel(stop, ahead)

    def give() -> None:
        error: BaseException | None = None
        try:
            for batch in frame.to_arrow_iter(results_buffer_size=ahead):
                if not channel.put(batch):
                    return
        except BaseException as raised:  # noqa: BLE001
            # Whatever it is, it belongs to who asked for the rows.
            error = raised
        channel.close(error)

    start_threads([threading.Thread(target=give, daemon=True, name=NAME)])
    try:
        while not isinstance(batch := channel.get(_LOOKS_EVERY_S), EndOfStream):
            if batch is not None:
                yield batch
            elif runner == NATIVE and _has_dead_child():
                raise _lost("it ended suddenly")
        if batch.error is not None:
            raise batch.error
    finally:
        stop.set()
        channel.wake()


def _has_dead_child() -> bool:
    """Was a process that this one has begun killed, or did it fail, and nobody has asked for it yet?"""
    if not hasattr(os, "waitid"):
        return False
    with contextlib.suppress(ChildProcessError):
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None and found.si_status != 0
    return False


def _check_installed(package: str, extra: str) -> None:
    try:
        __import__(package)
    except ImportError as error:
        raise InputError(f"this needs {package}, which is not here: {how_to_install(extra)}") from error


def check_cluster(address: str | None) -> None:
    """Raises InputError when nobody answers at an address "host:port" or "ray://host:port".

    Ray itself tries for minutes. None, "auto" and "local" are left to it.
    """
    if address in (None, "auto", "local"):
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not (host and port) or parts.scheme not in ("", "ray"):
        raise InputError(f"'{address}' is no address of a Ray cluster; write host:6379 or ray://host:10001")
    try:
        socket.create_connection((host, port), _ANSWERS_WITHIN_S).close()
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise InputError(
            f"no Ray cluster answers at {address} ({reason})", "'ray start --head' begins one"
        ) from error


def _packed(item: Item) -> bytes:
    try:
        return pickle.dumps(item)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"{item.source} can be read by this process alone; give folders, addresses or a manifest"
        ) from error


def _worker_class(daft: Any, workers: int) -> Any:
    """The class of which each process holds one instance."""
    kind = daft.DataType.from_arrow_type(_row_type())

    class Worker:
        def __init__(self, build: bytes, folder: str) -> None:
            self._rows = RowMaker(pickle.loads(build), folder)

        @daft.method.batch(return_dtype=kind, batch_size=AT_ONCE)
        def rows(self, items: Any) -> Any:
            return self._rows(items.to_pylist())

    return daft.cls(Worker, cpus=1, max_concurrency=workers, use_process=True)


def _row_type() -> Any:
    import pyarrow

    return pyarrow.struct(list(picture_schema()))


class RowMaker:
    """What a worker does: items become rows. What is wrong with a picture is in its row."""

    def __init__(self, build: Callable[[int], Batch], folder: str) -> None:
        """Makes the analyzer. `folder` is where relative paths count from, where it is there."""
        with contextlib.suppress(OSError):
            os.chdir(folder)
        self._batch = build(1)

    def __call__(self, items: Sequence[bytes]) -> Any:
        """Items of `_packed` -> a struct for each row, in their order."""
        records = self._batch.records(map(pickle.loads, items))
        return to_arrow([record.result.to_json() for record in records]).to_struct_array().combine_chunks()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """What engines raise, as an error of our own in one line."""
    try:
        yield
    except FacecliError:
        raise
    except Exception as error:  # noqa: BLE001  (Daft and Ray raise whatever a worker or a system library did)
        log.debug("the engine failed", exc_info=True)
        said = _own_words(error)
        if said is not None:
            raise SourceError(said) from error
        if "UDF process" in str(error) or type(error).__module__.startswith("ray"):
            raise _lost(one_line(error)[:100]) from error
        raise SourceError(f"the engine failed: {one_line(error)[:200]}", _HOW_TO_GO_ON) from error


def _lost(why: str) -> SourceError:
    return SourceError(
        f"a worker was lost: killed, out of memory, or its machine is gone ({why})", _HOW_TO_GO_ON
    )


def _own_words(error: BaseException | None) -> str | None:
    """What facecli itself has said in a worker, of which perhaps only a traceback has come."""
    while error is not None:
        if isinstance(error, FacecliError):
            return error.with_hint
        if found := _OWN.findall(str(error)):
            return found[-1]
        error = error.__cause__ or error.__context__
    return None


EXECUTOR = ExecutorEntry(DaftExecutor, settings=("runner", "ray_address"))
