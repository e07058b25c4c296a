"""Architectures, one file each, and the registry that builds them by name."""

from hqzoo.models.registry import ModelInfo, check_arguments, count_parameters, create_model, list_models, model_info

__all__ = ["ModelInfo", "check_arguments", "count_parameters", "create_model", "list_models", "model_info"]
