"""The region loss of DDESeg under mixed precision."""
import pytest
import torch

from mmicf.models.ddeseg.losses import region_terms


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(dtype):
    torch.manual_seed(0)
    # One class covers more pixels than float16 counts.
    logits, labels = torch.randn(1, 3, 512, 512), torch.randint(0, 3, (1, 512, 512))
    logits[:, 0] += 5
    exact = region_terms(logits, labels)
    with torch.autocast('cpu', dtype):
        found = region_terms(logits, labels)
    assert all(torch.equal(a, b) for a, b in zip(found, exact, strict=True))
