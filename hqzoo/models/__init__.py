"""Architectures, one file each, and the registry that builds them by name."""

from hqzoo.models.registry import ModelInfo, check_arguments, create_model, list_models, model_info

__all__ = ["ModelInfo", "check_arguments", "create_model", "list_models", "model_info"]
