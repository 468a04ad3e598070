"""What the query decoder starts from, and the order in which it visits the levels."""
import torch

from mmicf.models.decode_heads import BidirectionalQueryDecoder

SHAPES = [(2, 3), (4, 6), (8, 12)]  # coarse to fine


def decode(num_layers):
    """Decoder, its states on random inputs, the audio tokens and the levels that masks were asked for."""
    torch.manual_seed(0)
    decoder = BidirectionalQueryDecoder(embed_dims=32, num_queries=5, num_layers=num_layers, num_heads=4, ffn_dims=64)
    audio, asked = torch.randn(3, 32), []

    def everywhere(query, shape):
        asked.append(shape)
        return torch.ones(*query.shape[:2], shape[0] * shape[1], dtype=torch.bool)

    memory = [torch.randn(3, 32, *shape) for shape in SHAPES]
    return decoder, decoder(torch.randn(3, 32, 16, 24), memory, audio, everywhere), audio, asked


def test_queries_start_with_the_sound_of_their_frame():
    decoder, states, audio, _ = decode(1)
    start = states.queries[0]
    assert torch.equal(start[:, :-1], decoder.query_feat.weight + audio[:, None])
    assert torch.equal(start[:, -1], audio)


def test_layers_visit_the_levels_from_coarse_to_fine_again_and_again():
    assert decode(7)[-1] == [*SHAPES, *SHAPES, SHAPES[0]]
