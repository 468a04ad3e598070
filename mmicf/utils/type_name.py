"""Names of registered types in configs."""
from collections.abc import Mapping


def type_name(part: Mapping) -> str:
    """The ``type`` of a part of a config without scope and module ('mmicf.LogMel' is 'LogMel'), '' for a part without one."""
    found = part.get('type') or ''
    return found.__name__ if isinstance(found, type) else found.rpartition('.')[2]
