import pytest
import torch

from mmicf.models.layers import apply_per_clip, clip_lengths, clip_mean, clips_by_length, sine_positions_2d

INDEX = torch.tensor([0, 0, 1, 1, 1, 2, 2, 3])


def test_groups_cover_every_frame_once_and_keep_clips_whole():
    groups = clips_by_length(INDEX)
    assert [tuple(g.shape) for g in groups] == [(1, 1), (2, 2), (1, 3)]
    assert sorted(torch.cat([g.flatten() for g in groups]).tolist()) == list(range(8))
    assert all(len(INDEX[row].unique()) == 1 for g in groups for row in g)


def test_apply_per_clip_equals_a_loop_over_clips():
    x = torch.randn(8, 3)
    out = apply_per_clip(lambda y: y.cumsum(1), x, clips_by_length(INDEX))
    expected = torch.cat([x[i == INDEX].cumsum(0) for i in range(4)])
    assert torch.allclose(out, expected)


def test_clip_mean():
    x = torch.randn(8, 3, 2)
    assert torch.allclose(clip_mean(x, INDEX), torch.stack([x[i == INDEX].mean(0) for i in range(4)]), atol=1e-6)


def test_scattered_clips_are_refused():
    with pytest.raises(ValueError, match='contiguous'):
        clip_lengths(torch.tensor([0, 1, 0]))


def test_sine_positions_equal_the_published_formula():
    """DETR's normalised code, channel by channel."""
    height, width, dims = 3, 5, 8
    code = sine_positions_2d(height, width, dims, torch.zeros(1))[0]
    for axis, length in ((0, height), (1, width)):
        for i in range(dims // 2):
            for k in range(length):
                angle = (k + 1) / (length + 1e-6) * 2 * torch.pi / 10000**(2 * (i // 2) / (dims // 2))
                expected = torch.tensor(angle).sin() if i % 2 == 0 else torch.tensor(angle).cos()
                found = code[i, k, 0] if axis == 0 else code[dims // 2 + i, 0, k]
                assert abs(found - expected) < 1e-5
