"""Operations counted by hand; parameters of hidden towers and training-only parts told apart."""
import torch
from torch import nn
from torch.nn import functional as F

from mmicf.utils.complexity import count_flops
from mmicf.utils.model_parts import all_modules, count_parameters, training_only_names


class Attention(nn.Module):
    """One self-attention by torch's module, one by the bare function, a convolution and a view of a parameter."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.conv = nn.Conv1d(32, 16, 3, padding=1)
        self.query = nn.Parameter(torch.zeros(10, 32))

    def forward(self, x):  # (2, 10, 32)
        x = self.attention(x + self.query[None], x, x, need_weights=False)[0]
        heads = x.unflatten(2, (4, 8)).transpose(1, 2)
        x = F.scaled_dot_product_attention(heads, heads, heads).transpose(1, 2).flatten(2)
        return self.conv(x.transpose(1, 2))


def test_flops_by_hand():
    model = Attention().eval()
    projections = 4 * 2 * (2 * 10) * 32 * 32
    products = 2 * 2 * (2 * 4) * 10 * 10 * 8
    conv = 2 * 2 * 10 * 16 * 32 * 3
    fast = torch.backends.mha.get_fastpath_enabled()
    flops = count_flops(model, lambda: model(torch.randn(2, 10, 32)))
    assert flops[''] == projections + 2 * products + conv
    assert flops['attention'] == projections + products and flops['conv'] == conv
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert all(p.requires_grad for p in model.parameters())


class Host(nn.Module):

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(2, 3)
        self.shared = self.backbone
        self.icf = nn.Linear(5, 7, bias=False).requires_grad_(False)
        self.icf.__dict__['tower'] = nn.Sequential(nn.Linear(11, 13, bias=False)).requires_grad_(False)


def test_parameters_with_a_tower_outside_of_the_module_tree():
    model = Host()
    assert count_parameters(model) == (9 + 35 + 143, 9)
    assert count_parameters(model.icf) == (35 + 143, 0)
    assert len(list(model.parameters())) == 3 and len({id(m) for m in all_modules(model)}) == 5
    assert training_only_names(model) == ('icf', )
    model.icf.text_in_decoder = True
    assert training_only_names(model) == ()
    model.icf = None
    assert training_only_names(model) == ()
