"""Makes report.md and index.html from raw.json: report.py FOLDER. Run by the Python that has matplotlib."""

import base64
import html
import io
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

import scenarios
from figures import Figure, Ratio, times

BARE_C = "bare C"
OURS, GUNICORN, BARE, OTHER = "#0b7a3e", "#4b6cb7", "#9a9a9a", "#d9a441"
MEASURES = {  # what a scenario's chart shows: key, unit, whether more is better
    "cpu": ("cpu", "CPU microseconds a request", False), "rps": ("rps", "requests a second", True),
    "ms": ("ms", "ms", False), "pss": ("pss", "MiB", False), "each": ("each", "KiB for each request that sleeps", False),
    "p99": ("p99", "ms, 99 % of the requests", False),
}
BUSY = 0.95  # of its cores: a client above this was the limit, unless the server was as busy


def number(value):
    if value >= 1000:
        return "{:,.0f}".format(value)
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else "%.2f" % value


def of(row, key):
    return Figure(r[key] for r in row["rounds"])


def suffix(label):
    return label[label.index(", "):] if ", " in label and not label.endswith("no memo") else ""


def base_of(rows, name, label):
    """The row to compare with: of the same variant if there is one."""
    for key in (name + suffix(label), name, name + " gevent"):  # where all run greenlets, that is ours
        if rows.get(key, {}).get("rounds"):
            return rows[key]
    return None


def ratio(rows, name, label, key):
    base, row = base_of(rows, name, label), rows[label]
    if base is None or base is row:
        return ""
    return str(Ratio([r[key] for r in row["rounds"]], [r[key] for r in base["rounds"]]))


def errors_of(row):
    total = {}
    for r in row["rounds"]:
        for kind, n in r["errors"].items():
            if n:
                total[kind] = total.get(kind, 0) + n
    return ", ".join("%d %s" % (n, kind) for kind, n in total.items()) or "0"


def client_bound(row):
    """The client had no time left and the server had: its requests a second are a lower bound."""
    return of(row, "client").median > BUSY and of(row, "server").median < BUSY


def leaves_out(row):
    """It is fast because it leaves out what PEP 3333 asks for: a stream that streams, close() at the end."""
    return any(remark.startswith(("holds pieces", "never calls close")) for remark in row["remarks"])


def applications(raw):
    """[(title, head, lines)]: each application with all its loads, gosrv's peers by requests/s."""
    found = []
    for s in scenarios.SCENARIOS:
        parts = [(how, raw["scenarios"].get(s.part(how))) for how in s.asked]
        if not parts or not all(part for _, part in parts):
            continue
        head = ["server"]
        for how, _ in parts:
            short = "half" if how.share else "%d" % how.connections
            head += [short + ": requests/s", "CPU us", "p50 ms", "p99 ms"]
        good, _ = order(parts[0][1])
        lines = []
        for label in good:
            line = [label]
            for _, part in parts:
                row = part["rows"][label]
                line += [number(of(row, key).median) for key in ("rps", "cpu", "p50", "p99")] if row["rounds"] else [""] * 4
            lines.append(line)
        found.append((s.title, head, lines))
    return found


def why_not(row):
    for kind, words in (("lacks", "not applicable: "), ("wrong", "WRONG ANSWER: "), ("failed", "FAILED: ")):
        if kind in row:
            return words + row[kind]
    return ""


HTTP_HEAD = ["server", "requests/s", "CPU us/request", "min-max", "x bare C", "x gosrv", "p50 ms", "p99 ms", "p99.9 ms", "errors", "RSS MiB", "PSS MiB", "remarks"]


def http_line(rows, label):
    row = rows[label]
    cpu = of(row, "cpu")
    rps = of(row, "rps")
    return [label, ("at least " if client_bound(row) else "") + number(rps.median), number(cpu.median), "%s-%s" % (number(cpu.low), number(cpu.high)),
            ratio(rows, "bare C", label, "cpu"), ratio(rows, "gosrv", label, "cpu"),
            *(number(of(row, key).median) for key in ("p50", "p99", "p99.9")), errors_of(row), *(number(of(row, key).median) for key in ("rss", "pss")),
            "; ".join(row["remarks"])]


def whole_line(rows, label, key):
    row = rows[label]
    if key == "ms":
        ms = of(row, "ms")
        return [label, number(ms.median), "%s-%s" % (number(ms.low), number(ms.high)), ratio(rows, "gosrv", label, "ms")]
    last = row["rounds"][-1]
    if key == "each":
        return [label, number(last["each"]), number(last["pss"]), number(last["before"]), str(last["clients"])]
    return [label, number(last["pss"]), number(last["rss"]), str(last["processes"])]


