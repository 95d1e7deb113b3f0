"""Every verb of `python -m skillmix_lightning`.

A user's mistake ends here as one line on standard error and exit status 2; work that stopped before its end, and a
check that found something, as one line and exit status 1; any other failure keeps its traceback and gives 1.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from skillmix_lightning.errors import Found, InputError, Stopped


class Verb(NamedTuple):
    """A verb: the module in `verbs/` whose `main(verb, args)` does it, and what the list of verbs says of it."""

    module: str
    summary: str


VERBS = {
    "fit": Verb("fitting", "fine-tune a causal LM, and score it before, during and after"),
    "validate": Verb("fitting", "the loss of a model or checkpoint on the validation texts"),
    "test": Verb("writing", "score a model or checkpoint as an evaluation within a fit does; trains nothing"),
    "predict": Verb("writing", "have a model or checkpoint write texts for combinations, into a run to be graded"),
    "synthesize": Verb("synthesize", "have a student write, a grader grade, and keep full marks: a data set"),
    "evaluate": Verb("evaluate", "have a student write, a grader grade, and score: SKILL-MIX(k)"),
    "grade": Verb("grade", "grade a run's texts with another grader"),
    "drift": Verb("drift", "grade a frozen set of graded texts again: does its grader still grade as it did?"),
    "score": Verb("score", "recompute the scores of runs from their saved grades"),
    "import-reference": Verb("import_reference", "turn a results folder of the reference implementation into a run"),
    "merge": Verb("merge", "make one run of the shards of a plan"),
    "compare": Verb("compare", "paired tests between two runs on the same combinations"),
    "count-frequencies": Verb("count_frequencies", "how often skills and topics occur in a corpus: the parrot bound"),
    "report": Verb("report", "tables, charts and every text of runs, in one HTML file"),
    "spot-check": Verb("spot_check", "have people grade a blind sample of a run, and show how far they agree"),
    "export": Verb("export", "turn a checkpoint into a Hugging Face model folder"),
    "estimate": Verb("estimate", "what a fit will need; starts nothing"),
    "cache": Verb("cache", "list or prune the cache of paid replies"),
}


def main(args: Sequence[str] | None = None) -> int:
    """Runs a verb.

    Args:
        args: the command line after the program's name; by default the process's.

    Returns:
        The exit status: 0 done, 1 stopped before the end or a check's finding, 2 bad usage or bad input. Any other
        failure raises.
    """
    given = sys.argv[1:] if args is None else args
    try:
        if not given:
            raise InputError(f"a verb is missing; give one of {', '.join(VERBS)}, or --help")
        verb, *rest = given
        if verb in ("-h", "--help"):
            print(_overview())
        elif verb in VERBS:
            import_module(f"skillmix_lightning.verbs.{VERBS[verb].module}").main(verb, rest)
        else:
            raise InputError(f'there is no verb "{verb}"; give one of {", ".join(VERBS)}')
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Stopped as stop:
        print(f"stopped: {stop}", file=sys.stderr)
        return 1
    except Found as found:
        print(f"found: {found}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads the output has seen enough of it; the interpreter is not to flush again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _overview() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items())
    return (
        "usage: python -m skillmix_lightning VERB [options]\n\n"
        f"{verbs}\n\n"
        "VERB --help lists a verb's options; all of them can also stand in a YAML file given with --config."
    )
