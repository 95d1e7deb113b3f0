"""What the data module's settings must fulfil, checked together before anything is read."""

from typing import TYPE_CHECKING

from skillmix_lightning.errors import raise_all

if TYPE_CHECKING:
    from skillmix_lightning.data.datamodule import SkillMixDataModule


def check_settings(data: "SkillMixDataModule") -> None:
    """Checks the settings against their ranges and each other.

    Raises:
        InputError: some are out of range or contradict each other; all are listed.
    """
    counts = {
        "global_batch_size": data.global_batch_size,
        "micro_batch_size": data.micro_batch_size,
        "subset": data.subset,
        **{f"subset_mix of k = {k}": count for k, count in data.subset_mix.items()},
        **{f"ks[{place}]": k for place, k in enumerate(data.ks or [])},
    }
    problems = [
        f"{name} is {value}, and must be at least 1"
        for name, value in counts.items()
        if value is not None and value < 1
    ]
    if data.max_length < 2:
        problems.append(f"max_length is {data.max_length}, and must be at least 2")
    if not 0 <= data.validation_share < 1:
        problems.append(f"validation_share is {data.validation_share}, and must be at least 0 and below 1")
    problems += _empty_or_doubled(data)
    longest = data.max_length
    if data.pretraining is not None:
        problems += data.pretraining.problems()
        longest = max(longest, data.pretraining.max_length or 0)
    if data.micro_batch_tokens is not None and data.micro_batch_tokens < longest:
        problems.append(
            f"micro_batch_tokens is {data.micro_batch_tokens}, and must be at least {longest}, the longest example's "
            "(max_length)"
        )
    if data.subset_mix and data.subset is None:
        problems.append("subset_mix is given without subset; give the subset's size too")
    if data.ks and (strange := sorted(set(data.subset_mix) - set(data.ks))):
        problems.append(f"subset_mix names k = {', '.join(map(str, strange))}, which ks leaves out")
    raise_all("--data", problems)


def _empty_or_doubled(data: "SkillMixDataModule") -> list[str]:
    problems = []
    if not data.datasets:
        problems.append("dataset is an empty list; name at least one")
    if doubled := sorted({name for name in data.datasets if data.datasets.count(name) > 1}):
        problems.append(f"dataset names {', '.join(doubled)} more than once")
    if data.ks == []:
        problems.append("ks is an empty list; give null for all")
    return problems
