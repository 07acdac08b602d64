"""One HTML page of experiments and what they found. It loads nothing from elsewhere."""
import html

import plots
from figures import FIGURES, best_of, shown

STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --page: #ffffff; --soft: #6b6b70; --line: #d9d9de; --best: #e8f2ea; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --page: #17171a; --soft: #a0a0a8; --line: #3a3a40; --best: #1f3a26; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1100px; margin: 2em auto; padding: 0 1em; }
.plot { background: #ffffff; border-radius: 6px; padding: 6px; margin: 1em 0; }
.plot svg { max-width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; margin: .5em 0 1.5em; }
th, td { padding: .25em .7em; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; white-space: normal; vertical-align: bottom; }
td.best { background: var(--best); font-weight: 600; }
code { font-size: 12px; color: var(--soft); word-break: break-word; }
"""


def report_of(title, experiments, findings):
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if len(experiments) > 1:
        items = "".join(f'<li><a href="#{number}">{html.escape(each.name)}</a></li>'
                        for number, each in enumerate(experiments))
        parts.append(f"<ul>{items}</ul>")
    for number, (experiment, found) in enumerate(zip(experiments, findings)):
        parts.append(f'<h2 id="{number}">{html.escape(experiment.name)}</h2>')
        if experiment.note:
            parts.append(f"<p>{html.escape(experiment.note)}</p>")
        parts += [layout_part(experiment, found, layout) for layout in experiment.layouts]
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n<body>\n'
            + "\n".join(parts) + "\n</body></html>\n")


def layout_part(experiment, found, layout):
    parts = [f"<h3>{html.escape(layout)}</h3>"] if layout else []
    if experiment.plots:
        parts.append(plot_part(plots.against_rate(experiment, found, layout, experiment.plots)))
    if experiment.capacities:
        parts.append(plot_part(plots.capacities(found, layout, experiment.policies)))
    for rate in experiment.rates:
        unit = f" of {experiment.of_capacity}'s capacity" if experiment.of_capacity else ""
        parts.append(f"<h4>Rate {rate:g}{html.escape(unit)}</h4>")
        parts.append(table_part(experiment, [found.of(layout, policy, rate) for policy in experiment.policies]))
    return "\n".join(parts)


def plot_part(svg):
    return f'<div class="plot">{svg}</div>'


def table_part(experiment, results):
    keys = experiment.figures
    head = "".join(f"<th>{html.escape(FIGURES[key].title)}</th>" for key in keys)
    best = {key: best_of(key, [each.figures[key] for each in results]) for key in keys}
    rows = [f"<tr><td>{html.escape(each.policy)}</td>{''.join(cell(key, each.figures, best[key]) for key in keys)}</tr>"
            for each in results]
    return (f'<div class="scroll"><table><tr><th>policy</th>{head}</tr>\n' + "\n".join(rows)
            + f"</table></div>\n<p><code>{html.escape(results[0].command)}</code></p>")


def cell(key, figures, best):
    text = shown(key, figures[key], figures.get(key + "_half_width", 0))
    return f'<td{" class=best" if figures[key] == best else ""}>{text}</td>'
