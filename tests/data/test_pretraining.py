import json
import os
import sys
from types import SimpleNamespace

import pytest
from families import mistral_tokenizer
from tiny import tiny_tokenizer

from skillmix_lightning.data import pretraining
from skillmix_lightning.data.pretraining import PretrainingText, pretraining_pieces
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.documents import documents

DOCUMENTS = ["The seam holds and the thread runs on.", "Beans.", "Knots are tied, and tied again, by every hand."]
TOKENIZER = tiny_tokenizer()


@pytest.fixture(autouse=True)
def checkpoints(tmp_path, monkeypatch):
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path / "checkpoints"))


def write(path, texts=DOCUMENTS, field="text"):
    path.write_text("".join(json.dumps({field: text}) + "\n" for text in texts), encoding="utf-8")
    return path


def pieces_of(path, max_length=1024, tokenizer=TOKENIZER, **settings):
    return pretraining_pieces(PretrainingText(str(path), ratio=0.5, **settings), tokenizer, max_length)


def test_a_document_that_fits_is_one_piece_and_all_its_tokens_but_the_first_are_targets(tmp_path):
    pieces = pieces_of(write(tmp_path / "d.jsonl"), weight=0.5)
    assert [TOKENIZER.decode(pieces[i].input_ids) for i in range(len(pieces))] == DOCUMENTS
    first = pieces[0]
    assert first.targets == (False, *[True] * (len(first) - 1))
    assert (first.source, first.k, first.weight) == ("pretraining", None, 0.5)


def test_longer_documents_are_cut_into_pieces_that_together_are_the_document(tmp_path):
    pieces = pieces_of(write(tmp_path / "d.jsonl"), max_length=4)
    assert max(map(len, pieces)) == 4
    whole = [token for text in DOCUMENTS for token in TOKENIZER(text)["input_ids"]]
    read = [token for piece in pieces for token in piece.input_ids]
    left_out = [len(TOKENIZER(text)["input_ids"]) % 4 == 1 for text in DOCUMENTS]
    assert len(read) == len(whole) - sum(left_out) == pieces.tokens


def test_a_document_begins_with_bos_where_the_tokenizer_writes_one_and_spelled_special_tokens_are_text(tmp_path):
    tokenizer = mistral_tokenizer()
    pieces = pieces_of(write(tmp_path / "d.jsonl", ["</s> ends <s>turns"]), tokenizer=tokenizer)
    assert pieces[0].input_ids.count(tokenizer.bos_token_id) == 1
    assert pieces[0].input_ids[0] == tokenizer.bos_token_id
    assert tokenizer.eos_token_id not in pieces[0].input_ids


def test_the_corpus_is_tokenized_once_and_again_when_it_or_the_length_changes(tmp_path, monkeypatch):
    path = write(tmp_path / "d.jsonl")
    first = list(pieces_of(path))
    tokenized = []
    monkeypatch.setattr(pretraining, "rank_zero_info", tokenized.append)
    assert list(pieces_of(path)) == first
    assert tokenized == []
    pieces_of(path, max_length=7)
    write(path, ["Beans."])
    os.utime(path, ns=(0, 0))
    assert len(pieces_of(path)) == 1
    assert len(tokenized) == 2


def test_a_cache_that_was_not_finished_is_not_taken_for_one(tmp_path, monkeypatch):
    path = write(tmp_path / "d.jsonl", [*DOCUMENTS])

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pretraining.json, "dumps", stop)
        with pytest.raises(KeyboardInterrupt):
            pieces_of(path)
    assert len(pieces_of(path)) == 3


def test_a_token_limit_takes_the_first_documents(tmp_path):
    path = write(tmp_path / "d.jsonl")
    whole = pieces_of(path)
    limited = pieces_of(path, max_tokens=len(whole[0]) + len(whole[1]) + 1)
    assert list(limited) == [whole[0], whole[1]]


def test_parquet_files_and_folders_are_read_like_jsonl_files(tmp_path):
    folder = tmp_path / "corpus" / "deep"
    folder.mkdir(parents=True)
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(
        pytest.importorskip("pyarrow").table({"body": DOCUMENTS[:2], "n": [1, 2]}), folder / "a.parquet"
    )
    write(folder / "b.jsonl", DOCUMENTS[2:], field="body")
    (folder / "notes.txt").touch()
    assert list(documents(str(tmp_path / "corpus"), "body", None, "train")) == DOCUMENTS
    with pytest.raises(InputError, match=r'a\.parquet: no text in the field "text", there are \[\'body\', \'n\'\]'):
        list(documents(str(folder), "text", None, "train"))


def test_a_folder_of_texts_has_a_document_in_each(tmp_path):
    for name, text in zip("abc", DOCUMENTS, strict=False):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    assert list(documents(str(tmp_path), "text", None, "train")) == DOCUMENTS[:3]
    assert list(documents(str(tmp_path / "b.txt"), "text", None, "train")) == DOCUMENTS[1:2]
    (tmp_path / "b.txt").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"b\.txt: is no text in UTF-8"):
        list(documents(str(tmp_path), "text", None, "train"))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda folder: folder / "none.jsonl", "none.jsonl: no such file or folder"),
        (lambda folder: folder, "the folder holds no .jsonl, .parquet or .txt file"),
        (lambda folder: write(folder / "d.md"), "documents are read from .jsonl, .parquet and .txt files"),
        (lambda folder: write(folder / "d.jsonl", field="body"), 'line 1: no text in the field "text"'),
        (lambda folder: write(folder / "d.jsonl", [""]), "no document of it has two tokens"),
        (lambda folder: write(folder / "d.parquet"), "d.parquet: cannot be read"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_one_clear_line(tmp_path, make, problem):
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(InputError) as error:
        pieces_of(make(folder))
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_rows_of_a_hub_data_set_are_streamed_in_its_order(monkeypatch):
    asked = []

    def load_dataset(*names, **options):
        asked.append((*names, options))
        return iter([{"text": text, "url": "x"} for text in DOCUMENTS])

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    pieces = pieces_of("somebody/text", hub_config="en")
    assert len(pieces) == 3
    assert asked == [("somebody/text", "en", {"split": "train", "streaming": True})]


def test_a_hub_data_set_that_cannot_be_reached_is_one_clear_line():
    pytest.importorskip("datasets")
    with pytest.raises(InputError, match="somebody/text: the data set cannot be read from the hub") as error:
        pieces_of("somebody/text")
    assert "\n" not in str(error.value)


def test_a_hub_name_without_the_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r'somebody/text: .* install the extra "text"'):
        pieces_of("somebody/text")
