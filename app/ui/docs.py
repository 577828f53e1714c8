"""Pages of the docs that are made from the code: `python -m app.ui.docs` writes them."""

from __future__ import annotations

from pathlib import Path

from app.ui.action import CONTEXT_CHAIN, GROUPS, Context, key_caps
from app.ui.actions import ACTIONS
from app.ui.help import CONTEXT_WORDS
from app.ui.look import DARK, contrast

DOCS = Path(__file__).parents[2] / "docs"

USES = {
    "text": "text that is read",
    "soft": "secondary text, icons",
    "faint": "captions, axes, what is not possible now",
    "edge": "boundary of fields and keycaps (3:1 is asked for)",
    "accent": "the next right thing, selection, focus",
    "idle": "nothing happens",
    "armed": "ready; also: needs a look",
    "recording": "recording; also: discard, stop",
    "paused": "waits for you; nothing is being recorded",
    "kept": "stored as a success",
    "fault": "fault, emergency stop",
    "left_hand": "the left arm, everywhere",
    "right_hand": "the right arm, everywhere",
}


def keys_page() -> str:
    """`docs/keys.md`: every action with its key, by context and group."""
    lines = [
        "# Keys",
        "",
        "Made from the table of actions by `python -m app.ui.docs`; a test keeps it true.",
        "`?` shows those of the present place, `Ctrl+K` finds any command by a few letters.",
        "A key means one thing in its context; where contexts nest, the nearer one wins.",
    ]
    for context in CONTEXT_CHAIN:
        lines += _context(context)
    return "\n".join(lines) + "\n"


def _context(context: Context) -> list[str]:
    words = CONTEXT_WORDS[context]
    lines = ["", f"## {words[0].upper()}{words[1:]}", ""]
    lines += ["| action | keys | pad | pedal | what it does |", "|---|---|---|---|---|"]
    for group in GROUPS:
        for action in ACTIONS:
            if action.context == context and action.group == group:
                keys = " or ".join(_key(key) for key in action.keys)
                hold = "hold " if action.kind == "hold" and keys else ""
                row = (action.title, hold + keys, action.pad, action.pedal, action.hint)
                lines.append(f"| {' | '.join(row)} |")
    return lines


def _key(key: str) -> str:
    return "+".join(f"`{cap}`" for cap in key_caps(key))


def colour_table() -> str:
    """The table of colours in `docs/look.md`: contrast against the surface of a card."""
    lines = ["| token | colour | on `panel` | use |", "|---|---|---|---|"]
    for name, use in USES.items():
        colour = getattr(DARK, name)
        lines.append(f"| `{name}` | `{colour}` | {contrast(colour, DARK.panel):.1f} | {use} |")
    return "\n".join(lines)


BEGIN, END = "<!-- colours: made by app.ui.docs -->", "<!-- end of colours -->"


def with_colours(page: str) -> str:
    """A page with its table of colours renewed."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{colour_table()}\n{END}{tail}"


def write() -> None:
    (DOCS / "keys.md").write_text(keys_page(), encoding="utf-8")
    look = DOCS / "look.md"
    look.write_text(with_colours(look.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
