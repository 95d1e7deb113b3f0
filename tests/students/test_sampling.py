import torch

from skillmix_lightning.students.sampling import SampleRows, hash_seed

ROWS = 20_000
SCORES = torch.tensor([2.0, 0.5, -torch.inf, 1.0, -3.0])


def drawn(temperature, seeds, steps=1):
    sampler = SampleRows(temperature, seeds, steps)
    scores = SCORES.expand(len(seeds), -1)
    return torch.stack([sampler(torch.empty(len(seeds), 0), scores).argmax(-1) for _ in range(steps)])


def test_tokens_are_drawn_as_often_as_the_softmax_says():
    for temperature in (0.7, 2.0):
        often = drawn(temperature, range(ROWS)).flatten().bincount(minlength=5) / ROWS
        expected = (SCORES / temperature).softmax(-1)
        assert (often - expected).abs().max() < 4 * (0.25 / ROWS) ** 0.5
        assert often[2] == 0


def test_a_rows_tokens_depend_on_its_seed_alone():
    together = drawn(1.0, [5, 6, 7], steps=8)
    assert torch.equal(drawn(1.0, [6], steps=8)[:, 0], together[:, 1])
    assert not torch.equal(together[:, 0], together[:, 2])


def test_a_seed_is_decided_by_its_parts():
    assert hash_seed(0, "a", 1) == hash_seed(0, "a", 1)
    assert len({hash_seed(0, "a", 1), hash_seed(1, "a", 0), hash_seed(0, "a1")}) == 3
    assert 0 <= hash_seed("x") < 2**63
