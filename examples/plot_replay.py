#!/usr/bin/env python3
"""Draws what replay --json has printed.

usage: plot_replay.py [--over] OUT.png [LABEL=]FILE...

Needs matplotlib (Debian: python3-matplotlib).  "-" is stdin.  What is drawn
follows from the lines: a sweep becomes curves over the option's value; users,
tenants, --burst and --pd their own numbers; anything else bars, one colour for
each file, so that runs with and without --churn or --slow stand side by side:

  replay --generate agent --json > still
  replay --generate agent --json --churn > moving
  plot_replay.py churn.png still moving

A file may have the runs of several seeds: their mean is drawn.  --over draws
how many times as long as in the first file it takes; bursts have what they are
compared with in them.
"""
import json
import math
import os
import sys

UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def rows_read(name):
    with (sys.stdin if name == "-" else open(name)) as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    if not rows:
        sys.exit(f"plot_replay.py: {name}: no lines")
    return rows


def number(text):
    """A value as the command line had it."""
    if text[-1:] in UNITS:
        return float(text[:-1]) * UNITS[text[-1]]
    return float(text)


def policies(rows):
    """In the order in which they come first."""
    return list(dict.fromkeys(row["policy"] for row in rows))


def mean_of(rows, policy, field):
    """Over the seeds; 0 where that policy was not run."""
    values = [row[field] for row in rows if row["policy"] == policy]
    return sum(values) / len(values) if values else 0


def panels(plt, titles):
    figure, axes = plt.subplots(1, len(titles), figsize=(4 * len(titles), 3.4))
    axes = [axes] if len(titles) == 1 else list(axes)
    for axis, title in zip(axes, titles):
        axis.set_title(title, fontsize=10)
        axis.grid(axis="y", alpha=0.3)
        axis.tick_params(labelsize=8)
    return figure, axes


def scale(axis, values):
    """Where the worst time is many times the best, a linear axis shows one."""
    values = [v for v in values if v is not None]
    if axis.get_title().endswith("ms") and max(values) > 8 * min(values) > 0:
        axis.set_yscale("log")
        axis.set_ylim(10 ** math.floor(math.log10(min(values))),
                      4 * max(values))
    else:
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))


def curves(plt, rows):
    option = rows[0]["sweep"]
    fields = [("ttft_ms_mean", "time to first token, mean, ms"),
              ("ttft_ms_p99", "time to first token, p99, ms"),
              ("hit_ratio", "share of input tokens reused")]
    if "tenants" in rows[0]:
        fields = [("tenant_ttft_over_alone_mean", "later than alone, share"),
                  ("tenant_hits_lost_mean", "reused less than alone, share"),
                  fields[0]]
    elif "ttft_over_no_l2" in rows[0]:
        fields = [fields[0], ("ttft_over_no_l2", "over no L2, share"),
                  ("hit_l2", "share of input tokens from L2")]
    figure, axes = panels(plt, [title for _, title in fields])
    for axis, (field, _) in zip(axes, fields):
        for policy in policies(rows):
            of = [r for r in rows if r["policy"] == policy]
            axis.plot([number(r["value"]) for r in of],
                      [r[field] for r in of], marker="o", markersize=3,
                      label=policy)
        values = sorted({number(r["value"]) for r in rows})
        if values[0] > 0 and values[-1] >= 10 * values[0]:
            axis.set_xscale("log")
        elif values[0] == 0 and values[-1] >= 100:
            axis.set_xscale("symlog", linthresh=values[1])
        axis.set_xlabel(option, fontsize=9)
        scale(axis, [r[field] for r in rows])
    return figure, axes


def bars(axis, names, series):
    """series: label -> a value for each name."""
    width = 0.8 / len(series)
    for i, (label, values) in enumerate(series.items()):
        axis.bar([x - 0.4 + width * (i + 0.5) for x in range(len(names))],
                 values, width, label=label)
    scale(axis, [v for values in series.values() for v in values])
    axis.set_xticks(range(len(names)))
    axis.set_xticklabels(names, rotation=30, ha="right", fontsize=8)


def fields_of(rows, fields):
    return {label: [row[field] for row in rows]
            for field, label in fields.items()}


