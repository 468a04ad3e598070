"""The probe of SC on its synthetic text."""
import runpy
import sys
from pathlib import Path

import pytest
import torch

TOOL = str(Path(__file__).parents[2] / 'tools/analysis_tools/probe_counterfactual.py')


def test_synthetic_text_lies_on_a_span_that_the_splits_share():
    probe = runpy.run_path(TOOL)
    train, test = probe['synthetic_text'](8, 4, 'train'), probe['synthetic_text'](3, 4, 'test')
    text, visual, visible, names = test[0]
    tokens = torch.cat([t.tokens.flatten(0, 1) for t, *_ in train])
    assert torch.linalg.matrix_rank(tokens, rtol=1e-4) == 16
    assert torch.allclose(tokens.norm(dim=-1), torch.full((len(tokens), ), 128**0.5), atol=1e-2)
    directions = torch.linalg.svd(tokens, full_matrices=False)[2][:16]
    inside = text.tokens @ directions.T @ directions
    assert torch.allclose(inside, text.tokens, atol=1e-3)
    assert torch.allclose(text.weight.sum(1), torch.ones(4)) and text.valid.all() and visible.shape == visual.shape[:2]
    assert not {n for *_, ids in train for n in ids} & {n for *_, ids in test for n in ids} and len(set(names)) == 4
    span = probe['text_span'](train)
    assert len(span) == 128 and 14 <= span.shape[1] <= 16  # directions that hold 99 % of the energy
    assert torch.allclose(span.T @ span, torch.eye(span.shape[1]), atol=1e-5)


def test_synthetic_visual_tokens_tell_the_class():
    """Clips whose texts lie around one centre look alike, so a conditioned denoiser has something to read."""
    text, visual, *_ = runpy.run_path(TOOL)['synthetic_text'](1, 64, 'train')[0]
    alike, look = (torch.corrcoef(x.mean(1))[~torch.eye(64, dtype=bool)] for x in (text.tokens, visual))
    assert torch.corrcoef(torch.stack([alike, look]))[0, 1] > 0.7


def test_probe_without_a_config_prints_the_four_settings(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [TOOL, '--steps', '2', '--batch-size', '2'])
    runpy.run_path(TOOL, run_name='__main__')
    printed = capsys.readouterr().out
    assert '128 training and 16 test clips, 2 steps; factual tokens span 16 of 128 dimensions' in printed
    for seen in ('rotated', 'factual'):
        for condition in ('visual', 'none'):
            assert f'{seen}, {condition}' in printed


def test_a_config_needs_its_checkpoint(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [TOOL, 'configs/icf/icf_tiny_synthetic.py'])
    with pytest.raises(SystemExit):
        runpy.run_path(TOOL, run_name='__main__')
    assert 'needs the checkpoint' in capsys.readouterr().err
