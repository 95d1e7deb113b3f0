"""Catalogues in YAML: each file holds any of the lists `skills`, `topics` and `incompatible` (docs/catalogues.md)."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from skillmix_lightning.catalogue.rows import KINDS, Row, nearest

_NOUNS = {"skills": "skill", "topics": "topic", "incompatible": "incompatible pair"}


def rows_of_yaml(file: Path, problems: list[str]) -> list[Row]:
    """The entries of a file; what cannot be read is added to `problems`."""
    try:
        content = yaml.load(file.read_text(encoding="utf-8-sig"), _NoDoubles)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(f"{file.name} cannot be read as YAML ({' '.join(str(error).split())})")
        return []
    if not isinstance(content, dict):
        problems.append(f"{file.name} holds no mapping; give it the keys {', '.join(KINDS)}")
        return []
    rows = []
    for key, entries in content.items():
        if key not in KINDS:
            mend = nearest(str(key), KINDS) or f"; known: {', '.join(KINDS)}"
            problems.append(f'{file.name} has the unknown key "{key}"{mend}')
        elif not isinstance(entries, list):
            problems.append(f'{file.name}, "{key}" is not a list')
        else:
            rows += [
                Row(f"{file.name}, {_NOUNS[key]} {number}", key, _stripped(entry))
                for number, entry in enumerate(entries, start=1)
            ]
    return rows


def _stripped(entry: Any) -> Any:
    """Without the blanks at the ends of texts, which YAML's block styles leave there."""
    if not isinstance(entry, dict):
        return entry
    return {key: value.strip() if isinstance(value, str) else value for key, value in entry.items()}


class _NoDoubles(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f'"{key.value}" stands twice', key.start_mark)
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)
