"""What tokens cost: a table of prices that a user's file can add to and correct.

A prices file maps model names to US dollars per million tokens:

    my-model:
      input: 2.50
      output: 10.00
      cached_input: 1.25   # input tokens that the provider had in its own cache; as input if left out
      batch: 0.5           # the Batch API: a factor on both, or {input: 1.25, output: 5.00}; no discount if left out
      as_of: 2026-01-31    # optional, for the reader, like source
      source: https://…

A model that costs nothing (a server of one's own) is one with `input: 0` and `output: 0`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from skillmix_lightning.errors import InputError, raise_all

_BUILT_IN = Path(__file__).with_name("prices.yaml")
_KEYS = ("input", "output", "cached_input", "batch", "as_of", "source")
_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$")
_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """The price of a model's tokens, in dollars per million.

    Attributes:
        input: of prompt tokens.
        output: of completion tokens.
        cached_input: of prompt tokens that the provider had in its cache.
        batch_input: of prompt tokens in the Batch API.
        batch_output: of completion tokens in the Batch API.
        as_of: when the price was looked up; empty if the file does not say.
        source: where.
    """

    input: float
    output: float
    cached_input: float
    batch_input: float
    batch_output: float
    as_of: str = ""
    source: str = ""

    def cost(self, usage: Mapping[str, Any], batch: bool = False) -> float:
        """What a call costs, in dollars.

        Args:
            usage: "prompt_tokens" and "completion_tokens", and "cached_tokens" for how many of the prompt's were in the
                provider's cache. Batches are reckoned without that discount.
            batch: whether the call went through the Batch API.
        """
        prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        if batch:
            return float(prompt * self.batch_input + completion * self.batch_output) / _MILLION
        cached = min(usage.get("cached_tokens", 0), prompt)
        fresh = prompt - cached
        return float(fresh * self.input + cached * self.cached_input + completion * self.output) / _MILLION

    def cost_at_most(self, prompt_tokens: int, completion_tokens: int, batch: bool = False) -> float:
        """What a call of at most so many tokens can cost, in dollars, whatever the provider has in its cache."""
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
        return max(self.cost(usage, batch), self.cost({**usage, "cached_tokens": prompt_tokens}, batch))


@dataclass(frozen=True)
class Prices:
    """The prices of models by name.

    Attributes:
        models: name to price.
    """

    models: Mapping[str, Price]

    def of(self, model: str) -> Price | None:
        """A model's price, None if it is unknown.

        That of the very name; else, for a dated name such as gpt-4o-2024-08-06, that of the name without its date.
        """
        return self.models.get(model) or self.models.get(undated(model))

    def cost(self, model: str, usage: Mapping[str, Any], batch: bool = False) -> float | None:
        """What a call costs, in dollars, None if the model's price is unknown; `usage` as in `Price.cost`."""
        price = self.of(model)
        return None if price is None else price.cost(usage, batch)


def undated(model: str) -> str:
    """A model's name without the date at its end: "gpt-4" for "gpt-4-0613", "gpt-4o" for "gpt-4o-2024-08-06"."""
    return _DATED.sub("", model)


def load_prices(path: str | None = None) -> Prices:
    """The built-in prices, with those of a user's file in their place or added.

    Args:
        path: of the file; None for the built-in prices alone.

    Raises:
        InputError: the file cannot be read or has problems; all are listed.
    """
    models = _read(_BUILT_IN)
    if path is not None:
        models |= _read(Path(path).expanduser())
    return Prices(models)


def _read(path: Path) -> dict[str, Price]:
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InputError(f"--prices {path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"--prices {path}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise InputError(f"--prices {path}: must map model names to prices, such as my-model: {{input: 1, output: 2}}")
    problems = [problem for model, entry in content.items() for problem in _problems(model, entry)]
    raise_all(f"--prices {path}", problems)
    return {model: _price(entry) for model, entry in content.items()}


def _problems(model: object, entry: object) -> list[str]:
    if not isinstance(model, str):
        return [f"the model name {model!r} is no text; put it into quotes"]
    if not isinstance(entry, dict):
        return [f"{model}: must have the keys input and output, in dollars per million tokens"]
    problems = [f'{model}: unknown key "{key}"; known: {", ".join(_KEYS)}' for key in entry if key not in _KEYS]
    problems += [f"{model}: {key} is missing" for key in ("input", "output") if key not in entry]
    numbers = {key: entry[key] for key in ("input", "output", "cached_input") if key in entry}
    batch = entry.get("batch")
    if isinstance(batch, dict):
        if set(batch) != {"input", "output"}:
            problems.append(f"{model}: batch must be a factor, or have the keys input and output")
        numbers |= {f"batch {key}": value for key, value in batch.items()}
    elif "batch" in entry:
        numbers["batch"] = batch
    problems += [
        f"{model}: {key} is {value!r}, and must be a number from 0 up"
        for key, value in numbers.items()
        if not _is_amount(value)
    ]
    return problems


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _price(entry: Mapping[str, Any]) -> Price:
    batch = entry.get("batch", 1)
    if not isinstance(batch, dict):
        batch = {key: entry[key] * batch for key in ("input", "output")}
    return Price(
        input=float(entry["input"]),
        output=float(entry["output"]),
        cached_input=float(entry.get("cached_input", entry["input"])),
        batch_input=float(batch["input"]),
        batch_output=float(batch["output"]),
        as_of=str(entry.get("as_of", "")),
        source=str(entry.get("source", "")),
    )
