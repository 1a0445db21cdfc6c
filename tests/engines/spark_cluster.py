"""A standalone Spark cluster of the tests' own on the loopback: a master and two workers with a core each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_CLASSES = "org.apache.spark.deploy"
_REGISTERED = "Successfully registered with master"
_PATIENCE = 120.0

SHORT_LIVED = "-XX:TieredStopAtLevel=1"
"""A Java that lives for a minute gains nothing from what takes minutes to compile."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that is running.

    Attributes:
        url: For `--engine`, with the memory that is there.
        environment: Of a process that uses it.
    """

    url: str
    environment: Mapping[str, str]


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a master and two workers, and stop them with everything that they have started."""
    import pyspark

    port = _free_port()
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "JDK_JAVA_OPTIONS": SHORT_LIVED}
    program = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    place = ["--host", "127.0.0.1", "--webui-port", "0"]
    master = [program, f"{_CLASSES}.master.Master", *place, "--port", str(port)]
    url = f"spark://127.0.0.1:{port}"
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_start(master, folder / "master.log", environment))
        _wait(lambda: _listens(port), started[0])
        for number in range(2):
            work = ["--cores", "1", "--memory", "2g", "--work-dir", str(folder / f"work{number}")]
            worker = [program, f"{_CLASSES}.worker.Worker", *place, *work, url]
            started.append(_start(worker, folder / f"worker{number}.log", environment))
        for number, process in enumerate(started[1:]):
            log = folder / f"worker{number}.log"
            _wait(partial(_has_registered, log), process)
        options = "driver_memory=1g&executor_memory=1g&shuffle_partitions=4"
        yield Cluster(f"{url}?{options}", environment)
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            process.wait(_PATIENCE)


def _start(command: list[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )


def _wait(is_ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while not is_ready():
        assert process.poll() is None, "the cluster ended before it was ready"
        assert time.monotonic() < until, "the cluster does not become ready"
        time.sleep(0.2)


def _has_registered(log: Path) -> bool:
    return _REGISTERED in log.read_text(errors="replace")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
