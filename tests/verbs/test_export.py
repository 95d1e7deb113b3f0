import pytest

from skillmix_lightning.errors import InputError
from skillmix_lightning.verbs import export


def test_the_command_line_reaches_the_exporter(monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr(export, "export_checkpoint", lambda *args: asked.append(args) or {"model.safetensors": 10**9})
    export.main("export", ["ckpt", "--out", "hf", "--dtype", "bfloat16", "--max_shard_size", "1GB"])
    ((checkpoint, out, dtype, size),) = asked
    assert (str(checkpoint), str(out), dtype, size) == ("ckpt", "hf", "bfloat16", "1GB")
    assert capsys.readouterr().out == "hf: 1.00 GB in 1 files\n"


@pytest.mark.parametrize("args", [["ckpt"], ["--out", "hf"], ["ckpt", "--out", "hf", "--dtype", "int3"]])
def test_bad_usage_is_one_line(args):
    with pytest.raises(InputError) as caught:
        export.main("export", args)
    assert "\n" not in str(caught.value)


def test_no_checkpoint_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no checkpoint folder"):
        export.main("export", [str(tmp_path / "none"), "--out", str(tmp_path / "hf")])
