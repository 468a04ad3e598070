"""Anchors and counterfactuals made beforehand, on a synthetic S4 set with small towers."""
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmicf.datasets import AVSBenchS4Dataset
from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.models.anchors import CLAPAudioAnchor, CLIPImageAnchor
from mmicf.models.text_encoders import OpenCLIPTextEncoder
from mmicf.registry import TRANSFORMS

TOOLS = Path(__file__).parents[2] / 'tools/dataset_converters'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('s4')
    rows = [row for i in range(4) for row in write_clip(ClipJob(str(out), 's4', 'train', i, 0, 64))]
    write_tables(str(out), 's4', rows)
    return out / 'Single-source'


@pytest.fixture
def tool(monkeypatch):
    def call(name, *arguments):
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(TOOLS / name), run_name='__main__')
        return end.value.code
    return call


@pytest.fixture
def small_towers(monkeypatch):
    """The tools build full-size towers from files; here they get random small ones."""
    import mmicf.models.anchors as anchors
    import mmicf.models.text_encoders as text
    vision = dict(image_size=32, layers=1, width=64, patch_size=16)
    made = dict(image=CLIPImageAnchor(model_cfg=dict(embed_dim=24, vision_cfg=vision)),
                audio=CLAPAudioAnchor(base_dims=32, depths=(1, 1, 1, 1), embed_dims=20),
                text=OpenCLIPTextEncoder(model_cfg=dict(width=32, heads=2, layers=1, embed_dim=24)))
    monkeypatch.setattr(anchors, 'CLIPImageAnchor', lambda **_: made['image'])
    monkeypatch.setattr(anchors, 'CLAPAudioAnchor', lambda **_: made['audio'])
    monkeypatch.setattr(text, 'OpenCLIPTextEncoder', lambda **_: made['text'])
    return made


def test_cached_anchors_equal_computed_ones(root, tool, small_towers, tmp_path):
    out = tmp_path / 'anchors'
    command = ('cache_anchors.py', 's4', root, out, '--clip', 'c.bin', '--clap', 'a.pt', '--splits', 'train', '--device', 'cpu')
    assert tool(*command) is None
    clips = AVSBenchS4Dataset(data_root=str(root), split='train', pipeline=[
        dict(type='mmicf.LoadFrames'), dict(type='mmicf.LoadAudio', sample_rate=48000), dict(type='mmicf.FitWaveform'),
        dict(type='mmicf.LoadAnchors', anchor_dir=str(out))])
    for i in range(len(clips)):
        clip = clips[i]
        frames = torch.from_numpy(np.stack(clip['frames'])).permute(0, 3, 1, 2).float()
        image = small_towers['image']
        expected = image((frames - image.mean) / image.std).numpy()
        np.testing.assert_allclose(clip['image_anchor'], expected, atol=1e-5)
        expected = small_towers['audio']([torch.from_numpy(clip['waveform'])], [48000], [clip['num_frames']]).numpy()
        np.testing.assert_allclose(clip['audio_anchor'], expected, atol=1e-4)
    before = {p: p.stat().st_mtime_ns for p in out.glob('*.npz')}
    assert len(before) == 4 and tool(*command) is None
    assert before == {p: p.stat().st_mtime_ns for p in out.glob('*.npz')}  # nothing is made twice
    assert json.loads((out / 'settings.json').read_text())['clap'] == 'a.pt'
    with pytest.raises(FileExistsError, match=r'settings\.json: found'):
        tool(*command[:4], '--clip', 'other.bin', '--splits', 'train')


@pytest.mark.parametrize('arrays, found', [
    (dict(audio_anchor=np.zeros((3, 4), np.float32)), r'audio_anchor is float32 \(3, 4\), expected floats \(5, d\)'),
    (dict(image_anchor=np.full((5, 4), np.nan, np.float32)), 'not finite'), (dict(other=np.zeros(2)), r"found arrays \['other'\]"),
    (None, 'no cached anchors')])
def test_unusable_anchor_files_are_named(arrays, found, tmp_path):
    if arrays is not None:
        np.savez(tmp_path / 'clip.npz', **arrays)
    load = TRANSFORMS.build(dict(type='mmicf.LoadAnchors', anchor_dir=str(tmp_path)))
    with pytest.raises((ValueError, FileNotFoundError), match=f'clip.npz.*{found}'):
        load.transform(dict(clip_id='clip', num_frames=5))


def test_audio_replacement_takes_clips_of_other_categories(root, tool, tmp_path):
    clips = AVSBenchS4Dataset(data_root=str(root), split='train', verify=False)
    categories = {clips.get_data_info(i)['clip_id']: clips.get_data_info(i)['category'] for i in range(len(clips))}
    assert len(set(categories.values())) > 1
    for i, clip in enumerate(categories):
        np.savez(tmp_path / f'{clip}.npz', audio_anchor=np.full((5, 3), i, np.float32))
    out = tmp_path / 'cf.npz'
    assert tool('make_counterfactual_text.py', 'audio-replacement', 's4', root, out, '--anchors', tmp_path, '--num', 2) is None
    names = list(categories)
    with np.load(out) as file:
        for clip in names:
            donors = [names[int(row[0])] for row in file[clip]]
            assert file[clip].shape == (2, 3) and all(categories[d] != categories[clip] for d in donors)


