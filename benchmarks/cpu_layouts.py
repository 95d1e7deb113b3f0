"""Training speed on the CPU by attention implementation and micro-batch size: python benchmarks/cpu_layouts.py

The work is the same in every cell: optimizer steps of 8 texts of the embedded data set, forward, loss at target
positions, backward and fused Adam of SmolLM2-135M in fp32. Cells take turns over several rounds, so that what else the
machine does falls on all of them; the table gives the median of the rounds and their range.
"""

import itertools
import statistics
import time

import torch
from rich.console import Console
from rich.table import Table

from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.training import SkillMixModule

ATTENTION = ("eager", "sdpa")
MICRO_BATCHES = (1, 2, 4, 8)
ROUNDS = 3
STEPS = 2
MODEL = "embedded:smollm2-135m-instruct"


def main() -> None:
    """Measures every cell and prints the table."""
    cells = list(itertools.product(ATTENTION, MICRO_BATCHES))
    speeds: dict[tuple[str, int], list[float]] = {cell: [] for cell in cells}
    data = SkillMixDataModule(tokenizer=MODEL, global_batch_size=8)
    data.prepare_data()
    data.setup("fit")
    modules = {attention: _module(attention) for attention in ATTENTION}
    for _ in range(ROUNDS):
        for attention, micro_batch_size in cells:
            data.micro_batch_size = micro_batch_size
            speeds[attention, micro_batch_size].append(_tokens_per_second(modules[attention], data))
    table = Table(title=f"tokens/s, median of {ROUNDS} rounds (range), {torch.get_num_threads()} threads")
    table.add_column("micro-batch")
    for attention in ATTENTION:
        table.add_column(attention)
    for micro_batch_size in MICRO_BATCHES:
        row = [speeds[attention, micro_batch_size] for attention in ATTENTION]
        table.add_row(str(micro_batch_size), *(f"{statistics.median(s):.0f} ({min(s):.0f}-{max(s):.0f})" for s in row))
    Console().print(table)


def _module(attention: str) -> SkillMixModule:
    module = SkillMixModule(MODEL, attn_implementation=attention)
    module.configure_model()
    return module


def _tokens_per_second(module: SkillMixModule, data: SkillMixDataModule) -> float:
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-6, fused=True)
    steps = list(itertools.islice(data.train_dataloader(), STEPS))
    tokens = sum(int(step["step_tokens"]) for step in steps)
    began = time.perf_counter()
    for step in steps:
        for micro_batch in step["micro_batches"]:
            module.micro_batch_loss(micro_batch, step["step_targets"]).backward()
        optimizer.step()
        optimizer.zero_grad()
    return tokens / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
