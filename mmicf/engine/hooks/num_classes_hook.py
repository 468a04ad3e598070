"""Refuses data of other classes than the model's."""
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmicf.registry import HOOKS


@HOOKS.register_module()
class NumClassesHook(Hook):
    """Compares the decode head's ``num_classes`` with the classes of the data before the first batch.

    A head with one channel would take every class but 1 for background, another would fail inside the loss, on a GPU without a
    name. Masks themselves are checked against their set's classes as they are loaded.

    Raises:
        ValueError: names the data set, its classes, the head and its own.
    """

    def before_train(self, runner) -> None:
        self._check(runner, runner.train_dataloader)

    def before_val(self, runner) -> None:
        self._check(runner, runner.val_dataloader)

    def before_test(self, runner) -> None:
        self._check(runner, runner.test_dataloader)

    @staticmethod
    def _check(runner, dataloader) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        head, data = getattr(model, 'decode_head', None), dataloader.dataset
        expected, classes = getattr(head, 'num_classes', None), getattr(data, 'metainfo', {}).get('classes')
        if expected is None or classes is None or len(classes) == expected:
            return
        raise ValueError(f'{type(data).__name__}: found {len(classes)} classes ({", ".join(classes[:3])}, ...), expected the '
                         f'{expected} of {type(head).__name__} (model.decode_head.num_classes, background included)')
