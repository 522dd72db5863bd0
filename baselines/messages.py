"""Orders and answers as Flower messages.

Tensors travel as raw bytes with the name of their type, so that bfloat16 (which NumPy does not
know) arrives as it was sent. The client is named in the message: Flower's node ids are random.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from torch import Tensor

from baselines.config import Config, config_from_json
from baselines.errors import ClientError
from baselines.executors import Failure
from baselines.local_update import ClientUpdate, Order, State
from baselines.tensorfile import DTYPES
from fedenv.fingerprint import canonical_json

ABOUT, PARAMETERS, KEPT = "about", "parameters", "kept"
RAW = "fedenv.raw"
_TYPE_NAMES: Mapping[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}


def pack_tensors(tensors: Mapping[str, Tensor]) -> ArrayRecord:
    """Return tensors as a record of raw bytes."""
    return ArrayRecord({name: _pack(tensor) for name, tensor in tensors.items()})


def unpack_tensors(record: ArrayRecord) -> State:
    """Return the tensors of a record.

    Raises:
        ClientError: An entry is none that :func:`pack_tensors` made.
    """
    return {name: _unpack(name, array) for name, array in record.items()}


def pack_order(config: Config, order: Order, theta: State, kept: State) -> RecordDict:
    """Return what is sent to a client."""
    about: dict[str, Any] = {
        "config": canonical_json(config.to_json()),
        "round": order.round_index,
        "client_id": order.client_id,
        "evaluate": order.evaluate,
    }
    return RecordDict(
        {ABOUT: ConfigRecord(about), PARAMETERS: pack_tensors(theta), KEPT: pack_tensors(kept)}
    )


def unpack_order(content: RecordDict) -> tuple[Config, Order, State, State]:
    """Return configuration, order, parameters and what the client kept."""
    about = content.config_records[ABOUT]
    order = Order(_int(about["round"]), _int(about["client_id"]), bool(about["evaluate"]))
    config = config_from_json(json.loads(str(about["config"])))
    arrays = content.array_records
    return config, order, unpack_tensors(arrays[PARAMETERS]), unpack_tensors(arrays[KEPT])


def pack_answer(answer: ClientUpdate | Failure) -> RecordDict:
    """Return what a client sends back."""
    if isinstance(answer, Failure):
        failed: dict[str, Any] = {"client_id": answer.client_id, "error": answer.error}
        return RecordDict({ABOUT: ConfigRecord(failed)})
    about: dict[str, Any] = {
        "round": answer.round_index,
        "client_id": answer.client_id,
        "num_tasks": answer.num_tasks,
        "metrics": canonical_json(dict(answer.metrics)),
        "samples": answer.samples,
    }
    return RecordDict(
        {
            ABOUT: ConfigRecord(about),
            PARAMETERS: pack_tensors(answer.state),
            KEPT: pack_tensors(answer.kept),
        }
    )


def unpack_answer(content: RecordDict) -> ClientUpdate | Failure:
    """Return what a client sent back.

    Raises:
        ClientError: It cannot be read.
    """
    try:
        about = content.config_records[ABOUT]
        client_id = _int(about["client_id"])
        if "error" in about:
            return Failure(client_id, str(about["error"]))
        samples = about["samples"]
        return ClientUpdate(
            round_index=_int(about["round"]),
            client_id=client_id,
            state=unpack_tensors(content.array_records[PARAMETERS]),
            kept=unpack_tensors(content.array_records[KEPT]),
            num_tasks=_int(about["num_tasks"]),
            metrics=json.loads(str(about["metrics"])),
            samples=samples if isinstance(samples, bytes) else b"",
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ClientError(f"the answer cannot be read ({type(error).__name__}: {error})") from error


def _pack(tensor: Tensor) -> Array:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes()
    return Array(_TYPE_NAMES[tensor.dtype], tuple(tensor.shape), RAW, data)


def _unpack(name: str, array: Array) -> Tensor:
    dtype = DTYPES.get(array.dtype)
    if array.stype != RAW or dtype is None:
        raise ClientError(f"tensor {name!r}: {array.stype} of {array.dtype}, expected {RAW}")
    if not array.data:
        return torch.empty(array.shape, dtype=dtype)
    try:
        return torch.frombuffer(bytearray(array.data), dtype=dtype).reshape(array.shape)
    except (ValueError, RuntimeError) as error:
        raise ClientError(f"tensor {name!r}: its bytes do not fit its shape ({error})") from error


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number, got {value!r}")
    return value
