"""A head is added to a LiteRT network, whose other answers stay the same to the last bit.

An int8 network that was converted anew would answer a little otherwise. Here the file's own operations
stay as they are: behind the features that all its heads read come a further fully connected layer and a
softmax, in float32, and one more output of the signature.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facecli.core.arrays import Array
from facecli.core.errors import CheckpointError
from facecli.models.litert import SIGNATURE

_READ_BY_HEADS = ("FULLY_CONNECTED", "FULLY_CONNECTED")
"""From the features on every head has a hidden layer and one that gives a number for each class."""
_PASSED = ("DEQUANTIZE", "SOFTMAX", "QUANTIZE", "RESHAPE")


class LinearHead(NamedTuple):
    """Softmax of `features @ weights + bias`.

    Attributes:
        weights: (size of the features, classes) float32.
        bias: (classes,) float32.
    """

    weights: Array
    bias: Array


def graft_heads(path: Path, heads: Mapping[str, LinearHead]) -> bytes:
    """The content of a LiteRT file with further outputs.

    Args:
        path: a file that was verified, see `models.checkpoint.Checkpoint.verified`.
        heads: name of each new output -> what it computes of the features.

    Raises CheckpointError when the file is none of facecli's, or its heads share no features of that size.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    graph, signature = _Graph(model), _signature(model, path)
    known = {output.name for output in signature.outputs}
    if taken := [name for name in heads if name.encode() in known]:
        raise CheckpointError(f"{path} has the output '{taken[0]}' already")
    features = _shared_features(graph, [output.tensorIndex for output in signature.outputs], path)
    source = graph.as_float(features)
    for name, head in heads.items():
        if graph.size(features) != len(head.weights):
            raise CheckpointError(
                f"{path}: its heads read {graph.size(features)} numbers, not {len(head.weights)}"
            )
        output = graph.add_head(name, source, head)
        graph.give(output)
        signature.outputs.append(graph.named(name, output))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _signature(model: Any, path: Path) -> Any:
    found = [one for one in model.signatureDefs or () if one.signatureKey == SIGNATURE.encode()]
    if len(model.subgraphs) != 1 or not found:
        raise CheckpointError(f"{path} is not a network to which a head can be added")
    return found[0]


def _shared_features(graph: "_Graph", outputs: list[int], path: Path) -> int:
    """The tensor that the hidden layers of the heads read; a head that was added before has none."""
    found = {tensor for output in outputs if (tensor := graph.features_of(output)) is not None}
    if len(found) != 1:
        raise CheckpointError(
            f"the heads of {path} do not share features; add the head to a model that was trained as a whole"
        )
    return found.pop()


class _Graph:
    """The only subgraph of a model, as flatbuffers' objects; what is added is appended."""

    def __init__(self, model: Any) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema, self._model, self._graph = schema, model, model.subgraphs[0]
        self._codes = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
        self._maker = {
            int(tensor): operator for operator in self._graph.operators for tensor in operator.outputs
        }

    def size(self, tensor: int) -> int:
        """Numbers of each row."""
        return int(self._graph.tensors[tensor].shape[-1])

    def features_of(self, tensor: int) -> int | None:
        """What the hidden layer of the head reads that gives this output; None where there is none."""
        wanted = list(_READ_BY_HEADS)
        while wanted:
            operator = self._maker.get(tensor)
            if operator is None:
                return None
            kind = self._kind(operator)
            if kind == wanted[0]:
                wanted.pop(0)
            elif kind not in _PASSED:
                return None
            tensor = int(operator.inputs[0])
        return tensor

    def _kind(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        return self._codes[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def as_float(self, tensor: int) -> int:
        """The same numbers as float32."""
        kinds = self._schema.TensorType
        if self._graph.tensors[tensor].type == kinds.FLOAT32:
            return tensor
        output = self._add_tensor(
            f"{_text(self._graph.tensors[tensor].name)}_float", tensor, self.size(tensor)
        )
        self._add_operator("DEQUANTIZE", [tensor], output)
        return output

    def add_head(self, name: str, source: int, head: LinearHead) -> int:
        """The tensor of a further head's probabilities."""
        classes = len(head.bias)
        # LiteRT's weights are (outputs, inputs).
        weights = self._add_constant(f"{name}/weights", head.weights.T)
        bias = self._add_constant(f"{name}/bias", head.bias)
        logits = self._add_tensor(f"{name}/logits", source, classes)
        self._add_operator("FULLY_CONNECTED", [source, weights, bias], logits)
        output = self._add_tensor(name, source, classes)
        self._add_operator("SOFTMAX", [logits], output)
        return output

    def give(self, tensor: int) -> None:
        """Makes a tensor one of the outputs."""
        self._graph.outputs = [*map(int, self._graph.outputs), tensor]

    def named(self, name: str, tensor: int) -> Any:
        """An entry of a signature."""
        entry = self._schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), tensor
        return entry

    def _add_tensor(self, name: str, like: int, size: int) -> int:
        """Float rows, as many as another tensor has."""
        tensor, other = self._schema.TensorT(), self._graph.tensors[like]
        tensor.name, tensor.type, tensor.buffer = name.encode(), self._schema.TensorType.FLOAT32, 0
        tensor.shape = np.array([*other.shape[:-1], size], np.int32)
        if other.shapeSignature is not None:
            tensor.shapeSignature = np.array([*other.shapeSignature[:-1], size], np.int32)
        tensor.hasRank = True
        return self._append(tensor)

    def _add_constant(self, name: str, values: Array) -> int:
        tensor, buffer = self._schema.TensorT(), self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values, "<f4").tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        tensor.name, tensor.type = name.encode(), self._schema.TensorType.FLOAT32
        tensor.buffer, tensor.shape = len(self._model.buffers) - 1, np.array(values.shape, np.int32)
        tensor.hasRank = True
        return self._append(tensor)

    def _append(self, tensor: Any) -> int:
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _add_operator(self, kind: str, inputs: list[int], output: int) -> None:
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._code_index(kind)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if kind == "FULLY_CONNECTED":
            operator.builtinOptionsType = self._schema.BuiltinOptions.FullyConnectedOptions
            operator.builtinOptions = self._schema.FullyConnectedOptionsT()
        elif kind == "SOFTMAX":
            operator.builtinOptionsType = self._schema.BuiltinOptions.SoftmaxOptions
            operator.builtinOptions = self._schema.SoftmaxOptionsT()
            operator.builtinOptions.beta = 1.0
        self._graph.operators.append(operator)

    def _code_index(self, kind: str) -> int:
        value = getattr(self._schema.BuiltinOperator, kind)
        for index, code in enumerate(self._model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == value:
                return index
        code = self._schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = value, min(value, 127)
        code.version = 2 if kind == "DEQUANTIZE" else 1
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
