"""What people see first of the newest results: a chart in a light and a dark SVG, for the README, and a table, for the page about benchmarks;
each stands between two marks.

    python tests/bench/front.py     draw them again; `make bench` and `make bench APPLICATIONS=1` do it by themselves
"""

import json
import os
import re
import statistics
from html import escape
from pathlib import Path

import scenarios

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = HERE / "results"
README = ROOT / "README.md"
PAGE = ROOT / "cmd" / "gosrv" / "docs" / "benchmarks.md"
ASSETS = ROOT / "cmd" / "gosrv" / "docs" / "assets"
BEGIN, END = "<!-- Made by `make bench`: begin -->", "<!-- Made by `make bench`: end -->"
COLUMNS = (("flask", "Flask"), ("django-small", "Django, small view"), ("django-page", "Django, page"), ("falcon", "Falcon, JSON"), ("hello", "hello"))
HALF = (("flask-half", "Flask"), ("django-page-half", "Django, page"))
CHARTS = COLUMNS[:4]


def complete(raw):
    """Whether a run has all that the first screen shows."""
    return all(raw["scenarios"].get(name, {}).get("rows", {}).get("gosrv", {}).get("rounds") for name, _ in (*COLUMNS, *HALF))


def newest():
    """(raw.json, its folder) of the newest run that has it all; (None, None) if there is none."""
    found = []
    for path in RESULTS.glob("*/raw.json"):
        if not path.parent.name.endswith("-part"):
            raw = json.loads(path.read_text())
            if complete(raw):
                found.append((raw["begun"], path.parent, raw))
    return max(found, key=lambda f: f[0])[2:0:-1] if found else (None, None)


def median(raw, name, label, key):
    """None when the server has no figure there."""
    row = raw["scenarios"][name]["rows"].get(label, {})
    rounds = row.get("rounds") or []
    if not rounds or {"wrong", "failed", "lacks"} & row.keys():
        return None
    return statistics.median(r[key] for r in rounds)


def servers(raw):
    """Ours first, then by requests/s of Flask."""
    labels = [n for n in scenarios.APPLICATION_PEERS if median(raw, "flask", n, "rps")]
    return sorted(labels, key=lambda n: (n != "gosrv", -median(raw, "flask", n, "rps")))


def text(value, form):
    return "-" if value is None else form.format(value)


# -- the table -----------------------------------------------------------------------------------------------------

def version(raw, label):
    found = re.search(r"[0-9][\w.]*", raw["peers"].get(label, {}).get("version", ""))
    return "%s %s" % (label, found.group()) if found else label


def table(raw):
    head = ["", *(title for _, title in COLUMNS), *("%s: p99 at half load" % title for _, title in HALF)]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    for label in servers(raw):
        cells = [text(median(raw, name, label, "rps"), "{:,.0f}") for name, _ in COLUMNS]
        cells += [text(median(raw, name, label, "p99"), "{:.1f} ms") for name, _ in HALF]
        name = version(raw, label)
        if label == "gosrv":
            name, cells = "**gosrv**", ["**%s**" % c for c in cells]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def unclosed(raw):
    """Servers that never call an answer's close(), which PEP 3333 asks for and Django and Flask end a request with."""
    return sorted({label for label in servers(raw) for name, _ in CHARTS
                   if "never calls close()" in raw["scenarios"][name]["rows"].get(label, {}).get("remarks", ())})


def machine(raw):
    m = raw["machine"]
    cores = "%d-core %s" % (m["cores"], re.sub(r"\((R|TM)\)|CPU|Processor", "", m["cpu"]).split("@")[0].strip())
    return "%s, CPython %s, %s" % (re.sub(r"\s+", " ", cores), m["python"], raw["begun"].split()[0])


def picture(raw):
    """The README's lines between the marks, marks included."""
    words = "One worker on one core; %s. [All figures, and how they are taken](cmd/gosrv/docs/benchmarks.md)." % machine(raw)
    shown = ('<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="cmd/gosrv/docs/assets/bench-dark.svg">\n'
             '  <img alt="%s" src="cmd/gosrv/docs/assets/bench-light.svg">\n</picture>' % escape(described(raw), True))
    return "\n\n".join([BEGIN, shown, words, END])


