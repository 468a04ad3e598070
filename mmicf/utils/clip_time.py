"""When a clip's pictures are in view."""
FRAME_OFFSET = 15 / 16  # AVSBench shows the last of 16 pictures of each second


def mask_name(time: float) -> str:
    """File of the mask of the picture at ``time`` seconds; names sort as times do."""
    return f'{time:010.4f}.png'
