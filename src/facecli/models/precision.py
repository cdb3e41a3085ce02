"""The same network in another floating-point precision."""

import keras


def in_precision(network: keras.Model, dtype: str) -> keras.Model:
    """A copy of a network whose layers hold and compute in `dtype`, with the same weights."""
    copy = keras.Model.from_config(_with_policy(network.get_config(), dtype))
    copy.set_weights(network.get_weights())
    return copy


def _with_policy(value, dtype: str):
    """A serialised configuration with every layer's policy replaced; inputs stay uint8."""
    if isinstance(value, dict):
        if value.get("class_name") == "DTypePolicy":
            return {**value, "config": {"name": dtype}}
        return {key: _with_policy(inner, dtype) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_policy(inner, dtype) for inner in value)
    return value
