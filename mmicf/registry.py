"""Registries of mmicf: each node is a child of MMSegmentation's, so configs name mmseg's classes without a prefix.

A child of mmseg (not a sibling) also lets default arguments such as ``dict(type='CrossEntropyLoss')`` inside mmseg's own
classes resolve while ``default_scope = 'mmicf'``, and lets a config in mmseg's scope write ``mmicf.X`` without
``custom_imports``. All 21 nodes are declared: a missing one falls back to mmengine's root, where mmseg's entries are not.
"""
from mmengine.registry import Registry
from mmseg import registry as mmseg


def _child(parent: Registry, *locations: str) -> Registry:
    """A node below ``parent``; mmseg's package comes first because a lookup never imports its parents' locations."""
    return Registry(parent.name, parent=parent, scope='mmicf', locations=list(locations))


DATASETS = _child(mmseg.DATASETS, 'mmseg.datasets', 'mmicf.datasets')
TRANSFORMS = _child(mmseg.TRANSFORMS, 'mmseg.datasets.transforms', 'mmicf.datasets.transforms')
DATA_SAMPLERS = _child(mmseg.DATA_SAMPLERS)

MODELS = _child(mmseg.MODELS, 'mmseg.models', 'mmicf.models')
MODEL_WRAPPERS = _child(mmseg.MODEL_WRAPPERS)
WEIGHT_INITIALIZERS = _child(mmseg.WEIGHT_INITIALIZERS)
TASK_UTILS = _child(mmseg.TASK_UTILS, 'mmseg.models', 'mmicf.models')

RUNNERS = _child(mmseg.RUNNERS)
RUNNER_CONSTRUCTORS = _child(mmseg.RUNNER_CONSTRUCTORS)
LOOPS = _child(mmseg.LOOPS, 'mmicf.engine')
HOOKS = _child(mmseg.HOOKS, 'mmseg.engine.hooks', 'mmicf.engine')
LOG_PROCESSORS = _child(mmseg.LOG_PROCESSORS)
OPTIMIZERS = _child(mmseg.OPTIMIZERS, 'mmseg.engine.optimizers')
OPTIM_WRAPPERS = _child(mmseg.OPTIM_WRAPPERS, 'mmseg.engine.optimizers', 'mmicf.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(mmseg.OPTIM_WRAPPER_CONSTRUCTORS, 'mmseg.engine.optimizers', 'mmicf.engine')
PARAM_SCHEDULERS = _child(mmseg.PARAM_SCHEDULERS, 'mmseg.engine.schedulers')

METRICS = _child(mmseg.METRICS, 'mmseg.evaluation', 'mmicf.evaluation')
EVALUATOR = _child(mmseg.EVALUATOR, 'mmseg.evaluation', 'mmicf.evaluation')
VISUALIZERS = _child(mmseg.VISUALIZERS, 'mmseg.visualization', 'mmicf.visualization')
VISBACKENDS = _child(mmseg.VISBACKENDS, 'mmseg.visualization', 'mmicf.visualization')
INFERENCERS = _child(mmseg.INFERENCERS, 'mmseg.apis', 'mmicf.apis')
