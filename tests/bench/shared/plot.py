"""
Plots as SVG, by gnuplot.

    lines(path, [Panel(title, {"fetchpoold": [(1, 12.5), (16, 9.0)], ...}, y="µs")], x="clients")
    bars(path, [Panel(title, {"fetchpoold": [("loopback", 1.2), ("5 ms", 6.4)], ...}, y="ms")])

Ours has a colour of its own, and the thick line. Panels stand beside each other, or `columns` a
row.
"""

import subprocess
from collections import namedtuple

Panel = namedtuple("Panel", "title series y")

# Colours that stay apart for who does not see all of them alike.
OURS = "#d55e00"
OTHERS = ["#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"]

PANEL_WIDTH, PANEL_HEIGHT = 480, 340

HEAD = """
set terminal svg size {width},{height} font "sans-serif,13" background rgb "white" linewidth 1.2
set output "{path}"
set multiplot layout {rows},{columns}
set grid ytics lc rgb "#dddddd" lt 1
set border 3 lc rgb "#666666"
set xtics nomirror
set ytics nomirror
set key below center samplen 2 maxrows 2
set yrange [0:*]
"""


def colour(name, names):
    if "fetchpool" in name:
        return OURS
    return OTHERS[[each for each in names if "fetchpool" not in each].index(name) % len(OTHERS)]


def names_of(panels):
    names = []
    for panel in panels:
        names += [name for name in panel.series if name not in names]
    return names


def block(number, points):
    rows = "\n".join(" ".join(f'"{value}"' if isinstance(value, str) else f"{value:.6g}"
                              for value in point) for point in points)
    return f"$data{number} << END_OF_DATA\n{rows}\nEND_OF_DATA\n"


def draw(path, panels, columns, before, part):
    """`part`: (number, name, colour) -> what plots the data block of that number."""
    names = names_of(panels)
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    script = HEAD.format(width=PANEL_WIDTH * columns, height=PANEL_HEIGHT * rows, path=path,
                         rows=rows, columns=columns) + before
    number = 0
    for panel in panels:
        parts = []
        for name, points in panel.series.items():
            script += block(number, points)
            parts.append(part(number, name, colour(name, names)))
            number += 1
        script += f'set title "{panel.title}"\nset ylabel "{panel.y}"\nplot {", ".join(parts)}\n'
    done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True)
    if done.returncode != 0 or done.stderr:
        raise RuntimeError(f"gnuplot: {done.stderr}")


def lines(path, panels, x, columns=None, logarithmic=True):
    before = f'set xlabel "{x}" offset 0,0.6\n'
    if logarithmic:
        ticks = sorted({point[0] for panel in panels for points in panel.series.values()
                        for point in points})
        before += "set logscale x\nset xtics (" + ", ".join(f'"{t:,}" {t}' for t in ticks) + ")\n"
        before += f"set xrange [{ticks[0] * 0.8}:{ticks[-1] * 1.25}]\n"

    def part(number, name, colour_):
        width = 3 if colour_ == OURS else 1.6
        return (f'$data{number} using 1:2 with linespoints lc rgb "{colour_}" lw {width} pt 7 '
                f'ps 0.6 title "{name}"')

    draw(path, panels, columns, before, part)


def bars(path, panels, columns=None, logarithmic=False):
    groups = max(len(points) for panel in panels for points in panel.series.values())
    before = f"set xrange [-0.7:{groups - 0.3}]\n"
    if logarithmic:
        least = min(point[1] for panel in panels for points in panel.series.values()
                    for point in points)
        before += f"set logscale y\nset yrange [{least / 2:.3g}:*]\n"
    before += ("set style data histograms\nset style histogram clustered gap 1\n"
              "set style fill solid 0.9 noborder\nset boxwidth 0.9\n")

    def part(number, name, colour_):
        return f'$data{number} using 2:xtic(1) lc rgb "{colour_}" title "{name}"'

    draw(path, panels, columns, before, part)
