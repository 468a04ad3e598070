"""Weights & Biases as a backend of the visualizer."""
from pathlib import Path

from mmengine.config import Config
from mmengine.visualization import WandbVisBackend

import mmicf
from mmicf.registry import VISBACKENDS


@VISBACKENDS.register_module()
class AVSWandbBackend(WandbVisBackend):
    """mmengine's backend with another idea of the run's code: the ``mmicf`` package.

    mmengine's hands over every Python file below the working directory: in a checkout with ``.venv`` the whole environment.
    Arguments: see :class:`mmengine.visualization.WandbVisBackend`.
    """

    def add_config(self, config: Config, **_) -> None:
        run = self.experiment.run  # starts the run at first use
        run.config.update(config.to_dict(), allow_val_change=(self._init_kwargs or {}).get('allow_val_change', False))
        run.log_code(root=str(Path(mmicf.__file__).parent), name=self._log_code_name)
