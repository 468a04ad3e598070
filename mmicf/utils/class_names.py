"""Class lists and colours of the audio-visual segmentation sets."""
import numpy as np

# AVSBench-semantic, index = class id. The official label2idx.json numbers background 0 and the rest alphabetically.
AVSS_CLASSES = (
    'background', 'accordion', 'airplane', 'axe', 'baby', 'bassoon', 'bell', 'bird', 'boat', 'boy', 'bus', 'car',
    'cat', 'cello', 'clarinet', 'clipper', 'clock', 'dog', 'donkey', 'drum', 'duck', 'elephant', 'emergency-car',
    'erhu', 'flute', 'frying-food', 'girl', 'goose', 'guitar', 'gun', 'guzheng', 'hair-dryer', 'handpan', 'harmonica',
    'harp', 'helicopter', 'hen', 'horse', 'keyboard', 'leopard', 'lion', 'man', 'marimba', 'missile-rocket',
    'motorcycle', 'mower', 'parrot', 'piano', 'pig', 'pipa', 'saw', 'saxophone', 'sheep', 'sitar', 'sorna',
    'squirrel', 'tabla', 'tank', 'tiger', 'tractor', 'train', 'trombone', 'truck', 'trumpet', 'tuba', 'ukulele',
    'utv', 'vacuum-cleaner', 'violin', 'wolf', 'woman'
)

# AVSBench-object, single source: folder names.
S4_CATEGORIES = (
    'baby_laughter', 'female_singing', 'male_speech', 'dog_barking', 'cat_meowing', 'lions_roaring',
    'horse_clip-clop', 'coyote_howling', 'mynah_bird_singing', 'playing_acoustic_guitar', 'playing_tabla',
    'playing_violin', 'playing_piano', 'playing_ukulele', 'playing_glockenspiel', 'helicopter', 'race_car',
    'driving_buses', 'ambulance_siren', 'typing_on_computer_keyboard', 'chainsawing_trees', 'cap_gun_shooting',
    'lawn_mowing'
)

# VPO, index = class id (CAVP's index table).
VPO_CLASSES = (
    'background', 'airplane', 'baby', 'bird', 'bus', 'car', 'cat', 'cell phone', 'cow', 'dog', 'elephant', 'female',
    'horse', 'keyboard', 'male', 'motorcycle', 'mouse', 'sheep', 'skateboard', 'sports ball', 'tennis racket', 'zebra'
)

# Raw mask values of VPO: COCO category ids, with COCO's person split into male (92), female (93) and baby (94).
VPO_COCO_IDS = {
    'car': 3, 'motorcycle': 4, 'airplane': 5, 'bus': 6, 'bird': 16, 'cat': 17, 'dog': 18, 'horse': 19, 'sheep': 20,
    'cow': 21, 'elephant': 22, 'zebra': 24, 'sports ball': 37, 'skateboard': 41, 'tennis racket': 43, 'mouse': 74,
    'keyboard': 76, 'cell phone': 77, 'male': 92, 'female': 93, 'baby': 94
}


def avss_palette() -> np.ndarray:
    """The 71 colours of AVSBench-semantic's ``labels_rgb``, uint8 (71, 3) RGB: PASCAL VOC's bit palette."""
    index = np.arange(len(AVSS_CLASSES))
    palette = np.zeros((len(index), 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            palette[:, channel] |= (((index >> (3 * level + channel)) & 1) << (7 - level)).astype(np.uint8)
    return palette
