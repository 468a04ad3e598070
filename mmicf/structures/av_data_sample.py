"""One clip's annotations and predictions."""
from collections.abc import Callable, Sequence

from mmengine.structures import BaseDataElement
from mmseg.structures import SegDataSample


class AVDataSample(BaseDataElement):
    """A clip: metainfo plus one :class:`SegDataSample` per valid frame.

    Everything behind the decode head is per frame, so mmseg's visualizers and metrics work on ``frames`` as they are.

    Metainfo: ``clip_id`` (str), ``subset`` (str), ``num_frames`` (T), ``sample_idx`` (int).
    Frame metainfo: ``clip_id, frame_idx, has_gt, img_path, seg_map_path, ori_shape, img_shape``.
    Frame data: ``gt_sem_seg`` (1, H, W) class ids, 255 = ignore, only where ``has_gt``; after prediction ``pred_sem_seg``
    (1, H, W) and, for binary tasks, ``av_score`` (1, H, W), the probability in [0, 1] that a pixel belongs to a sounding object.
    """

    @property
    def frames(self) -> list[SegDataSample]:
        return self._frames

    @frames.setter
    def frames(self, value: Sequence[SegDataSample]) -> None:
        value = list(value)
        wrong = [type(v).__name__ for v in value if not isinstance(v, SegDataSample)]
        if wrong:
            raise TypeError(f'frames of an AVDataSample must be SegDataSample, got {wrong[0]}')
        self.set_field(value, '_frames', dtype=list)

    @frames.deleter
    def frames(self) -> None:
        del self._frames

    # BaseDataElement moves tensors and nested elements but not lists of them.
    def _map_frames(self, new: 'AVDataSample', call: Callable) -> 'AVDataSample':
        if '_frames' in self:
            new.frames = [call(frame) for frame in self.frames]
        return new

    def to(self, *args, **kwargs) -> 'AVDataSample':
        return self._map_frames(super().to(*args, **kwargs), lambda f: f.to(*args, **kwargs))

    def cpu(self) -> 'AVDataSample':
        return self._map_frames(super().cpu(), lambda f: f.cpu())

    def cuda(self) -> 'AVDataSample':
        return self._map_frames(super().cuda(), lambda f: f.cuda())

    def detach(self) -> 'AVDataSample':
        return self._map_frames(super().detach(), lambda f: f.detach())

    def numpy(self) -> 'AVDataSample':
        return self._map_frames(super().numpy(), lambda f: f.numpy())

    def to_tensor(self) -> 'AVDataSample':
        return self._map_frames(super().to_tensor(), lambda f: f.to_tensor())

    def to_dict(self) -> dict:
        """As mmengine's, with the frames (still :class:`SegDataSample`) under ``frames``: what metrics receive."""
        out = super().to_dict()
        if '_frames' in out:
            out['frames'] = out.pop('_frames')
        return out