def test_clips_of_several_classes_must_share_none(tmp_path):
    module = runpy.run_path(str(TOOLS / 'make_counterfactual_text.py'))
    names = {'a': ('dog', 'cat'), 'b': ('cat', 'dog'), 'c': ('cat', 'guitar'), 'd': ('man', ), 'e': ('guitar', ), 'f': ()}
    for i, clip in enumerate(names):
        np.savez(tmp_path / f'{clip}.npz', audio_anchor=np.full((5, 3), i, np.float32))
    found = module['audio_replacement']({clip: frozenset(own) for clip, own in names.items()}, tmp_path, 0, 5)
    donors = {clip: ''.join(sorted({'abcdef'[int(row[0])] for row in rows})) for clip, rows in found.items()}
    assert donors == {'a': 'def', 'b': 'def', 'c': 'df', 'd': 'abcef', 'e': 'abdf', 'f': 'abcde'}
    with pytest.raises(ValueError, match="clip 'a': nothing that shares no class"):
        module['audio_replacement']({'a': frozenset('x'), 'b': frozenset('x')}, tmp_path, 0, 1)


@pytest.fixture
def ms3(tmp_path):
    """MS3's table of five clips, and AVSS's, which names their classes; f sounds of nothing."""
    tables = tmp_path / 'ms3/ms3_meta_data.csv', tmp_path / 'metadata.csv'
    tables[0].parent.mkdir()
    named = dict(a='man_piano', b='man', c='piano_emergency-car', d='dog', f='background')
    tables[0].write_text('video_id,split\n' + ''.join(f'{clip},train\n' for clip in named))
    rows = [f'{clip},{clip},0,0,{names},train,v1m\n' for clip, names in named.items()]
    tables[1].write_text('vid,uid,s_min,s_sec,a_obj,split,label\nx,x_0_5000,0,0,cat,train,v1s\n' + ''.join(rows))
    return tables[0].parent, tables[1]


def test_ms3_takes_its_classes_from_avss(ms3, tool, small_towers, tmp_path):
    import open_clip
    root, metadata = ms3
    out = tmp_path / 'made/cf.npz'
    text = ('make_counterfactual_text.py', 'text-revision', 'ms3', root, out, '--clip', 'c.bin', '--num', 4)
    assert tool(*text, '--categories', metadata) is None
    said = ['a video of a man and a piano', 'a video of a man', 'a video of a emergency car and a piano', 'a video of a dog']
    with torch.no_grad():
        said = small_towers['text'].tower(open_clip.get_tokenizer('ViT-B-32')(said)).numpy()
    with np.load(out) as file:
        near = {clip: [np.abs(said - row).max(1) for row in file[clip]] for clip in 'abcdf'}
    assert all(min(row) < 1e-5 for rows in near.values() for row in rows)
    chosen = {clip: {int(row.argmin()) for row in rows} for clip, rows in near.items()}
    assert chosen == dict(a={3}, b={2, 3}, c={1, 3}, d={0, 1, 2}, f={0, 1, 2, 3})

    for i, clip in enumerate('abcdf'):
        np.savez(tmp_path / f'{clip}.npz', audio_anchor=np.full((5, 3), i, np.float32))
    audio = ('make_counterfactual_text.py', 'audio-replacement', 'ms3', root, out, '--anchors', tmp_path, '--num', 4)
    for options, donors in ((('--categories', metadata), 'df'), ((), 'bcdf')):
        assert tool(*audio, *options) is None
        with np.load(out) as file:
            assert ''.join(sorted({'abcdf'[int(row[0])] for row in file['a']})) == donors
    with pytest.raises(ValueError, match='none of 5 clips names a class; give --categories'):
        tool(*text)
    with pytest.raises(ValueError, match=r"names\.csv: column 'uid' is missing"):
        (tmp_path / 'names.csv').write_text('clip_id,category\na,dog\n')
        tool(*text, '--categories', tmp_path / 'names.csv')


def test_text_revision_says_another_class(root, tool, small_towers, tmp_path):
    import open_clip
    out = tmp_path / 'cf.npz'
    assert tool('make_counterfactual_text.py', 'text-revision', 's4', root, out, '--clip', 'c.bin', '--num', 3) is None
    clips = AVSBenchS4Dataset(data_root=str(root), split='train', verify=False)
    infos = [clips.get_data_info(i) for i in range(len(clips))]
    tokenize = open_clip.get_tokenizer('ViT-B-32')

    def sentence(info):
        return 'a video of a ' + info['category'].replace('_', ' ').replace('-', ' ')

    with np.load(out) as file, torch.no_grad():
        for info in infos:
            own = small_towers['text'].tower(tokenize([sentence(info)])).numpy()[0]
            others = [small_towers['text'].tower(tokenize([sentence(o)])).numpy()[0]
                      for o in infos if o['category'] != info['category']]
            for row in file[info['clip_id']]:
                assert np.abs(row - own).max() > 1e-3 and min(np.abs(row - o).max() for o in others) < 1e-4
