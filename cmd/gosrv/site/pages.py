"""What mkdocs does with the pages: those that lie elsewhere in the repository join, and links are turned to where the site has what
they mean. In the repository they are relative to the file they stand in, so that a code host follows them as well.
"""
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[3]
DOCS = "cmd/gosrv/docs"
# Files of the repository that are pages of the site, by the page they become.
JOINED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "cmd/gosrv/DESIGN.md": "internals/master.md",
    "wsgi/DESIGN.md": "internals/worker.md",
    "cgo/DESIGN.md": "internals/boundary.md",
}
EXAMPLES = "cmd/gosrv/examples"
STYLE = "assets/site.css"
LINK = re.compile(r"(?<!!)\[([^\]\n]*(?:\n[^\]\n]*)?)\]\(([^)\s:]+)\)")


def on_files(files, config):
    for source, page in JOINED.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for path in sorted((ROOT / EXAMPLES).rglob("*")):
        if path.is_file():
            name = "examples/" + path.relative_to(ROOT / EXAMPLES).as_posix()
            files.append(File.generated(config, name + ("" if path.suffix else ".txt"), content=path.read_text()))
    files.append(File.generated(config, STYLE, content=(Path(__file__).parent / "site.css").read_text()))
    return files


def of_repository(page):
    """The path in the repository of a page of the site."""
    return {page: source for source, page in JOINED.items()}.get(page, posixpath.join(DOCS, page))


def of_site(path):
    """The path in the site of a file of the repository; None for one that the site does not have."""
    if path in JOINED:
        return JOINED[path]
    if path.startswith(DOCS + "/"):
        return path[len(DOCS) + 1:]
    if path.startswith(EXAMPLES + "/") and (ROOT / path).is_file():
        name = "examples/" + path[len(EXAMPLES) + 1:]
        return name if posixpath.splitext(name)[1] else name + ".txt"
    return {"README.md": "index.md", EXAMPLES: "deploy.md"}.get(path)


def on_page_markdown(markdown, page, config, files):
    here = page.file.src_uri
    source = of_repository(here)

    def turned(found):
        text, target = found.groups()
        path, mark, anchor = target.partition("#")
        if not path:
            return found.group()
        place = of_site(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        if place is None:  # a file of the sources: the site names it
            return text
        return "[%s](%s%s%s)" % (text, posixpath.relpath(place, posixpath.dirname(here) or "."), mark, anchor)

    return LINK.sub(turned, markdown)
