"""Plots of findings as SVG: how figures grow with the rate, a line for each policy."""
import io
import math

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from figures import FIGURES

plt.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "policy-lab", "font.family": "sans-serif", "font.size": 9, "axes.grid": True,
    "grid.color": "#e3e3e3", "axes.edgecolor": "#999999", "axes.spines.top": False, "axes.spines.right": False,
    "axes.axisbelow": True,
})

# Told apart by form as well as by colour (Okabe and Ito's, which colour-blind people can tell apart).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a8a00"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h"]
LINES = ["-", "--", "-.", ":"]


def style_of(number):
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)],
            "linestyle": LINES[(number // len(COLOURS)) % len(LINES)], "linewidth": 1.3, "markersize": 4.5}


def wants_logarithm(key, values):
    positive = [each for each in values if each > 0]
    return not key.endswith("_percent") and len(positive) == len(values) and max(values) > 20 * min(values)


def draw_lines(axes, key, lines, rates):
    """lines: by name, (values, half widths) along the rates."""
    for number, (values, half_widths) in enumerate(lines.values()):
        axes.errorbar(rates, values, half_widths if any(half_widths) else None, capsize=2, **style_of(number))
    if wants_logarithm(key, [value for values, _ in lines.values() for value in values]):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_title(FIGURES[key].title, fontsize=9, loc="left")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])


def against_rate(experiment, findings, layout, keys):
    """SVG of small plots side by side, one for each key, with one legend."""
    columns = min(3, len(keys))
    rows = math.ceil(len(keys) / columns)
    figure, grid = plt.subplots(rows, columns, figsize=(3.3 * columns + 0.3, 2.5 * rows + 0.9), squeeze=False,
                                layout="constrained")
    flat = list(grid.flat)
    alike = grouped(experiment, findings, layout, keys)
    for key, axes in zip(keys, flat):
        lines = {name: series(findings, layout, policy, experiment.rates, key) for name, policy in alike.items()}
        draw_lines(axes, key, lines, experiment.rates)
    for axes in flat[len(keys):]:
        axes.set_visible(False)
    unit = f"rate, of {experiment.of_capacity}'s capacity" if experiment.of_capacity else "rate, as a factor"
    for axes in flat[max(0, len(keys) - columns):len(keys)]:
        axes.set_xlabel(unit)
    handles = [plt.Line2D([], [], label=name, **style_of(number)) for number, name in enumerate(alike)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False)
    return svg_of(figure)


def grouped(experiment, findings, layout, keys):
    """The first policy of each line; policies that cannot be told apart share one, which is called by all their names."""
    lines = {}
    for policy in experiment.policies:
        points = tuple(tuple(series(findings, layout, policy, experiment.rates, key)[0]) for key in keys)
        lines.setdefault(points, []).append(policy)
    return {", ".join(policies): policies[0] for policies in lines.values()}


def series(findings, layout, policy, rates, key):
    results = [findings.of(layout, policy, rate).figures for rate in rates]
    return [each[key] for each in results], [each.get(key + "_half_width", 0) for each in results]


def capacities(findings, layout, policies):
    """SVG of bars: the requests a second that each policy serves at its capacity."""
    values = [findings.capacities[layout, policy]["requests_per_second"] for policy in policies]
    figure, axes = plt.subplots(figsize=(6.5, 0.24 * len(policies) + 0.9), layout="constrained")
    bars = axes.barh(policies, values, color="#0072b2", height=0.65)
    axes.bar_label(bars, [f" {value:.2f}" for value in values], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("requests/s at capacity")
    axes.margins(x=0.1)
    return svg_of(figure)


def svg_of(figure):
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    plt.close(figure)
    svg = text.getvalue()
    return svg[svg.index("<svg"):]
