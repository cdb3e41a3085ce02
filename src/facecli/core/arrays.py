"""The arrays of annotations: shapes, kinds of numbers and units stand in docstrings, where they say more."""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Tensor: TypeAlias = Any
"""Of Keras, which ships no types: what is known of a network's values stands in docstrings alone."""