def order(scenario):
    """Labels with figures, best first, and those without."""
    key, _, more = MEASURES[scenario["main"]]
    rows = scenario["rows"]
    good = sorted((label for label in rows if rows[label]["rounds"] and not why_not(rows[label])), key=lambda label: of(rows[label], key).median, reverse=more)
    return good, [label for label in rows if label not in good]


def table(scenario):
    """(head, lines, [(label, why there is no figure)])."""
    good, bad = order(scenario)
    rows = scenario["rows"]
    if scenario["main"] == "ms":
        head, lines = ["server", "ms, median", "min-max", "x gosrv"], [whole_line(rows, label, "ms") for label in good]
    elif scenario["main"] == "each":
        head, lines = ["server", "KiB each", "PSS MiB", "PSS MiB before", "requests asleep"], [whole_line(rows, label, "each") for label in good]
    elif scenario["main"] == "pss":
        head, lines = ["server", "PSS MiB", "RSS MiB", "processes"], [whole_line(rows, label, "pss") for label in good]
    else:
        head, lines = HTTP_HEAD, [http_line(rows, label) for label in good]
    return head, lines, [(label, why_not(rows[label]) or "no figures") for label in bad]


# -- Markdown ------------------------------------------------------------------------------------------------------

METHOD = """Server on core 0, wrk on core 1 (both on both in `cores`; `start` and `memory` on both), rounds interleaved, figures are medians of the rounds.
CPU is user and system time of the server's whole process tree. A ratio is the median of the rounds' ratios; it is not printed (`?`) when their
spread (the distance between the quartiles) is larger than the difference from 1. A server is timed when its answers are right, byte for
byte; `bare C` is an epoll loop with a constant answer of the same bytes, no parser and no Python. Compare within one table only."""
APPLICATIONS = """The columns are the connections that ask again as soon as they are answered; `half`: requests fall due by a Poisson process of half the requests/s
that the server reached with 64, whether those before are answered or not, and their times count from then (no coordinated omission)."""


def markdown_table(head, lines):
    text = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(text + ["| " + " | ".join(line) + " |" for line in lines])


def glance(raw):
    """The matrix: servers by scenarios, CPU a request as a multiple of the bare C server's (number or None, text, tip)."""
    http = {name: s for name, s in raw["scenarios"].items() if s["main"] in ("cpu", "rps") and any(label.startswith(BARE_C) for label in s["rows"])}
    names = []
    for s in http.values():
        names += [label for label in s["rows"] if label not in names and label != "bare C" and not label.startswith("bare C,")]
    whole = [n for n in names if not suffix(n)]
    cells = {}
    for label in whole:
        for name, s in http.items():
            cells[label, name] = cell(s["rows"], label)
    return list(http), whole, cells


def cell(rows, label):
    variants = [label] if label in rows else [n for n in rows if n.startswith(label + ", ") and suffix(n)]
    shown = []
    for variant in variants:
        row = rows[variant]
        base = base_of(rows, "bare C", variant)
        if why_not(row):
            return None, "wrong" if "wrong" in row else "failed" if "failed" in row else "-", why_not(row)
        if not row["rounds"] or base is None:
            continue
        shown.append(Ratio([r["cpu"] for r in row["rounds"]], [r["cpu"] for r in base["rounds"]]))
    if not shown:
        return None, "", "not measured"
    mark = "*" if leaves_out(rows[variants[0]]) else ""
    return shown[0].value, " / ".join(map(str, shown)) + mark, "%s: %s" % (label, "; ".join(rows[variants[0]]["remarks"]))


def markdown(raw):
    m = raw["machine"]
    out = ["# gosrv beside its peers, %s" % raw["begun"].split()[0], "", "%s to %s. %s." % (
        raw["begun"], raw.get("ended", "(unfinished)"), ", ".join("%s: %s" % item for item in m.items())), "", METHOD, ""]
    if applications(raw):
        out += ["## Applications", "", APPLICATIONS, ""]
        for title, head, lines in applications(raw):
            out += ["### " + title, "", markdown_table(head, lines), ""]
    columns, names, cells = glance(raw)
    if columns:
        out += ["## At a glance", "", "CPU a request as a multiple of the bare C server's; `?` lost in the noise; `*` against PEP 3333, holds a stream's pieces back or never calls `close()`; `-` does not have it.", "",
                markdown_table(["server", *columns], [[n, *(cells[n, c][1] for c in columns)] for n in names]), ""]
    for name, s in raw["scenarios"].items():
        head, lines, bad = table(s)
        out += ["## %s: %s" % (name, s["title"]), "", markdown_table(head, lines), ""] + ["- %s: %s" % item for item in bad] + [""]
    out += ["## Servers and their settings", "", markdown_table(["server", "version", "settings", "command"], settings(raw)), ""]
    if raw["missing"]:
        out += ["Not installed: " + "; ".join("%s (%s)" % item for item in raw["missing"].items()), ""]
    if raw.get("left out"):
        out += ["Not run, the time was up: " + ", ".join(raw["left out"]), ""]
    return "\n".join(out)


