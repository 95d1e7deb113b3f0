"""Pre-training text, mixed into the steps of a fit to keep a model's general ability (arXiv 2409.19808, section 3.2).

The paper names neither its corpus nor its ratio, so there is no default. Documents are tokenized once into a cache
beside the checkpoints, which is then mapped into memory: any piece is at hand by its number, on every rank and after
every restart, however large the corpus.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from filelock import FileLock
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from skillmix_lightning.data.encoding import Example
from skillmix_lightning.errors import InputError
from skillmix_lightning.models import embedded_root
from skillmix_lightning.pipeline.documents import documents, fingerprint

#: Documents tokenized at once.
_BATCH = 256


@dataclass(frozen=True)
class PretrainingText:
    """What text to mix in, and how much of it.

    Attributes:
        data: a `.jsonl` or `.parquet` file, a folder of such files, or the name of a data set on the Hugging Face hub.
        ratio: share of the examples of every step that are pieces of it, exact in the long run.
        text_field: the field or column that holds a document.
        weight: of its tokens in the loss, beside 1 for those of k-skill texts.
        max_length: of a piece, in tokens; None: the data module's.
        max_tokens: take documents from the start until there are so many tokens; None takes all.
        hub_config: of a hub data set that has several.
        hub_split: of a hub data set.
    """

    data: str
    ratio: float
    text_field: str = "text"
    weight: float = 1.0
    max_length: int | None = None
    max_tokens: int | None = None
    hub_config: str | None = None
    hub_split: str = "train"

    def problems(self) -> list[str]:
        """What is out of range."""
        found = []
        if not 0 < self.ratio < 1:
            found.append(f"pretraining.ratio is {self.ratio}, and must be above 0 and below 1")
        if not self.weight > 0:
            found.append(f"pretraining.weight is {self.weight}, and must be above 0")
        if self.max_length is not None and self.max_length < 2:
            found.append(f"pretraining.max_length is {self.max_length}, and must be at least 2")
        if self.max_tokens is not None and self.max_tokens < 2:
            found.append(f"pretraining.max_tokens is {self.max_tokens}, and must be at least 2")
        return found


class Pieces:
    """Pieces of documents by number, each an example whose every token but the first is a target.

    Args:
        folder: of the cache.
        weight: of the examples.
    """

    def __init__(self, folder: Path, weight: float) -> None:
        self.weight = weight
        self._ends: NDArray[np.int64] = np.fromfile(folder / "ends.bin", dtype=np.int64)
        self._tokens: NDArray[np.uint32] = np.memmap(folder / "tokens.bin", dtype=np.uint32, mode="r")

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Example:
        start = int(self._ends[index - 1]) if index else 0
        ids = tuple(self._tokens[start : int(self._ends[index])].tolist())
        return Example(ids, (False, *(True for _ in ids[1:])), source="pretraining", weight=self.weight)

    @property
    def tokens(self) -> int:
        """Of all pieces."""
        return int(self._ends[-1])


def pretraining_pieces(settings: PretrainingText, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Pieces:
    """Opens the pieces of a corpus; tokenizes it first where that was not done. Safe for several processes at once.

    A document begins as the tokenizer begins any text (Llama and Mistral: with BOS) and ends without a token of its
    own: the EOS of a chat model ends turns. Characters that spell a special token stay characters. Pieces of a single
    token, which would have no target, are left out.

    Args:
        settings: what to read.
        tokenizer: of the model to train.
        max_length: of a piece where the settings name none.

    Raises:
        InputError: the text cannot be read or is empty, or the cache cannot be written.
    """
    length = settings.max_length or max_length
    key = {
        "data": fingerprint(settings.data, settings.hub_config, settings.hub_split),
        "text_field": settings.text_field,
        "tokenizer": hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
        "max_length": length,
        "max_tokens": settings.max_tokens,
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = embedded_root().parent / "pretraining" / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{name}.lock")):
            if not folder.exists():
                _tokenize(settings, tokenizer, length, folder, key)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); set SKILLMIX_CHECKPOINTS") from None
    return Pieces(folder, settings.weight)


def _tokenize(
    settings: PretrainingText, tokenizer: PreTrainedTokenizerBase, length: int, folder: Path, key: dict[str, object]
) -> None:
    """Writes the cache; the folder appears when it is whole."""
    rank_zero_info(f"tokenizing the pre-training text {settings.data} into {folder}")
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        total = 0
        with (unfinished / "tokens.bin").open("wb") as tokens, (unfinished / "ends.bin").open("wb") as ends:
            for piece in _cut(settings, tokenizer, length):
                if settings.max_tokens is not None and total + len(piece) > settings.max_tokens:
                    break
                total += len(piece)
                tokens.write(np.asarray(piece, dtype=np.uint32).tobytes())
                ends.write(np.int64(total).tobytes())
        if not total:
            raise InputError(
                f"{settings.data}: no document of it has two tokens, or fewer than --data.pretraining.max_tokens"
            )
        (unfinished / "key.json").write_text(json.dumps(key, indent=1, sort_keys=True) + "\n")
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _cut(settings: PretrainingText, tokenizer: PreTrainedTokenizerBase, length: int) -> Iterator[list[int]]:
    texts = documents(settings.data, settings.text_field, settings.hub_config, settings.hub_split)
    while batch := list(islice(texts, _BATCH)):
        for ids in tokenizer(batch, split_special_tokens=True, verbose=False)["input_ids"]:
            for start in range(0, len(ids), length):
                if len(piece := ids[start : start + length]) > 1:
                    yield piece
