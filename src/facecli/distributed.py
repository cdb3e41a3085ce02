"""A class for engines that map batches of a table: Ray Data, Spark, and whatever can pickle a function.

from facecli.distributed import FaceMapper

`facecli run --engine daft` needs none of it (docs/scale.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from facecli.core.errors import InputError
from facecli.schema import check_pyarrow, picture_schema, to_arrow
from facecli.sources.files import Entry
from facecli.sources.manifest import COLUMNS, load_entry

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from facecli.analyzer import FaceAnalyzer

CONTENT = "content"
"""A column of the bytes of picture files: `source` is then only what rows call them."""


class FaceMapper:
    """A table of pictures in, a table with their faces out, a row for each, in their order.

    Pictures are a column `source` of paths and addresses, and perhaps the other columns of a manifest
    (`size`, `etag`, `mtime_ns`): what was changed since is a row with `error`, as is what cannot be read.
    With a column `content`, of bytes, nothing is read from anywhere. Rows are those of
    `facecli.schema.picture_schema`.

    It can be pickled; the model is loaded in each process when the first batch comes, or `warm_up` is called.

    Ray Data, an actor for each core (the decorator is not needed: Ray makes an instance in each actor):

        import ray
        from facecli.distributed import FaceMapper

        pictures = ray.data.read_parquet("pictures.parquet")
        rows = pictures.map_batches(
            FaceMapper, fn_constructor_kwargs={"detector": "cnn"},
            batch_format="pyarrow", batch_size=64, compute=ray.data.ActorPoolStrategy(size=8), num_cpus=1,
        )
        rows.write_parquet("rows/")

    Spark:

        from facecli.distributed import FaceMapper

        mapper = FaceMapper(detector="cnn")
        pictures = spark.read.parquet("pictures.parquet").repartition(1000)
        pictures.mapInPandas(mapper.in_pandas, mapper.spark_schema()).write.parquet("rows")
    """

    def __init__(
        self,
        *,
        model_type: str | None = None,
        model_path: str | os.PathLike[str] | None = None,
        detector: str = "auto",
        threads: int = 1,
        show_rejected: bool = False,
        details: bool = False,
        allow_private: bool = False,
    ) -> None:
        """Loads nothing yet: a model that is not there is said with the first batch.

        Args as of `facecli.FaceAnalyzer`; `threads` are those of a process, of which there is one for each
        core. Raises InputError without pyarrow.
        """
        check_pyarrow()
        self._options: dict[str, Any] = {
            "model_path": model_path,
            "detector": detector,
            "threads": threads,
            "show_rejected": show_rejected,
            "details": details,
            "allow_private": allow_private,
        }
        if model_type is not None:
            self._options["model_type"] = model_type
        self._analyzer: FaceAnalyzer | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the model: it is loaded where it is used."""
        return {**self.__dict__, "_analyzer": None}

    def warm_up(self) -> FaceMapper:
        """Loads the model now. Raises as `facecli.FaceAnalyzer` does."""
        if self._analyzer is None:
            from facecli.analyzer import FaceAnalyzer

            self._analyzer = FaceAnalyzer(**self._options)
        return self

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """The rows of a batch, for Ray's `map_batches(..., batch_format="pyarrow")`.

        Raises:
            InputError: there is no column of pictures, or a value that is no text.
            CheckpointError: the model cannot be loaded.
        """
        if "source" not in batch.schema.names:
            raise InputError("the batch has no column 'source'; that of a manifest has paths and addresses")
        columns = [name for name in (*COLUMNS, CONTENT) if name in batch.schema.names]
        return self._rows(batch.select(columns).to_pylist())

    def in_pandas(self, frames: Iterable[pandas.DataFrame]) -> Iterator[pandas.DataFrame]:
        """The rows of each frame, for Spark's `mapInPandas`; faces are lists of dictionaries.

        Raises as a call does.
        """
        for frame in frames:
            if "source" not in frame.columns:
                raise InputError(
                    "the frame has no column 'source'; that of a manifest has paths and addresses"
                )
            columns = [name for name in (*COLUMNS, CONTENT) if name in frame.columns]
            plain = frame[columns].astype(object)
            table = self._rows(plain.where(plain.notna(), None).to_dict("records"))
            # Missing whole numbers stay missing, and do not become floats.
            yield table.to_pandas(integer_object_nulls=True, maps_as_pydicts="strict")

    @staticmethod
    def spark_schema() -> str:
        """The schema of rows as Spark writes it: "source string, frame bigint, ..."."""
        return ", ".join(f"`{field.name}` {_spark_type(field.type)}" for field in picture_schema())

    def _rows(self, pictures: Iterable[Mapping[str, Any]]) -> pyarrow.Table:
        self.warm_up()
        assert self._analyzer is not None
        listed = (_Listed(picture, self._options["allow_private"]) for picture in pictures)
        return to_arrow([result.row for result in self._analyzer.analyze_many(listed)])


class _Listed:
    """An open file, as `FaceAnalyzer` reads it, of what is not read before it is asked for."""

    def __init__(self, picture: Mapping[str, Any], allow_private: bool) -> None:
        """Raises InputError when the picture has no name."""
        source = picture["source"]
        if not (isinstance(source, str) and source):
            raise InputError(f"a source is a path or an address, not {source!r}")
        self.name = source
        self._content, self._allow_private = picture.get(CONTENT), allow_private
        self._entry = Entry(source, _whole(picture, "size"), picture.get("etag"), _whole(picture, "mtime_ns"))
        self._is_read = False

    def read(self, _: int) -> bytes:
        """All at the first call. Raises ImageError."""
        if self._is_read:
            return b""
        self._is_read = True
        return load_entry(self._entry, self._allow_private) if self._content is None else self._content


def _whole(picture: Mapping[str, Any], name: str) -> int | None:
    value = picture.get(name)
    return None if value is None else int(value)


def _spark_type(kind: pyarrow.DataType) -> str:
    import pyarrow.types as types

    if types.is_struct(kind):
        inner = (kind.field(place) for place in range(kind.num_fields))
        return f"struct<{', '.join(f'`{field.name}`: {_spark_type(field.type)}' for field in inner)}>"
    if types.is_map(kind):
        return f"map<{_spark_type(kind.key_type)}, {_spark_type(kind.item_type)}>"
    if types.is_list(kind):
        return f"array<{_spark_type(kind.value_type)}>"
    plain = {"string": "string", "double": "double", "int64": "bigint", "int32": "int", "bool": "boolean"}
    return plain[str(kind)]