def settings(raw):
    lines = []
    for name, facts in raw["peers"].items():
        command = next((s["rows"][name]["command"] for s in raw["scenarios"].values() if "command" in s["rows"].get(name, {})), "")
        lines.append([name, facts["version"] or raw["machine"]["gosrv commit"], facts["settings"], "`%s`" % command if command else ""])
    return lines


# -- HTML ----------------------------------------------------------------------------------------------------------

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0;color:#1c1c1c;background:#fff}main{max-width:1240px;margin:0 auto;padding:24px}
h1{margin:0 0 4px;font-size:26px}h2{margin:36px 0 8px;font-size:19px;border-bottom:1px solid #ddd;padding-bottom:4px}p.facts,small{color:#555;font-size:13px}
table{border-collapse:collapse;font-size:13px;margin:8px 0}th,td{padding:3px 8px;text-align:right;white-space:nowrap;border-bottom:1px solid #eee}
th{background:#f5f5f5;position:sticky;top:0}th:first-child,td:first-child,td.left,th.left{text-align:left}tr.ours td:first-child{font-weight:700;color:#0b7a3e}
.glance td{text-align:center;border:1px solid #fff}.glance td:first-child{text-align:left}.bad{color:#a00}.scroll{overflow-x:auto}
img{max-width:100%;display:block}details{margin:4px 0}summary{cursor:pointer;color:#444}nav a{margin-right:10px}code{font-size:12px;white-space:normal;overflow-wrap:anywhere}
.cards{display:flex;gap:14px;flex-wrap:wrap;margin:14px 0}.card{border:1px solid #ddd;border-radius:8px;padding:10px 16px;min-width:180px}.card b{font-size:26px;color:#0b7a3e}"""


def color(value, best, worst):
    """Green to red on a logarithmic scale between the best and the worst of a column."""
    import math

    at = 0 if worst <= best else (math.log(value) - math.log(best)) / (math.log(worst) - math.log(best))
    return "hsl(%d 65%% %d%%)" % (130 - 130 * at, 82 - 4 * at)


def cards(raw):
    out = []
    for name, s in raw["scenarios"].items():
        rows = s["rows"]
        if s["main"] not in ("cpu", "rps") or name not in glance(raw)[0] or not rows.get("gosrv", {}).get("rounds"):
            continue
        value, _, _ = cell(rows, "gosrv")
        ranked, _ = order(dict(s, main="cpu"))
        others = [n for n in ranked if not n.startswith("bare C") and n != "gosrv, no memo" and not leaves_out(rows[n])]
        place = others.index("gosrv") + 1
        out.append('<div class="card">%s<br><b>%s</b> x bare C<br><small>%.1f us a request, place %d</small></div>' % (
            html.escape(name), times(value) if value else "?", of(rows["gosrv"], "cpu").median, place))
    return '<div class="cards">%s</div>' % "".join(out[:6])


def glance_html(raw):
    columns, names, cells = glance(raw)
    if not columns:
        return ""
    text = ['<div class="scroll"><table class="glance"><tr><th>server</th>%s</tr>' % "".join('<th><a href="#%s">%s</a></th>' % (c, c) for c in columns)]
    ends = {}
    for c in columns:
        values = [cells[n, c][0] for n in names if cells[n, c][0]]
        ends[c] = (min(values), max(values)) if values else (1, 1)
    for n in names:
        text.append('<tr class="%s"><td>%s</td>' % ("ours" if n.startswith("gosrv") else "", html.escape(n)))
        for c in columns:
            value, shown, tip = cells[n, c]
            style = ' style="background:%s"' % color(value, *ends[c]) if value else ' class="bad"' if shown in ("wrong", "failed") else ""
            text.append('<td%s title="%s">%s</td>' % (style, html.escape(tip, True), html.escape(shown)))
        text.append("</tr>")
    return "".join(text) + "</table></div>"


def bar_color(label):
    return OURS if label.startswith("gosrv") else GUNICORN if label.startswith("gunicorn") else BARE if label.startswith("bare C") else OTHER


def chart(scenario):
    """Bars, best on top, with whiskers from the lowest to the highest round; as an <img> with the SVG inside."""
    key, unit, more = MEASURES[scenario["main"]]
    good, _ = order(scenario)
    if not good:
        return ""
    found = [of(scenario["rows"][label], key) for label in good]
    pyplot.rcParams.update({"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})
    figure, axes = pyplot.subplots(figsize=(10.5, 0.6 + 0.25 * len(good)))
    reach = max(f.high for f in found)
    # The slow ones would squeeze the others together: their bars end at the edge, and the figure says how far they go.
    ours = [f.median for label, f in zip(good, found) if label.startswith("gosrv")]
    cut = reach if more or not ours else min(reach, 7 * max(ours))
    axes.barh(range(len(good)), [min(f.median, cut) for f in found], color=[bar_color(label) for label in good], height=0.72,
              xerr=[[min(f.median, cut) - min(f.low, cut) for f in found], [min(f.high, cut) - min(f.median, cut) for f in found]],
              error_kw={"ecolor": "#333", "elinewidth": 0.9, "capsize": 2})
    for n, f in enumerate(found):
        axes.text(min(f.high, cut) + cut * 0.01, n, number(f.median) + (" (beyond the edge)" if f.median > cut else ""), va="center", fontsize=8.5)
    axes.set_yticks(range(len(good)), good)
    axes.set_xlim(0, cut * 1.16)
    axes.invert_yaxis()
    axes.set_xlabel(unit + (": more is better" if more else ": less is better"))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    text = io.BytesIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return '<img alt="%s" src="data:image/svg+xml;base64,%s">' % (html.escape(scenario["title"], True), base64.b64encode(text.getvalue()).decode())


def html_table(head, lines):
    left = {"remarks", "settings", "command", "server", "version"}
    text = ["<div class=scroll><table><tr>%s</tr>" % "".join("<th%s>%s</th>" % (" class=left" if h in left else "", html.escape(h)) for h in head)]
    for line in lines:
        cells = ("<td%s>%s</td>" % (" class=left" if h in left else "", "<code>%s</code>" % html.escape(v.strip("`")) if v.startswith("`") else html.escape(v))
                 for h, v in zip(head, line))
        text.append('<tr class="%s">%s</tr>' % ("ours" if line[0].startswith("gosrv") else "", "".join(cells)))
    return "".join(text) + "</table></div>"


def section(name, scenario):
    head, lines, bad = table(scenario)
    missing = "".join("<li%s>%s: %s</li>" % ("" if "not applicable" in why else " class=bad", html.escape(label), html.escape(why)) for label, why in bad)
    return '<h2 id="%s">%s <small>(%s)</small></h2>%s<details><summary>All figures</summary>%s</details><ul><small>%s</small></ul>' % (
        name, html.escape(scenario["title"]), name, chart(scenario), html_table(head, lines), missing)


def page(raw):
    facts = ", ".join("%s: %s" % item for item in raw["machine"].items())
    notes = ""
    if raw["missing"]:
        notes += '<p class="bad">Not installed: %s</p>' % html.escape("; ".join("%s (%s)" % item for item in raw["missing"].items()))
    if raw.get("left out"):
        notes += '<p class="bad">Not run, the time was up: %s</p>' % html.escape(", ".join(raw["left out"]))
    body = "<h1>gosrv beside its peers</h1><p class=facts>%s to %s. %s</p>%s%s" % (
        html.escape(raw["begun"]), html.escape(raw.get("ended", "(unfinished)")), html.escape(facts), cards(raw), notes)
    if applications(raw):
        body += "<h2>Applications</h2><p>%s</p>" % html.escape(APPLICATIONS.replace("`", ""))
        body += "".join("<h3>%s</h3>%s" % (html.escape(title), html_table(head, lines)) for title, head, lines in applications(raw))
    body += "<h2>At a glance <small>CPU a request as a multiple of the bare C server's; green is little; ? is lost in the noise; * against PEP 3333, holds a stream's pieces back or never calls close(); - does not have it; point at a cell for remarks</small></h2>"
    body += glance_html(raw) + "".join(section(name, s) for name, s in raw["scenarios"].items())
    body += "<h2>Servers and their settings</h2>" + html_table(["server", "version", "settings", "command"], settings(raw))
    body += "<h2>Method</h2><p>%s</p>" % html.escape(METHOD).replace("`", "")
    return '<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width"><title>gosrv beside its peers, %s</title><style>%s</style><main>%s</main></html>' % (
        raw["begun"].split()[0], STYLE, body)


def main():
    folder = Path(sys.argv[1])
    raw = json.loads((folder / "raw.json").read_text())
    (folder / "report.md").write_text(markdown(raw))
    (folder / "index.html").write_text(page(raw))


if __name__ == "__main__":
    main()
