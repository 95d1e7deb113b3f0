import json
from pathlib import Path

import pytest

from benchmarks.findings.conditions import CONFIG, TEXTS, Condition, Settings, conditions, evaluate_command, fit_command
from benchmarks.findings.work import carry_out, run_verb
from skillmix_lightning.errors import InputError
from skillmix_lightning.verbs.estimate import read_config

SETTINGS = Settings(steps=3, combinations=2, ks=(1, 2))
DATASET = Path("d123.jsonl")


class Verbs:
    """Does what the verbs leave behind, notes which came, and is killed at one of them if told to."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.came: list[str] = []
        self.killed_at = killed_at

    def __call__(self, arguments, log):
        settings = dict(argument.removeprefix("--").split("=", 1) for argument in arguments if "=" in argument)
        made = {
            "fit": lambda: Path(settings["checkpoint.dirpath"]) / "last",
            "export": lambda: Path(settings["out"]),
            "evaluate": lambda: Path(settings["out"]),
        }[arguments[0]]()
        if arguments[0] == "export":
            assert Path(arguments[1]).is_dir(), "the fit's last checkpoint"
        if arguments[0] == "evaluate" and not settings["student.model"].startswith("embedded:"):
            assert Path(settings["student.model"]).is_dir(), "the exported model"
        self.came.append(f"{arguments[0]} {log.parent.name}")
        if len(self.came) == self.killed_at:
            raise KeyboardInterrupt
        made.mkdir(parents=True)


def work(out: Path, seeds: int, verbs: Verbs, settings: Settings = SETTINGS) -> list[str]:
    said: list[str] = []
    carry_out(conditions(seeds), settings, DATASET, out, said.append, verbs)
    return said


def all_of(name: str) -> list[str]:
    return [f"{verb} {name}" for verb in ("fit", "export", "evaluate")]


def test_the_base_comes_first_and_then_seed_by_seed(tmp_path):
    verbs = Verbs()
    said = work(tmp_path, 2, verbs)
    names = [f"{texts}-seed{seed}" for seed in (0, 1) for texts in ("d1", "d12", "d123", "subset")]
    assert verbs.came == ["evaluate base", *(verb for name in names for verb in all_of(name))]
    assert said[0::2] == [f"{number} of 9, {name}" for number, name in enumerate(["base", *names], start=1)]


def test_weights_are_deleted_once_they_are_scored(tmp_path):
    work(tmp_path, 1, Verbs())
    assert {path.name for path in tmp_path.iterdir()} == {"settings.json", *(c.name for c in conditions(1))}
    assert {path.name for path in (tmp_path / "d1-seed0").iterdir()} == {"fit", "run", "done.json"}
    assert list((tmp_path / "d1-seed0" / "fit").iterdir()) == []
    assert json.loads((tmp_path / "d1-seed0" / "done.json").read_text())["seconds"].keys() == {
        "fit",
        "export",
        "evaluate",
    }


@pytest.mark.parametrize(
    ("killed_at", "left"),
    [
        (5, all_of("d12-seed0")),  # in the fit: it begins anew
        (6, all_of("d12-seed0")),  # in the export
        (7, ["evaluate d12-seed0"]),
    ],
)
def test_the_same_command_goes_on_with_what_is_not_done(tmp_path, killed_at, left):
    with pytest.raises(KeyboardInterrupt):
        work(tmp_path, 1, Verbs(killed_at))
    verbs = Verbs()
    work(tmp_path, 1, verbs)
    assert verbs.came == [*left, *all_of("d123-seed0"), *all_of("subset-seed0")]


def test_more_seeds_add_to_what_is_done(tmp_path):
    work(tmp_path, 1, Verbs())
    verbs = Verbs()
    work(tmp_path, 2, verbs)
    assert verbs.came == [verb for texts in TEXTS for verb in all_of(f"{texts}-seed1")]


def test_results_of_different_settings_are_not_mixed(tmp_path):
    work(tmp_path, 1, Verbs())
    with pytest.raises(InputError, match="holds results of other settings"):
        work(tmp_path, 1, Verbs(), Settings(steps=4, combinations=2, ks=(1, 2)))


def test_fits_differ_in_their_texts_and_their_seed_only(tmp_path, repository, monkeypatch):
    monkeypatch.setattr("sys.argv", ["skillmix_lightning"])
    monkeypatch.chdir(repository)

    def config(texts, seed):
        fit = fit_command(Condition(texts, seed), SETTINGS, DATASET, tmp_path)
        return read_config(fit[1:])

    first = config("subset", 1)
    assert (first.data.ks, first.data.subset, first.data.subset_mix) == ([1, 2, 3], 1200, {3: 300})
    assert (first.seed_everything, first.data.seed, first.data.dataset) == (1, 1, str(DATASET))
    assert (first.trainer.max_steps, first.evaluation.splits) == (3, [])
    other = config("d1", 0)
    assert (other.data.ks, other.data.subset) == ([1], None)
    for same in ("model", "trainer"):
        assert vars(other[same]) == vars(first[same])
    differs = {name for name in vars(first.data) if vars(first.data)[name] != vars(other.data)[name]}
    assert differs == {"ks", "subset", "subset_mix", "seed"}


def test_the_config_says_that_it_belongs_to_the_experiment(repository):
    assert "make findings" in (repository / CONFIG).read_text()


def test_a_verb_that_fails_ends_the_work_with_its_last_words(tmp_path):
    evaluation = evaluate_command("embedded:smollm2-135m-instruct", SETTINGS, tmp_path / "none.jsonl", tmp_path / "run")
    with pytest.raises(InputError, match=r"evaluate ended with status 2, see .*none\.jsonl: the data set cannot be"):
        run_verb(evaluation, tmp_path / "log.txt")
