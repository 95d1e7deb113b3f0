import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save as save_tensors

from skillmix_lightning.errors import InputError
from skillmix_lightning.training import checkpoints
from skillmix_lightning.training.checkpoints_random import capture, read_random, restore, write_random
from skillmix_lightning.training.checkpoints_tensors import ShardReader, load_optimizer, optimizer_parts, plain_name


def save(path: Path, step: int = 1, content: str = "x") -> Path:
    folder = checkpoints.start(path)
    (folder / "tensors" / "shard").write_text(content)
    checkpoints.complete(path, step, world_size=1, model_name="tiny")
    return path


def test_a_checkpoint_appears_whole_under_its_name(tmp_path):
    folder = checkpoints.start(tmp_path / "a")
    (folder / "tensors" / "shard").write_text("xyz")
    assert not (tmp_path / "a").exists()
    assert checkpoints.newest_first([tmp_path]) == []
    checkpoints.complete(tmp_path / "a", step=7, world_size=2, model_name="tiny")
    mark = checkpoints.read_mark(tmp_path / "a")
    assert (mark.step, mark.world_size, mark.model_name, mark.files) == (7, 2, "tiny", {"tensors/shard": 3})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / "complete.json").unlink(), "holds no complete.json"),
        (lambda path: (path / "complete.json").write_text("{"), "cannot be read"),
        (lambda path: (path / "tensors" / "shard").unlink(), "tensors/shard is missing or cut short"),
        (lambda path: (path / "tensors" / "shard").write_text(""), "tensors/shard is missing or cut short"),
        (lambda path: (path / "complete.json").write_text('{"step": 1}'), "cannot be read"),
        (checkpoints.remove, "no checkpoint folder"),
    ],
)
def test_a_damaged_checkpoint_is_none(tmp_path, damage, said):
    path = save(tmp_path / "a")
    damage(path)
    assert not checkpoints.is_whole(path)
    with pytest.raises(InputError, match=said):
        checkpoints.read_mark(path)


def test_the_newest_is_the_one_of_the_largest_step(tmp_path):
    for name, step in (("a", 3), ("b", 20), ("c", 4)):
        save(tmp_path / name, step)
    (tmp_path / "last").symlink_to("a")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert [path.name for path in checkpoints.newest_first([tmp_path, tmp_path / "none"])] == ["b", "c", "a"]


def test_a_checkpoint_takes_the_place_of_another_of_its_name(tmp_path):
    save(tmp_path / "a", 1)
    save(tmp_path / "a", 2)
    assert checkpoints.read_mark(tmp_path / "a").step == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_recovery_removes_leftovers_and_puts_back_what_was_being_replaced(tmp_path):
    save(tmp_path / "a", 1).rename(tmp_path / ".a.replaced")
    save(tmp_path / "b", 2)
    save(tmp_path / "c", 3).rename(tmp_path / ".b.replaced")
    checkpoints.start(tmp_path / "d")
    save(tmp_path / "e").rename(tmp_path / ".e.removed")
    checkpoints.recover(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert [checkpoints.read_mark(tmp_path / name).step for name in "ab"] == [1, 2]


@dataclass
class Settings:
    rank: int = 4
    where: Path = Path("/x")


def test_values_are_saved_plain_and_come_back(tmp_path):
    value = {
        "counts": {1: [2.5, None, True], ("a", 2): "text"},
        "tuple": (1, 2),
        "set": {3, 1},
        "settings": Settings(),
        "numpy": (np.float64(0.1), np.int32(3)),
        "tensor": torch.arange(3),
    }
    checkpoints.save_plain(value, tmp_path / "v.pt")
    back = checkpoints.load_plain(tmp_path / "v.pt")
    assert torch.equal(back.pop("tensor"), value.pop("tensor"))
    expected = {"set": [1, 3], "settings": {"rank": 4, "where": "/x"}, "numpy": (0.1, 3)}
    assert back == {**value, **expected}


def test_what_only_code_could_bring_back_is_refused_when_it_is_saved(tmp_path):
    with pytest.raises(TypeError, match="the checkpoint, callbacks, mine: a function cannot be saved"):
        checkpoints.save_plain({"callbacks": {"mine": save}}, tmp_path / "v.pt")


class Boom:
    def __reduce__(self):
        return (Path.touch, (Path("boom"),))


def test_an_index_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tensors").mkdir()
    (tmp_path / "tensors" / ".metadata").write_bytes(pickle.dumps(Boom()))
    with pytest.raises(InputError, match=r"\.metadata: cannot be read .*no place in a checkpoint's index"):
        ShardReader(tmp_path)
    assert not (tmp_path / "boom").exists()


def test_a_rank_goes_on_with_its_own_random_numbers(tmp_path):
    (tmp_path / "random").mkdir()
    states = capture()
    write_random(tmp_path, 1, states)
    drawn = (torch.rand(3).tolist(), np.random.rand(3).tolist())
    restore(read_random(tmp_path, 1, 2, 2, step=5))
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist()) == drawn


def test_on_another_number_of_ranks_each_gets_a_stream_of_its_own(tmp_path):
    before = capture()
    streams = [read_random(tmp_path, rank, 3, 4, step=5)["torch"].tolist() for rank in (0, 1, 2, 2)]
    assert streams[2] == streams[3]
    assert len({json.dumps(stream) for stream in streams}) == 3
    assert torch.equal(capture()["torch"], before["torch"])


def test_an_optimizers_state_with_nested_parts_comes_back_by_name(tmp_path):
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(3)).sum().backward()
    optimizer.step()
    optimizer.state[module.weight]["quant"] = {"map": torch.arange(4, dtype=torch.uint8), "blocksize": 256}
    tensors, rest = optimizer_parts(module, optimizer, 0)
    save_tensors(tensors, storage_writer=FileSystemWriter(tmp_path / "tensors"), no_dist=True)
    fresh = torch.optim.Adam(module.parameters())
    load_optimizer(module, fresh, 0, rest, ShardReader(tmp_path), tmp_path)
    nested, expected = (o.state[module.weight].pop("quant") for o in (fresh, optimizer))
    assert nested["blocksize"] == 256
    assert torch.equal(nested["map"], expected["map"])
    for parameter in module.parameters():
        for key, value in optimizer.state[parameter].items():
            assert torch.equal(fresh.state[parameter][key], value), key
    split = torch.optim.Adam([{"params": [module.bias]}, {"params": [module.weight]}])
    with pytest.raises(InputError, match="other parameter groups"):
        load_optimizer(module, split, 0, rest, ShardReader(tmp_path), tmp_path)


def test_names_are_the_plain_models():
    assert plain_name("model.layers.0._orig_mod._checkpoint_wrapped_module.mlp.weight") == "model.layers.0.mlp.weight"
