#!/usr/bin/env python3
"""Draws what route_quality --json has written.

usage: plot_quality.py OUT.png FILE

Needs matplotlib (Debian: python3-matplotlib).  For each cell, the mean and the
99th percentile of the time to first token of each policy, over that of the best
other policy there: below 1 is who is better than all others.

  route_quality --json cells
  plot_quality.py quality.png cells
"""
import sys

from plot_replay import policies, rows_read

FIELDS = [("ttft_ms_mean", "mean time to first token, over the best other's"),
          ("ttft_ms_p99", "p99 of time to first token, over the best other's")]
MARKS = "ov^<>sDPX*"


def cell(row):
    return f"{row['workload']}, {row['pods']}, {row['load']:g}"


def over_best_other(rows, field):
    """policy -> its ratio in each cell; a cell of one policy has none."""
    ratios = {}
    for row in rows:
        others = [r[field] for r in rows
                  if cell(r) == cell(row) and r["policy"] != row["policy"]]
        if others:
            ratios.setdefault(row["policy"], {})[cell(row)] = (
                row[field] / min(others))
    return ratios


def draw(plt, rows):
    cells = list(dict.fromkeys(cell(row) for row in rows))
    figure, axes = plt.subplots(2, 1, sharex=True,
                                figsize=(3 + 0.4 * len(cells), 7))
    for axis, (field, title) in zip(axes, FIELDS):
        ratios = over_best_other(rows, field)
        axis.axhline(1, color="black", linewidth=0.8)
        for i, policy in enumerate(policies(rows)):
            of = ratios.get(policy, {})
            axis.plot([cells.index(c) for c in of], list(of.values()),
                      MARKS[i % len(MARKS)], label=policy,
                      markersize=7 if policy == "cost" else 4)
        axis.set_yscale("log", base=2)
        axis.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    axes[1].set_xticks(range(len(cells)), cells, rotation=60, ha="right",
                       fontsize=8)
    axes[0].legend(fontsize=8, ncol=5)
    return figure


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    try:
        import matplotlib
    except ImportError:
        sys.exit("plot_quality.py: needs matplotlib (python3-matplotlib)")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = draw(plt, rows_read(sys.argv[2]))
    figure.tight_layout()
    figure.savefig(sys.argv[1], dpi=80)


if __name__ == "__main__":
    main()
