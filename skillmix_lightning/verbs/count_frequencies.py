"""`count-frequencies CORPUS`: how often skills and topics occur in a corpus, for `compare --frequencies`.

Code decides the skills of the verifiable catalogue. For others a sample of documents is graded, in three commands:
`count-frequencies CORPUS --sample 200 --sample_out RUN`, `grade RUN --grader …`, and `count-frequencies CORPUS --graded
RUN-by-…`, so that paying, stopping and going on are those of `grade`.
"""

import json as jsonlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from skillmix_lightning.catalogue import Catalogue, load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.corpus import CORPUS, LONGEST, count, count_graded, sample, undecidable
from skillmix_lightning.pipeline.documents import documents as documents_of
from skillmix_lightning.report.comparison import frequencies_table
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.scoring.comparable import RunRecords
from skillmix_lightning.scoring.frequencies import Counted, write_frequencies
from skillmix_lightning.verbs.parser import parse
from skillmix_lightning.verbs.synthesize import writable

_SHOWN = 3


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    count_frequencies(**parse(verb, count_frequencies, args, {"corpus": "one"}))


def count_frequencies(
    corpus: str,
    catalogue: str = "verifiable",
    out: str | None = None,
    sentences: int = 3,
    documents: float | None = None,
    limit: int | None = None,
    text_field: str = "text",
    sample: int | None = None,
    sample_out: str | None = None,
    graded: str | None = None,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Counts the documents of a corpus that show each skill or name each topic, and writes what the parrot bound reads.

    Of what no document shows, the upper end of its 95% interval is written, so that the bound stays one.

    Args:
        corpus: a .jsonl, .parquet or .txt file, a folder of them, or a hub data set's name.
        catalogue: verifiable, language, or a path.
        out: the YAML or CSV file to write.
        sentences: how long a stretch of a document may be to show a skill: max(1, k - 1) for texts of k skills. For
            several ks take that of the largest.
        documents: L, how many documents the student's training corpus holds; by default as many as were counted.
        limit: of documents, from the first; all by default.
        text_field: the field or column that holds a document.
        sample: instead of counting, draw so many documents for a grader to decide the skills that code cannot.
        sample_out: the folder of the run to make of them.
        graded: that run, graded; its skills are counted in the sample.
        seed: of the draw.
        json: print one JSON document instead of a table.

    Raises:
        InputError: a setting cannot work, the corpus cannot be read or holds no document, or a file cannot be written.
    """
    known = load_catalogue(catalogue)
    lowest = {"sentences": sentences, "documents": documents, "limit": limit, "sample": sample}
    for name, number in lowest.items():
        if number is not None and number < 1:
            raise InputError(f"--{name} {number}: must be at least 1")
    if (sample is None) != (sample_out is None):
        raise InputError("--sample and --sample_out go together: how many documents, and the folder of their run")
    if (out is None) == (sample is None):
        raise InputError("give --out FILE to count, or --sample and --sample_out to draw documents for a grader")
    read = islice(documents_of(corpus, text_field, None, "train"), limit)
    if sample_out is not None and sample is not None:
        _draw(read, corpus, catalogue, known, sample, Path(sample_out), seed, json)
        return
    assert out is not None, "one of the two is given"
    by_grader = [] if graded is None else _by_grader(graded, known)
    with _bar() as bar:
        found = count(_shown_on(bar, read), known, sentences)
    rows = [*found.counted, *by_grader]
    rows.sort(key=lambda row: row.kind)
    source = f"{corpus}: {found.documents} documents, stretches of {sentences} sentences; catalogue {catalogue}"
    write_frequencies(Path(out), documents or found.documents, rows, source)
    lacking = [name for name in undecidable(known) if name not in {row.name for row in by_grader}]
    _show(rows, found.documents, lacking, out, json)


def _draw(
    read: Iterable[str], corpus: str, name: str, catalogue: Catalogue, size: int, out: Path, seed: int, json: bool
) -> None:
    if not undecidable(catalogue):
        raise InputError(f"--catalogue {name}: code decides each of its skills; count without --sample")
    if Run(out).manifest_file.exists():
        raise InputError(f"--sample_out {out}: holds a run already; give a folder of its own")
    with _bar() as bar:
        texts = sample(_shown_on(bar, read), catalogue, size, seed)
    if not texts:
        raise InputError(f"{corpus}: holds no document")
    drawn = len({text.text for text in texts})
    plan = {"catalogue": name, "seed": seed, "gradings": 1}
    manifest = {"plan": plan, "catalogue_id": catalogue.id, "student": CORPUS, "sampled_from": corpus}
    with writable(), writing(out):
        run = Run.start(out, manifest, "never")
        run.add_compositions(texts)
    if json:
        jsonlib.dump({"run": str(out), "documents": drawn, "texts": len(texts)}, sys.stdout)
        print()
        return
    cut = sum(len(text.text) == LONGEST for text in texts)
    print(f"{out}: {drawn:,} documents, {len(texts):,} texts to grade ({cut:,} of them cut at {LONGEST:,} characters)")
    print(f"have `grade {out} --grader EndpointGrader …` grade them, then count with --graded")


def _by_grader(folder: str, catalogue: Catalogue) -> list[Counted]:
    records = RunRecords.read(folder)
    if (of := records.manifest.get("catalogue_id")) != catalogue.id:
        raise InputError(f"--graded {folder}: is of another catalogue ({of}) than --catalogue ({catalogue.id})")
    if {text.student for text in records.compositions} != {CORPUS}:
        raise InputError(f"--graded {folder}: holds no documents of a corpus; give what --sample_out made, graded")
    return count_graded(records.compositions, records.grades)


def _show(rows: Sequence[Counted], documents: int, lacking: Sequence[str], out: str, json: bool) -> None:
    if json:
        counted = [{**asdict(row), "frequency": row.frequency, "ci95": row.ci95} for row in rows]
        document = {"file": out, "documents": documents, "counted": counted, "not_counted": list(lacking)}
        jsonlib.dump(document, sys.stdout, indent=2)
        print()
        return
    Console().print(frequencies_table([row for row in rows if row.kind == "skill"]))
    topics = [row for row in rows if row.kind == "topic"]
    print(f"topics: {sum(row.shown > 0 for row in topics)} of {len(topics)} are named in a document")
    print(f"{out}: {documents:,} documents")
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        print(f"not counted, since code cannot decide them: {', '.join(lacking[:_SHOWN])}{more}")
        print("have a grader decide (--sample), or write their shares into the file")


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.completed:,.0f} documents"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _shown_on(bar: Progress, read: Iterable[str]) -> Iterator[str]:
    task = bar.add_task("", total=None)
    for document in read:
        yield document
        bar.advance(task)
