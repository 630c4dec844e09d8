"""One invocation of one function: each of its calls takes time, during which others run, and may meet a mishap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from chalicelib.errors import LayerRejected, TemporaryError, ThrottledError, TransshipError
from tests.fakes.faults import Killed
from tests.fakes.part import FakePart
from tests.faults.swarm.weather import Mishap

if TYPE_CHECKING:
    from tests.faults.swarm.sea import Sea

_SAME_TOKEN: Final = "dynamodb.write"
"""botocore's ClientRequestToken makes a repeated transaction one."""
_SLOWEST: Final = 60.0
_LATEST: Final = 15.0


class Invocation:
    """
    A function at work on a message; what its ports call goes through `call`.

    Args:
        sea: The world.
        function: Its name.
        deadline: When Lambda kills it, epoch seconds.
        upload: The id of the upload that its message is about, "" for none.
        tenant: Whose that is.
    """

    def __init__(self, sea: Sea, function: str, deadline: float, upload: str = "", tenant: str = "") -> None:
        self.function = function
        self.deadline = deadline
        self.upload = upload
        self.tenant = tenant
        self._sea = sea
        self.began = sea.clock.now()
        self._dead = False
        self._beats: list[Callable[[], None]] = []
        self._beating = False
        self._beaten = sea.clock.now()

    def remaining(self) -> float:
        """Return the seconds until its deadline."""
        return self.deadline - self._sea.clock.now()

    @contextmanager
    def point(self, name: str) -> Iterator[None]:
        """Stand for one call without an effect of its own."""
        self.call(name, lambda: None)
        yield

    def call(self, name: str, found: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make one call."""
        self._live()
        sea = self._sea
        sea.calls.append(name)
        mishap = sea.weather.mishap()
        issued = sea.clock.now()
        self._take(sea.weather.seconds(), mishap)
        self._prevent(mishap, name, found, args, kwargs)
        sea.watch.before(self, name, args, kwargs, issued)
        if name == "events.put" and sea.weather.loses():
            sea.bus.refuse.append((0,))  # FailedEntryCount
        try:
            reply = found(*args, **kwargs)
            if mishap is Mishap.REPEATED and name != _SAME_TOKEN:
                reply = found(*args, **kwargs)
        except LayerRejected:
            sea.watch.layer_rejected(self)
            raise
        finally:
            sea.watch.after(name)
        if mishap is Mishap.KILLED_AFTER:
            self.kill()
        if mishap is Mishap.REPLY_LOST:
            raise TemporaryError(f"{name}: the reply was lost")
        return reply

    def _prevent(
        self, mishap: Mishap | None, name: str, found: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Raise where a mishap keeps the call from having its effect now."""
        if mishap is Mishap.KILLED_BEFORE:
            self.kill()
        if mishap is Mishap.LANDS_LATE:
            kept = tuple(bytes(one) if isinstance(one, FakePart) else one for one in args)
            self._sea.lands_late(
                self, name, partial(found, *kept, **kwargs), self._sea.weather.chance.uniform(0.1, _LATEST)
            )
            self.kill()
        if mishap is Mishap.NOT_ARRIVED:
            raise TemporaryError(f"{name}: no answer")
        if mishap is Mishap.THROTTLED:
            raise ThrottledError(f"{name}: Rate exceeded")

    def kill(self) -> None:
        """End the function now; nothing that it still calls has an effect."""
        self._dead = True
        raise Killed

    def _live(self) -> None:
        if self._dead or self._sea.clock.now() >= self.deadline:
            self.kill()

    # --- time ---

    def _take(self, seconds: float, mishap: Mishap | None) -> None:
        if mishap is Mishap.SLOW:
            seconds += self._sea.weather.chance.uniform(1.0, _SLOWEST)
        if mishap is Mishap.FROZEN:
            self._sea.pause(self._sea.weather.chance.uniform(1.0, _SLOWEST))
        interval = self._sea.settings.lease / 3
        while seconds > 0:
            step = min(seconds, interval) if self._beats and not self._beating else seconds
            self._sea.pause(step)
            seconds -= step
            self._live()
            self._beat(interval)

    @contextmanager
    def alive(self, beat: Callable[[], None]) -> Iterator[None]:
        """Call *beat* again and again while the block runs and time passes, as `lease.Heartbeat` does."""
        self._beaten = self._sea.clock.now()
        self._beats.append(beat)
        try:
            yield
        finally:
            if beat in self._beats:
                self._beats.remove(beat)

    def _beat(self, interval: float) -> None:
        if self._beating or not self._beats or self._sea.clock.now() - self._beaten < interval:
            return
        self._beating, self._beaten = True, self._sea.clock.now()
        try:
            for beat in tuple(self._beats):
                try:
                    beat()
                except TransshipError:
                    self._beats.remove(beat)
        finally:
            self._beating = False
