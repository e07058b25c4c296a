"""Architectures, one file each, and the registry that builds them by name."""

from hqzoo.models.protocol import Model, as_model
from hqzoo.models.registry import (
    ModelInfo,
    check_arguments,
    count_parameters,
    create_model,
    list_models,
    model_info,
    register_model,
)

__all__ = [
    "Model",
    "ModelInfo",
    "as_model",
    "check_arguments",
    "count_parameters",
    "create_model",
    "list_models",
    "model_info",
    "register_model",
]
