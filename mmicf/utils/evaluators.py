"""Metrics of a config, whatever holds them: one dict, a list, or a ``FrameEvaluator`` with metrics of both kinds."""
from .type_name import type_name


def clip_metrics(evaluator: dict | list) -> list[dict]:
    """The metrics that read whole clips."""
    if _is_frame_evaluator(evaluator):
        evaluator = evaluator.get('clip_metrics', [])
    return [dict(metric) for metric in _as_list(evaluator)]


def with_clip_metric(evaluator: dict | list, metric: dict) -> dict | list:
    """The evaluator with one more metric that reads whole clips."""
    if _is_frame_evaluator(evaluator):
        return {**evaluator, 'clip_metrics': [*_as_list(evaluator.get('clip_metrics', [])), metric]}
    return [*_as_list(evaluator), metric]


def _is_frame_evaluator(evaluator: dict | list) -> bool:
    return isinstance(evaluator, dict) and type_name(evaluator) == 'FrameEvaluator'


def _as_list(metrics: dict | list | tuple) -> list:
    return [metrics] if isinstance(metrics, dict) else list(metrics)
