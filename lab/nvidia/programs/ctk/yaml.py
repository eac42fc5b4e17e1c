"""Write YAML as the Go library does that NVIDIA's tools use: four spaces, lists indented."""

import re

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./:@+=-]*")


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if (_PLAIN.fullmatch(text) or text.startswith("--")) and not text.endswith(":"):
        return text
    if re.fullmatch(r"\d+(\.\d+){2,}", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dump(value: object, indent: int = 0) -> str:
    """Return a document for nested dicts, lists and scalars."""
    space = " " * indent
    if isinstance(value, dict):
        return "".join(_entry(f"{space}{key}:", item, indent) for key, item in value.items())
    lines = ""
    for item in value:
        if isinstance(item, dict):
            # The first key stands beside the dash, the others below it.
            body = dump(item, indent + 2)
            lines += f"{space}- {body[indent + 2 :]}"
        else:
            lines += f"{space}- {_scalar(item)}\n"
    return lines


def _entry(head: str, item: object, indent: int) -> str:
    if isinstance(item, dict | list):
        # The next step of four, also from a key that stands beside a dash.
        return f"{head}\n{dump(item, (indent // 4 + 1) * 4)}"
    return f"{head} {_scalar(item)}\n"
