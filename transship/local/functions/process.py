"""
The operating-system process of a function: started apart from this installation, watched, and killed with all it has.

Rules:
- `python -S -m awslambdaric HANDLER` in the unpacked zip; PYTHONPATH holds the zip, the layers' packages and the
  runtime client alone;
- the environment is made from nothing: variables of this process do not reach a function;
- HOME and TMPDIR are a directory that goes with the process;
- a process group of its own, so that what the function started ends with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transship.local.functions.usage import ProcessUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ProcessExitedError(Exception):
    """The process ended by itself or was killed; `str()` is `exit status N` or `signal: NAME`."""


@dataclass(frozen=True, slots=True)
class Places:
    """
    Directories of a process.

    Attributes:
        task_root: The unpacked zip.
        runtime_root: The runtime client.
        scratch_root: Where the process gets a directory of its own.
        layer_roots: The unpacked layers, each on its own; AWS merges them in /opt, where only packages are looked for.
    """

    task_root: Path
    runtime_root: Path
    scratch_root: Path
    layer_roots: tuple[Path, ...] = ()

    @property
    def python_path(self) -> str:
        """Where modules are looked for (developer guide, "Layer paths for each Lambda runtime")."""
        site_packages = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        layers = [root / "python" / packages for packages in (site_packages, "") for root in reversed(self.layer_roots)]
        return os.pathsep.join(str(path) for path in (self.task_root, *layers, self.runtime_root))


class FunctionProcess:
    """
    A running `awslambdaric`.

    Attributes:
        usage: Meter of the process.
        ended: Set once the process is gone and its usage is final.
    """

    def __init__(
        self,
        handler: str,
        places: Places,
        environment: Mapping[str, str],
        *,
        output: int,
        on_exit: Callable[[ProcessExitedError], None],
    ) -> None:
        self._scratch = Path(tempfile.mkdtemp(dir=places.scratch_root))
        self.ended = threading.Event()
        self._on_exit = on_exit
        self._process = subprocess.Popen(  # noqa: S603 - running the deployed code is what this is for
            [sys.executable, "-S", "-s", "-m", "awslambdaric", handler],
            cwd=places.task_root,
            env={**environment, **_place_variables(places, self._scratch)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        self.usage = ProcessUsage(self._process.pid)
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, name="function-exit", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id, also the id of its group."""
        return self._process.pid

    def kill(self) -> None:
        """Send SIGKILL to the process and whatever it started, unless it is gone."""
        with self._lock:  # until `_watch` has reaped it, the id cannot name another process
            if self._process.returncode is None:
                os.killpg(self.pid, signal.SIGKILL)

    def _watch(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            _, status, usage = os.wait4(self.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._kill_orphans()
        self.usage.end(usage)
        shutil.rmtree(self._scratch, ignore_errors=True)
        self.ended.set()
        self._on_exit(ProcessExitedError(_status_text(self._process.returncode)))

    def _kill_orphans(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # the usual case: the function left nothing behind
            return


def _place_variables(places: Places, scratch: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": places.python_path,
        "LAMBDA_TASK_ROOT": str(places.task_root),
        "LAMBDA_RUNTIME_DIR": str(places.runtime_root),
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
    }


def _status_text(returncode: int) -> str:
    if returncode >= 0:
        return f"exit status {returncode}"
    name = signal.Signals(-returncode).name
    return f"signal: {'killed' if name == 'SIGKILL' else name}"