def block(raw, folder):
    """The page's lines between the marks, marks included."""
    words = "Requests a second of one worker on one core, 64 connections. In the last two columns, the time that 99 %% of the requests stay below when they " \
            "fall due at half of the rate that the server can do, whether those before are answered or not. %s; medians of interleaved rounds, answers checked byte for byte." % machine(raw)
    if unclosed(raw):
        names = unclosed(raw)
        words += " %s never call%s the answer's `close()`, with which both frameworks end a request." % (" and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names), "" if names[1:] else "s")
    here = os.path.relpath(folder.resolve(), PAGE.parent)
    report = "[All figures](%s/report.md), [how they are taken](../../../tests/bench/README.md)." % here
    return "\n\n".join([BEGIN, table(raw), words + "\n" + report, END])


# -- the chart -----------------------------------------------------------------------------------------------------

COLORS = {  # ground is transparent: the page's own shows
    "light": {"text": "#1f2328", "quiet": "#59636e", "ours": "#0b7a3e", "gunicorn": "#4b6cb7", "other": "#c3c9d0"},
    "dark": {"text": "#f0f6fc", "quiet": "#9198a1", "ours": "#3fb56f", "gunicorn": "#7f9fe8", "other": "#4a525c"},
}
WIDTH, PANEL, BAR, STEP, LEFT, TOP = 880, 440, 14, 20, 128, 34  # px; two panels in a row, LEFT is where bars begin


def described(raw):
    """The chart in one sentence, for who does not see it."""
    parts = ["%s %s" % (title, ", ".join("%s %s" % (label, text(median(raw, name, label, "rps"), "{:,.0f}")) for label in ("gosrv", "gunicorn gthread", "gunicorn sync")))
             for name, title in CHARTS]
    return "Requests a second on one core: " + "; ".join(parts)


def panel(raw, name, title, labels, x, y, colors):
    values = sorted(((median(raw, name, label, "rps"), label) for label in labels if median(raw, name, label, "rps")), reverse=True)
    room = PANEL - LEFT - 64
    out = ['<text x="%d" y="%d" class="title">%s</text>' % (x + LEFT, y + 20, escape(title))]
    for n, (value, label) in enumerate(values):
        top = y + TOP + n * STEP
        kind = "ours" if label == "gosrv" else "gunicorn" if label.startswith("gunicorn") else "other"
        width = max(2, room * value / values[0][0])
        weight = ' font-weight="600"' if kind == "ours" else ""
        out.append('<text x="%d" y="%d" text-anchor="end"%s>%s</text>' % (x + LEFT - 8, top + 11, weight, escape(label)))
        out.append('<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>' % (x + LEFT, top, width, BAR, colors[kind]))
        out.append('<text x="%.1f" y="%d" class="value"%s>%s</text>' % (x + LEFT + width + 6, top + 11, weight, "{:,.0f}".format(value)))
    return out


def chart(raw, mode):
    """The SVG's text."""
    colors, labels = COLORS[mode], servers(raw)
    tall = TOP + len(labels) * STEP + 22
    head = 40
    height = head + 2 * tall + 8
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title desc">' % (WIDTH, height, WIDTH, height),
           '<title id="title">gosrv beside its peers: requests a second</title>', '<desc id="desc">%s</desc>' % escape(described(raw)),
           "<style>text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:%s}.title{font-size:14px;font-weight:600}"
           ".head{font-size:16px;font-weight:600}.value,.quiet{fill:%s}</style>" % (colors["text"], colors["quiet"]),
           '<text x="16" y="24"><tspan class="head">Requests a second</tspan><tspan class="quiet" dx="12">one worker on one core, 64 connections;'
           ' more is better</tspan></text>']
    for n, (name, title) in enumerate(CHARTS):
        out += panel(raw, name, title, labels, n % 2 * PANEL, head + n // 2 * tall, colors)
    return "\n".join([*out, "</svg>", ""])


def write(raw, folder):
    """The two charts, and what stands between the marks of README and page."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    for mode in COLORS:
        (ASSETS / ("bench-%s.svg" % mode)).write_text(chart(raw, mode))
    for path, new in ((README, picture(raw)), (PAGE, block(raw, folder))):
        path.write_text(replaced(path.read_text(), new))


def replaced(text, new):
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: new, text, flags=re.S)


if __name__ == "__main__":
    found, where = newest()
    if found is None:
        raise SystemExit("no run of all its rows is in %s: make bench APPLICATIONS=1" % os.path.relpath(RESULTS))
    write(found, where)
