"""Small results folders in the layout of the reference implementation, and copies of its published ones."""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PUBLISHED = Path(__file__).parents[3] / "shared" / "reference" / "results"

_TAIL = (
    "points_0",
    "num_sentences_manual_in_student_answer_0",
    "true_sentence_lim_pt_0",
    "num_sentences_extracted_eq_num_sentences_model_0",
)


@dataclass(frozen=True)
class Text:
    """What a student wrote for a combination, and what the grader said of it, round by round."""

    skills: Sequence[str]
    topic: str
    text: str
    replies: Sequence[str] = ()


def table(skills: Sequence[str], topic: str, points: Sequence[object]) -> str:
    """A grader's reply with all k + 3 rows."""
    sentences = "one sentence" if len(skills) < 3 else f"{len(skills) - 1} sentences"
    names = [
        *(f"Correctly illustrates {name}" for name in skills),
        *(f"Pertains to {topic}", "Text makes sense", f"At most {sentences}"),
    ]
    rows = "\n".join(f"| {name} | {point} |" for name, point in zip(names, points, strict=True))
    return f"Here's the grading table:\n\n| Criteria | Points Earned |\n|---|---|\n{rows}\n\nExplanation: so it is."


def write_round(
    root: Path,
    number: int,
    texts: Sequence[Text],
    k: int = 2,
    seed: int = 10,
    prompt: str = "default",
    student: str = "pupil",
    grader: str = "judge",
    grading_prompt: str = "gpt",
    roles: tuple[str, str] = ("user", "assistant"),
) -> Path:
    """Writes one generation round and the gradings of its texts; returns the student's folder."""
    folder = root / f"k{k}_s{seed}_v{prompt}_r{number}" / student
    user, model = roles
    write_records(
        folder,
        [
            {
                **_head(k, ", \n".join(text.skills), text.topic),
                f"{user}_0": "Write.",
                f"{model}_0": "Answer: a draft.\nExplanation: none.",
                "model_input_0": "[]",
                "text_0": "a draft.",
                f"{user}_1": "Improve it.",
                f"{model}_1": f"Answer: {text.text}\n\nExplanation: that is how.",
                "model_input_1": "[]",
                "text_1": text.text,
            }
            for text in texts
        ],
    )
    for grading in range(max((len(text.replies) for text in texts), default=0)):
        write_records(
            folder / "graded" / f"by_{grader}_on_text_1_{grading + 1}_{grading_prompt}",
            [
                {
                    **_head(k, ",  \n".join(text.skills), text.topic),
                    "user_0": f'The answer was: "{text.text}"\n\nGrade it.',
                    "assistant_0": text.replies[grading],
                    "model_input_0": "[]",
                    "score_0": "",
                    "score_extracted_0": "",
                    **dict.fromkeys(_TAIL, ""),
                }
                for text in texts
                if grading < len(text.replies)
            ],
        )
    return folder


def write_records(folder: Path, rows: Sequence[dict[str, str]]) -> None:
    """Writes `records.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "records.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def copy_published(root: Path, rounds: dict[int, int]) -> Path:
    """Copies the published rounds named by the keys, numbered anew by the values."""
    for old, new in rounds.items():
        shutil.copytree(PUBLISHED / f"k3_s10_vdefault_r{old}", root / f"k3_s10_vdefault_r{new}")
    return root


def _head(k: int, skills: str, topic: str) -> dict[str, str]:
    return {"k": str(k), "skills": skills, "topic": topic, "system prompt": "Help."}
