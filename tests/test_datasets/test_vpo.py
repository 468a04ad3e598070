"""Layout, grouping and class mapping of VPO."""
import numpy as np
import pytest

from mmicf.datasets import VPODataset
from mmicf.datasets.vpo import coco_lut
from mmicf.utils.class_names import VPO_CLASSES


def infos(root, subset, split='train', **options):
    dataset = VPODataset(data_root=str(root), subset=subset, split=split, **options)
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def sounds(clip):
    return [(source['path'].split('/')[-1], source['position']) for source in clip['audio']]


def test_single_source(vpo_root):
    (clip,) = infos(vpo_root, 'ss', channels='stereo')
    assert clip['clip_id'] == '000000000007_000000000070_v0'
    assert (clip['subset'], clip['num_frames'], clip['category'], clip['num_classes']) == ('vpo-ss', 1, 'dog', 22)
    assert clip['frame_paths'] == [f'{vpo_root}/VPO-SS/data/dog/000000000007.jpg']
    assert clip['mask_paths'] == [f'{vpo_root}/VPO-SS/mask/dog/000000000007_000000000070.png']
    assert sounds(clip) == [('v0.wav', 0.25)]
    (mono,) = infos(vpo_root, 'ss')
    assert sounds(mono) == [('v0.wav', None)]


def test_rows_of_val_belong_to_test(vpo_root):
    assert [c['category'] for c in infos(vpo_root, 'ss', 'test')] == ['car']
    with pytest.raises(ValueError, match=r"splits \['train', 'test'\], got 'val'"):
        infos(vpo_root, 'ss', 'val')


def test_rows_of_one_picture_are_one_clip(vpo_root):
    clips = infos(vpo_root, 'ms', channels='stereo')
    assert [(c['clip_id'], c['category'], sounds(c)) for c in clips] == [
        ('000000000009', 'car_airplane', [('v1.wav', 0.1), ('v2.wav', 0.9)]),  # its rows are not neighbours
        ('000000000010', 'dog', [('v0.wav', 0.8)])]
    assert clips[0]['frame_paths'] == [f'{vpo_root}/VPO-MS/data/000000000009.jpg']
    assert clips[0]['mask_paths'] == [f'{vpo_root}/VPO-MS/mask/000000000009.png']


def test_msmi_rows_without_several_instances_point_into_ms(vpo_root):
    clips = infos(vpo_root, 'msmi', channels='stereo')
    assert [(c['clip_id'], c['frame_paths'][0].split('VPO/')[1], sounds(c)) for c in clips] == [
        ('000000000009-ms', 'VPO-MS/data/000000000009.jpg', [('v1.wav', 0.1)]),
        ('000000000012', 'VPO-MSMI/data/000000000012.jpg', [('v0.wav', 0.7), ('v2.wav', 0.2)])]
    assert clips[0]['mask_paths'][0].endswith('VPO-MS/mask/000000000009.png')


def test_masks_are_looked_up_at_once(vpo_root):
    dataset = VPODataset(data_root=str(vpo_root), subset='ms', split='train',
                         pipeline=[dict(type='LoadFrames'), dict(type='LoadMasks')])
    row = dataset[0]['masks'][0][0]
    # COCO 5 is the airplane, and 5 is also the class id of car: renaming one after the other mixes them up
    names = ['dog'] * 4 + ['background'] + ['car'] * 3 + ['airplane'] * 2
    assert row.tolist() == [VPO_CLASSES.index(n) for n in names] + [255] + [0] * 5


def test_lookup_table():
    lut = coco_lut()
    expected = {0: 'background', 92: 'male', 93: 'female', 94: 'baby', 77: 'cell phone', 24: 'zebra', 3: 'car',
                5: 'airplane'}
    assert {k: VPO_CLASSES[lut[k]] for k in expected} == expected
    assert lut[255] == 255 and lut[1] == 254 and (lut < 22).sum() == 22
    assert sorted(lut[lut < 22].tolist()) == list(range(22))


def test_unknown_coco_id_is_named(vpo_root):
    from PIL import Image
    path = vpo_root / 'VPO-MS/mask/000000000009.png'
    Image.fromarray(np.full((12, 16), 62, dtype=np.uint8)).save(path)
    dataset = VPODataset(data_root=str(vpo_root), subset='ms', split='train',
                         pipeline=[dict(type='LoadFrames'), dict(type='LoadMasks')])
    with pytest.raises(ValueError, match=rf'{path}: found the values \[62\] in 192 pixels, expected \[0, 3, 4, 5, 6'):
        dataset[0]


@pytest.mark.parametrize('old, new, message', [
    ('9,90,car,3,v1,train,0.1', '9,90,car,4,v1,train,0.1', r"found cateName 'car' with cateId 4 at img_Id 9"),
    ('9,90,car,3,v1,train,0.1', '9,90,chair,62,v1,train,0.1', r"found cateName 'chair' with cateId 62"),
    ('9,90,car,3,v1,train,0.1', '9,90,car,3,v1,train,1.5', r"found audio_pos '1.5' at img_Id 9"),
    ('9,90,car,3,v1,train,0.1', '9,90,car,3,v1,train,', r"found audio_pos '' at img_Id 9"),
    ('9,90,car', 'nine,90,car', r"found img_Id 'nine'"),
    ('audio_pos', 'position', r"column 'audio_pos' is missing")])
def test_csv_faults_are_named(vpo_root, old, new, message):
    path = vpo_root / 'VPO-MS/vpo_ms_data_stereo.csv'
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=f'{path}.*{message}'):
        infos(vpo_root, 'ms', channels='stereo')


def test_rows_of_no_split_are_refused(vpo_root):
    path = vpo_root / 'VPO-MS/vpo_ms_data_stereo.csv'
    text = path.read_text()
    path.write_text(text.replace('v0,test', 'v0,tets', 1) + '13,96,dog,18,v0,test,0.3,0\n')
    assert path.read_text().count('tets') == 1
    for split in ('train', 'test'):
        with pytest.raises(ValueError, match=rf"{path}: found split \['tets'\], expected \['train', 'test', 'val'\]; in line 5$"):
            infos(vpo_root, 'ms', split)


def test_missing_column_of_msmi_and_bad_options(vpo_root):
    path = vpo_root / 'VPO-MSMI/vpo_msmi_data_stereo.csv'
    path.write_text(path.read_text().replace('multi_instance', 'multi'))
    with pytest.raises(ValueError, match="column 'multi_instance' is missing"):
        infos(vpo_root, 'msmi')
    with pytest.raises(ValueError, match='subset must be one of'):
        infos(vpo_root, 'mm')
    with pytest.raises(ValueError, match='channels must be'):
        infos(vpo_root, 'ss', channels='quadro')


def test_audio_root(vpo_root, tmp_path):
    elsewhere = tmp_path / 'sounds'
    (tmp_path / 'vggsound_bench/VGGSound/audios').rename(elsewhere)
    with pytest.raises(ValueError, match='audios: found no such folder, expected a folder with the audio file'):
        infos(vpo_root, 'ms')
    assert infos(vpo_root, 'ms', audio_root=str(elsewhere))[0]['audio'][0]['path'] == str(elsewhere / 'v1.wav')


def test_one_row_per_object_in_ss(vpo_root):
    path = vpo_root / 'VPO-SS/vpo_ss_data_stereo.csv'
    lines = path.read_text().splitlines()
    path.write_text('\n'.join([*lines, lines[1]]))
    with pytest.raises(ValueError, match='two rows describe 000000000007_000000000070_v0'):
        infos(vpo_root, 'ss')
