import time

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.profilers import SimpleProfiler
from paper_models import family_model

from skillmix_lightning.callbacks import ThroughputMonitor
from skillmix_lightning.callbacks import throughput as throughput_module
from skillmix_lightning.data.batching import StepCollator
from skillmix_lightning.data.encoding import Example
from skillmix_lightning.errors import InputError
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.training.flops import FlopCount

LENGTHS = (10, 6, 6)
STEPS = 4


class Clock:
    """A clock that the fit below moves: 3 s for every batch fetched, 5 s for every step."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


class Batches(torch.utils.data.IterableDataset):
    """Steps of three examples whose second half is trained; each takes 3 s to come."""

    def __init__(self, clock, layout):
        self.clock = clock
        self.collate = StepCollator(micro_batch_size=2, layout=layout)

    def __iter__(self):
        examples = [Example(tuple(range(n)), tuple(2 * i >= n for i in range(n)), k=1) for n in LENGTHS]
        while True:
            self.clock.now += 3
            yield self.collate(examples)


class Module(SkillMixModule):
    """Has the model, and does nothing in 5 s."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def configure_model(self):
        self.model = family_model("llama")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def training_step(self, batch, batch_idx):
        self.clock.now += 5
        self.optimizers().step()
        counts = [(micro_batch["labels"] != -100).sum() for micro_batch in batch["micro_batches"]]
        return {"example_targets": [self._by_example(m) for m in batch["micro_batches"]], "loss": sum(counts)}

    @staticmethod
    def _by_example(micro_batch):
        count = len(micro_batch["weights"])
        owners = micro_batch["examples"][micro_batch["labels"] != -100]
        return torch.bincount(owners, minlength=count).float()


class Slow(pl.Callback):
    """What is no training: 100 s after every step."""

    def __init__(self, clock):
        self.clock = clock

    def on_train_batch_end(self, *_):
        self.clock.now += 100


@pytest.fixture
def fitted(monkeypatch, tmp_path):
    """Fits and returns the last values logged, and the trainer."""

    def fit(layout="padded", every=1, peak=1e-6, profiler=None):
        clock = Clock()
        monkeypatch.setattr(throughput_module, "time", clock)
        trainer = pl.Trainer(
            accelerator="cpu",
            max_steps=STEPS,
            max_epochs=-1,
            logger=pl.loggers.CSVLogger(tmp_path),
            callbacks=[ThroughputMonitor(peak), Slow(clock)],
            log_every_n_steps=every,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            profiler=profiler,
        )
        trainer.fit(Module(clock), torch.utils.data.DataLoader(Batches(clock, layout), batch_size=None))
        return {name: float(value) for name, value in trainer.callback_metrics.items()}, trainer

    return fit


@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize("layout", ["padded", "padding_free"])
def test_speed_waiting_and_mfu_are_those_of_the_clock(fitted, layout, every):
    values, _ = fitted(layout, every)
    targets = sum(LENGTHS) // 2
    flops = FlopCount.of(family_model("llama")).total(torch.tensor(LENGTHS), torch.tensor(targets)).item()
    assert values["train/target_tokens_per_second"] == pytest.approx(targets / 8)
    assert values["train/data_wait_share"] == pytest.approx(3 / 8)
    assert values["train/mfu"] == pytest.approx(flops / 8 / 1e6)


def test_without_a_known_peak_there_is_no_mfu(fitted):
    values, _ = fitted(peak=None)
    assert "train/mfu" not in values
    assert "train/target_tokens_per_second" in values


def test_the_trainers_own_profiler_goes_on_and_comes_back(fitted):
    profiler = SimpleProfiler()
    _, trainer = fitted(profiler=profiler)
    assert trainer.profiler is profiler
    assert len(profiler.recorded_durations["[_TrainingEpochLoop].train_dataloader_next"]) >= STEPS - 1


def test_repeats_that_keep_ranks_in_step_are_no_work():
    monitor = ThroughputMonitor(1.0)
    monitor._flops = FlopCount(per_token=1, per_target=0, per_pair={})
    examples = [Example(tuple(range(n)), (False,) + (True,) * (n - 1)) for n in (4, 4, 2)]
    work = []
    for rank in range(2):
        batch = StepCollator(micro_batch_size=1, rank=rank, world_size=2)(examples)
        counts = [Module._by_example(micro_batch) for micro_batch in batch["micro_batches"]]
        work.append(monitor._work(batch, counts, torch.device("cpu"))[0].item())
    assert sum(work) == 10


def test_a_peak_must_be_above_0():
    with pytest.raises(InputError, match="peak_tflops is 0"):
        ThroughputMonitor(0.0)


@pytest.mark.gpu
def test_on_a_gpu_a_step_is_timed_by_the_gpu_without_waiting_for_it():
    device = torch.device("cuda")
    matrix = torch.randn(8192, 8192, device=device)
    torch.cuda.synchronize()
    asked = time.perf_counter()
    began = throughput_module.Mark(device)
    for _ in range(20):
        matrix @ matrix
    ended = throughput_module.Mark(device)
    launched = time.perf_counter() - asked
    assert not ended.reached()
    torch.cuda.synchronize()
    assert ended.reached()
    assert began.until(ended) > launched
