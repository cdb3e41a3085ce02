"""Names as data: what a package holds, one thing a file, and what other packages add by entry points.

Nothing is imported before it is asked for. Standard library only.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from facecli.core.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Registry(Generic[Entry]):
    """Things of one kind, by name.

    Attributes:
        what: what one is called in messages ("detector").
        kind: type of an entry.
        attribute: what a module calls its entry ("DETECTOR").
        package: its modules are the things that facecli brings, called as they are; None: there is none.
        group: of the entry points with which other packages bring theirs.
        first, last: the names that stand there.
        apart: modules of the package that are no such thing.
        modules: name -> module, of what facecli brings in modules of other names.
    """

    what: str
    kind: type[Entry]
    attribute: str
    package: str | None
    group: str
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    modules: Mapping[str, str] = field(default_factory=dict)

    def built_in_names(self) -> tuple[str, ...]:
        """Names of those that facecli brings."""
        if self.package is None:
            return tuple(self.modules)
        (folder,) = importlib.import_module(self.package).__path__
        found = {file.stem for file in Path(folder).glob("[!_]*.py")} - set(self.apart)
        return (*self.first, *sorted(found - {*self.first, *self.last}), *self.last)

    def names(self) -> tuple[str, ...]:
        """Those of facecli, then those of other packages, by name."""
        here = self.built_in_names()
        return (*here, *sorted({point.name for point in self._entry_points()} - set(here)))

    def find(self, name: str) -> Entry:
        """The entry of that name. Raises InputError when there is none, or it cannot be imported."""
        if name in self.built_in_names():
            module = self.modules.get(name, f"{self.package}.{name}")
            return getattr(importlib.import_module(module), self.attribute)
        points = [point for point in self._entry_points() if point.name == name]
        if not points:
            known = f"choose one of {', '.join(self.names())}" if self.names() else "no package brings any"
            raise InputError(f"no {self.what} '{name}'; {known}")
        if len(points) > 1:
            packages = " and ".join(sorted(_package(point) for point in points))
            raise InputError(f"{packages} both bring a {self.what} '{name}'; uninstall one of them")
        return self._loaded(points[0])

    def _entry_points(self) -> "Iterable[EntryPoint]":
        # Takes longer than the help of a command, which needs no names of others.
        from importlib import metadata

        return metadata.entry_points(group=self.group)

    def _loaded(self, point: "EntryPoint") -> Entry:
        called = f"the {self.what} '{point.name}' of {_package(point)}"
        try:
            entry = point.load()
        except Exception as error:  # noqa: BLE001  (somebody else's code may fail in any way)
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{called} cannot be loaded: {reason}; update or uninstall it") from error
        if not isinstance(entry, self.kind):
            raise InputError(f"{called} is not a {self.kind.__name__}; update or uninstall it")
        return entry


def _package(point: "EntryPoint") -> str:
    return point.dist.name if point.dist is not None else point.value