def one_run(plt, rows):
    names = policies(rows)
    if "users" in rows[0]:
        figure, axes = panels(plt, ["light users' first token, p99, ms",
                                    "heavy user's first token, p99, ms"])
        bars(axes[0], names, fields_of(rows, {
            "light_unfair_ttft_ms_p99": "in order of arrival",
            "light_ttft_ms_p99": "in turns",
            "light_equal_ttft_ms_p99": "all users alike"}))
        bars(axes[1], names, fields_of(rows, {
            "heavy_unfair_ttft_ms_p99": "in order of arrival",
            "heavy_ttft_ms_p99": "in turns"}))
    elif "tenants" in rows[0]:
        figure, axes = panels(plt, ["first token later than alone, share",
                                    "reused less than alone, share"])
        for axis, field in zip(axes, ["tenant_ttft_over_alone",
                                      "tenant_hits_lost"]):
            bars(axis, names, fields_of(rows, {field + "_mean": "mean",
                                               field + "_max": "most"}))
    elif "burst" in rows[0]:
        figure, axes = panels(plt, ["siblings' first token, ms",
                                    "all others' first token, mean, ms",
                                    "all others' first token, p99, ms"])
        bars(axes[0], names, {
            label: [mean_of(rows, n, "sibling_ttft_ms_" + label)
                    for n in names] for label in ["mean", "p99"]})
        for axis, field in zip(axes[1:], ["ttft_ms_mean", "ttft_ms_p99"]):
            bars(axis, names, {
                label: [mean_of(rows, n, which + field) for n in names]
                for which, label in [("other_still_", "without bursts"),
                                     ("other_", "with them")]})
    elif "prefill_pods" in rows[0]:
        figure, axes = panels(plt, ["time to first token, ms",
                                    "time per token after it, ms",
                                    "to the last token, ms"])
        for axis, field in zip(axes, ["ttft_ms", "tpot_ms", "e2e_ms"]):
            bars(axis, names, fields_of(rows, {field + "_mean": "mean",
                                               field + "_p99": "p99"}))
    else:
        figure, axes = panels(plt, ["time to first token, mean, ms",
                                    "time to first token, p99, ms",
                                    "share of input tokens reused"])
        bars(axes[0], names, {"mean": [r["ttft_ms_mean"] for r in rows]})
        bars(axes[1], names, {"p99": [r["ttft_ms_p99"] for r in rows]})
        bars(axes[2], names, fields_of(rows, {
            "hit_gpu": "GPU", "hit_l1": "L1", "hit_l2": "L2"}))
    return figure, axes


def several_runs(plt, runs):
    names = policies([row for rows in runs.values() for row in rows])
    figure, axes = panels(plt, ["time to first token, mean, ms",
                                "time to first token, p99, ms",
                                "share of input tokens reused"])
    for axis, field in zip(axes, ["ttft_ms_mean", "ttft_ms_p99",
                                  "hit_ratio"]):
        bars(axis, names, {
            label: [mean_of(rows, name, field) for name in names]
            for label, rows in runs.items()})
    return figure, axes


def over(rows, still, policy, field):
    """How many times as long."""
    if "burst" in rows[0]:
        return (mean_of(rows, policy, "other_" + field) /
                mean_of(rows, policy, "other_still_" + field))
    return mean_of(rows, policy, field) / mean_of(still, policy, field)


def runs_over(plt, runs):
    still = next(iter(runs.values()))
    names = policies(still)
    figure, axes = panels(plt, ["mean time to first token, times",
                                "p99 of time to first token, times"])
    for axis, field in zip(axes, ["ttft_ms_mean", "ttft_ms_p99"]):
        bars(axis, names, {
            label: [over(rows, still, name, field) for name in names]
            for label, rows in list(runs.items())[1:]})
        axis.axhline(1, color="black", linewidth=0.8)
        axis.set_ylim(0, 1.4 * axis.get_ylim()[1])  # room for the legend
    return figure, axes


def main():
    relative = "--over" in sys.argv[1:]
    if relative:
        sys.argv.remove("--over")
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    try:
        import matplotlib
    except ImportError:
        sys.exit("plot_replay.py: needs matplotlib (python3-matplotlib)")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    runs = {}
    for name in sys.argv[2:]:
        label, _, path = name.rpartition("=")
        runs[label or os.path.basename(path)] = rows_read(path)
    rows = next(iter(runs.values()))
    if relative:
        figure, axes = runs_over(plt, runs)
    elif len(runs) > 1:
        figure, axes = several_runs(plt, runs)
    elif "sweep" in rows[0]:
        figure, axes = curves(plt, rows)
    else:
        figure, axes = one_run(plt, rows)
    for axis in axes:
        if len(axis.get_legend_handles_labels()[1]) > 1:
            axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(sys.argv[1], dpi=80)


if __name__ == "__main__":
    main()
