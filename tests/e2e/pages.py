"""The pages of the documentation as text: their links and anchors, and the commands that they show."""
import re
import shlex

import harness

ROOT = harness.ROOT
DOCS = ROOT / "cmd" / "gosrv" / "docs"
LINK = re.compile(r"\[[^\[\]]*\]\(([^)\s]+)\)")
PICTURE = re.compile(r'(?:src|srcset)="([^"]+)"')
HEADING = re.compile(r"^#{1,6} (.+)$", re.M)
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
INDENTED = re.compile(r"(?<=\n\n)((?: {4}.*\n|\n(?= {4}))+)")
# What is no shell in blocks with a language.
SHELLS = ("", "sh", "console")


def pages():
    """Every text for people, by its path."""
    found = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "pyshim/wheel/README.md")]
    found += sorted(DOCS.rglob("*.md")) + sorted(ROOT.glob("*/DESIGN.md")) + sorted(ROOT.glob("cmd/*/DESIGN.md")) + [ROOT / "tests" / "bench" / "README.md"]
    return [path for path in found if path.exists()]


def name(path):
    return path.relative_to(ROOT).as_posix()


def prose(text):
    """The text without its blocks and spans of code, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", INDENTED.sub("", FENCED.sub("", text)))


def links(text):
    return LINK.findall(prose(text)) + PICTURE.findall(prose(text))


def anchors(text):
    """What a code host calls the headings: small letters, blanks as hyphens, nothing but letters, digits, hyphens and underscores."""
    found = set()
    for heading in HEADING.findall(FENCED.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    return found


def blocks(text):
    """The blocks of code with their language, "" for indented ones."""
    for found in FENCED.finditer(text):
        yield found.group(2), re.sub("^" + found.group(1), "", found.group(3), flags=re.M)
    for found in INDENTED.finditer(FENCED.sub("", text)):
        yield "", re.sub("^ {4}", "", found.group(1), flags=re.M)


def commands(text):
    """The commands in a page's blocks, each as its words; what follows a comment sign or several blanks explains it.

    In a block with `$ ` the lines that have it, in one marked sh every line, elsewhere the lines that begin with a program of
    ours: a block may be a file, or what a program printed.
    """
    for language, block in blocks(text):
        if language not in SHELLS:
            continue
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        prompted = any(line.startswith("$ ") for line in lines)
        for line in lines:
            if prompted and not line.startswith("$ "):
                continue
            line = re.sub(r"\s+#.*|^#.*", "", line[2:] if prompted else line).strip()
            line = re.split(r"(?<=\S) {4,}(?=\w)", line)[0]
            if line and (prompted or language == "sh" or re.match(r"((venv/bin/)?gosrv|python -m gosrv)(?=\s|$)", line)):
                yield shlex.split(line)
