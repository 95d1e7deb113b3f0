import json
import sys

import pytest

from skillmix_lightning.errors import InputError
from skillmix_lightning.verbs.estimate import main

FIT = ["--model.model=mistralai/Mistral-7B-Instruct-v0.2", "--trainer.accelerator=gpu", "--trainer.strategy=fsdp2"]


@pytest.fixture(autouse=True)
def _no_command_line_of_pytests_own(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["skillmix_lightning"])


def estimated(capsys, *args: str) -> dict:
    main("estimate", [*args, "--json=true"])
    return json.loads(capsys.readouterr().out)


def test_one_json_document_with_the_parts_and_their_peak(capsys):
    document = estimated(capsys, *FIT, "--world_size=4")
    parts = document["bytes_per_rank"]
    assert document["parameters"] == document["trained"] == parts["weights"] == 7_241_732_096
    lasting = parts["weights"] + parts["gradients"] + parts["optimizer"] + parts["copies"] + parts["activations"]
    assert parts["peak"] == lasting + max(parts["recomputed"], parts["logits"])
    assert document["peak_by_activation_checkpointing"]["none"] == parts["peak"]
    assert document["settings"]["sharded"]


def test_files_are_composed_in_order_and_the_command_line_wins(capsys, tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("data:\n  micro_batch_size: 1\n  max_length: 512\n")
    second.write_text("data:\n  micro_batch_size: 2\nckpt_path: last\n")
    settings = estimated(capsys, str(first), str(second), *FIT, "--world_size=2")["settings"]
    assert (settings["rows"], settings["row_tokens"]) == (2, 512)
    settings = estimated(capsys, f"--config={first}", *FIT, "--world_size=2", "--data.micro_batch_size=8")["settings"]
    assert (settings["rows"], settings["row_tokens"]) == (8, 512)


@pytest.mark.parametrize(
    ("args", "ranks"),
    [
        (["--trainer.devices=4", "--trainer.num_nodes=2"], 8),
        (["--trainer.devices=[0,3]"], 2),
        (["--trainer.devices=4", "--world_size=3"], 3),
    ],
)
def test_the_number_of_ranks_is_the_configs_unless_given(capsys, args, ranks):
    assert estimated(capsys, *FIT, *args)["settings"]["ranks"] == ranks


def test_a_micro_batch_by_tokens_is_taken_at_its_longest(capsys):
    args = [*FIT, "--world_size=2", "--data.micro_batch_tokens=8192"]
    padded = estimated(capsys, *args)["settings"]
    assert (padded["rows"], padded["row_tokens"]) == (8, 1024)
    free = estimated(capsys, *args, "--data.layout=padding_free")["settings"]
    assert (free["rows"], free["row_tokens"], free["padding_free"]) == (1, 8192, True)


def test_people_get_a_table(capsys):
    main("estimate", [*FIT, "--world_size=4", "--model.cpu_offload=true"])
    out = capsys.readouterr().out
    for part in ("7,241,732,096 parameters", "optimizer states", "on the CPU", "peak on the device", "selective"):
        assert part in out


def test_unknown_ranks_and_settings_are_one_clear_line():
    with pytest.raises(InputError, match=r"trainer.devices is auto, so the number of ranks is not known; give --world"):
        main("estimate", FIT)
    with pytest.raises(InputError, match="lerning_rate"):
        main("estimate", ["--model.lerning_rate=1"])
    with pytest.raises(InputError, match="--world_size: is 0, and must be at least 1"):
        main("estimate", [*FIT, "--world_size=0"])
