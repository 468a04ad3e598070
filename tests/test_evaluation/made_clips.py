"""Made-up clips for the metric tests."""
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.structures import AVDataSample


def make_clip(index, *, gts, scores=None, preds=None, subset='ms3', clip_id=None, img_path=None):
    """A clip from lists of T arrays; a ground truth of None makes a frame without one."""
    clip_id = clip_id or f'clip{index:03d}'
    sample = AVDataSample(metainfo=dict(clip_id=clip_id, subset=subset, num_frames=len(gts), sample_idx=index,
                                        audio_path=None))
    frames = []
    for t, gt in enumerate(gts):
        frame = SegDataSample(metainfo=dict(clip_id=clip_id, frame_idx=t, has_gt=gt is not None, seg_map_path=None,
                                            img_path=(img_path or 'x/{}.png').format(t)))
        if gt is not None:
            frame.gt_sem_seg = PixelData(data=torch.from_numpy(np.asarray(gt, np.int64))[None])
        if scores is not None:
            frame.av_score = PixelData(data=torch.from_numpy(np.asarray(scores[t], np.float32))[None])
        if preds is not None:
            frame.pred_sem_seg = PixelData(data=torch.from_numpy(np.asarray(preds[t], np.int64))[None])
        frames.append(frame)
    sample.frames = frames
    return sample


def random_binary_clip(index, frames=5, size=(9, 11), empty=(), missing=(), ignored=0.0, **kwargs):
    """Ground truth of blobs, scores that agree with it loosely and fall on thresholds now and then."""
    rng = np.random.default_rng(index)
    gts, scores = [], []
    for t in range(frames):
        gt = np.zeros(size, np.int64) if t in empty else (rng.random(size) < 0.3).astype(np.int64)
        score = np.clip(0.5 * gt + rng.normal(0.25, 0.25, size), 0, 1).astype(np.float32)
        tied = rng.random(size) < 0.3
        score[tied] = torch.linspace(0, 1 - 1e-10, 255).numpy()[rng.integers(0, 255, tied.sum())]
        gt[rng.random(size) < ignored] = 255
        gts.append(None if t in missing else gt)
        scores.append(score)
    return make_clip(index, gts=gts, scores=scores, preds=[(s > 0.5).astype(np.int64) for s in scores], **kwargs)


def random_class_clip(index, num_classes, frames=5, size=(8, 10), classes=None, missing=(), ignored=0.1, **kwargs):
    """Label maps of a few classes; some pixels of the prediction are stray."""
    rng = np.random.default_rng(1000 + index)
    classes = rng.choice(num_classes, 3, replace=False) if classes is None else np.asarray(classes)
    gts, preds = [], []
    for t in range(frames):
        gt = classes[rng.integers(0, len(classes), size)]
        pred = np.where(rng.random(size) < 0.7, gt, classes[rng.integers(0, len(classes), size)])
        pred.flat[rng.integers(0, pred.size)] = rng.integers(0, num_classes)
        gt = np.where(rng.random(size) < ignored, 255, gt)
        gts.append(None if t in missing else gt)
        preds.append(pred)
    return make_clip(index, gts=gts, preds=preds, **kwargs)


def evaluate(metrics, clips, classes, batch=3, palette=None):
    """Through mmengine's evaluator, in batches."""
    from mmengine.evaluator import Evaluator
    evaluator = metrics if isinstance(metrics, Evaluator) else Evaluator(metrics)
    evaluator.dataset_meta = dict(classes=classes, palette=palette or [[i, 2 * i, 3 * i] for i in range(len(classes))])
    for start in range(0, len(clips), batch):
        evaluator.process(clips[start:start + batch])
    return evaluator.evaluate(len(clips))
