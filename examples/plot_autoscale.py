#!/usr/bin/env python3
"""Draws what autoscale --json has printed.

usage: plot_autoscale.py OUT.png FILE...

Needs matplotlib (Debian: python3-matplotlib).  "-" is stdin.  Lines with a
timeline become pods ready against pods needed, a row for each shape and a
column for each scaler; other lines become fronts, GPU-hours against latency,
a panel for each shape:

  autoscale --json --timeline --usual --seeds 1 > lines
  plot_autoscale.py time.png lines
"""
import json
import sys


def rows_read(names):
    rows = []
    for name in names:
        with (sys.stdin if name == "-" else open(name)) as lines:
            rows += [json.loads(line) for line in lines if line.strip()]
    rows = [row for row in rows if "compare" not in row]
    if not rows:
        sys.exit("plot_autoscale.py: no lines of runs")
    return rows


def different(rows, field):
    """In the order in which they come first."""
    return list(dict.fromkeys(row[field] for row in rows))


def mean(values):
    return sum(values) / len(values)


def timelines(plt, rows):
    shapes = different(rows, "shape")
    scalers = different(rows, "scaler")
    figure, axes = plt.subplots(
        len(shapes), len(scalers), sharex=True, sharey="row", squeeze=False,
        figsize=(1 + 2.6 * len(scalers), 0.6 + 1.8 * len(shapes)))
    for shape, line in zip(shapes, axes):
        for scaler, axis in zip(scalers, line):
            of = [r for r in rows
                  if r["shape"] == shape and r["scaler"] == scaler]
            if not of:
                axis.axis("off")
                continue
            row = of[0]
            minutes = [row["every_s"] * (i + 1) / 60
                       for i in range(len(row["ready"]))]
            n = min(len(minutes), len(row["need"]))
            axis.fill_between(minutes[:n], row["need"][:n], color="0.8",
                              label="needed")
            axis.step(minutes, row["asked"], where="post", linewidth=0.8,
                      linestyle=":", color="tab:orange", label="asked for")
            axis.step(minutes, row["ready"], where="post", linewidth=1.2,
                      color="tab:blue", label="ready")
            axis.tick_params(labelsize=7)
            axis.text(0.02, 0.97, f"{100 * row['slo_attainment']:.0f} % in "
                      f"time, {row['gpu_hours']:.1f} GPU h", va="top",
                      transform=axis.transAxes, fontsize=7)
        line[0].set_ylim(0, 1.15 * max(
            max(r["need"] + r["asked"]) for r in rows if r["shape"] == shape))
        line[0].set_ylabel(f"{shape}\npods", fontsize=8)
    for scaler, axis in zip(scalers, axes[0]):
        axis.set_title(scaler, fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("minutes", fontsize=8)
    axes[0][0].legend(fontsize=7, loc="lower right")
    return figure


def front(points):
    """Of (hours, latency) those that no other beats in both."""
    best = []
    for hours, late in sorted(points):
        if not best or late < best[-1][1]:
            best.append((hours, late))
    return best


def fronts(plt, rows):
    shapes = different(rows, "shape")
    columns = min(4, len(shapes))
    lines = -(-len(shapes) // columns)
    figure, axes = plt.subplots(lines, columns, squeeze=False,
                                figsize=(3.4 * columns, 3 * lines))
    flat = [axis for line in axes for axis in line]
    scalers = different(rows, "scaler")
    for axis in flat[len(shapes):]:
        axis.axis("off")
    for axis, shape in zip(flat, shapes):
        for k, scaler in enumerate(scalers):
            of = [r for r in rows
                  if r["shape"] == shape and r["scaler"] == scaler]
            points = []
            for params in different(of, "params"):
                runs = [r for r in of if r["params"] == params]
                points.append((mean([r["gpu_hours"] for r in runs]),
                               mean([r["e2e_ms_mean"] for r in runs]) / 1e3))
            axis.plot(*zip(*points), ".", markersize=3, color=f"C{k}",
                      alpha=0.4)
            axis.plot(*zip(*front(points)), color=f"C{k}", linewidth=1.2,
                      linestyle="--" if scaler == "fixed" else "-",
                      label=scaler)
        axis.set_yscale("log")
        held = " (held out)" if any(r["held_out"] for r in rows
                                    if r["shape"] == shape) else ""
        axis.set_title(shape + held, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.tick_params(which="minor", labelsize=6)
        axis.set_xlabel("GPU-hours", fontsize=8)
    for line in axes:
        line[0].set_ylabel("mean latency, s", fontsize=8)
    flat[0].legend(fontsize=7)
    return figure


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    try:
        import matplotlib
    except ImportError:
        sys.exit("plot_autoscale.py: needs matplotlib (python3-matplotlib)")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = rows_read(sys.argv[2:])
    figure = (timelines if "ready" in rows[0] else fronts)(plt, rows)
    figure.tight_layout()
    figure.savefig(sys.argv[1], dpi=80)


if __name__ == "__main__":
    main()
