/* Tables for people, lines for programs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale.h"

double
autoscale_figure(const autoscale_cell *cell, uint32_t figure)
{
	const sim_fleet_result *run = &cell->run;

	switch (figure) {
	case AUTOSCALE_GPU_HOURS: return cell->gpu_hours;
	case AUTOSCALE_E2E: return run->e2e_s_mean;
	case AUTOSCALE_TTFT: return run->ttft_s_mean;
	case AUTOSCALE_TTFT_P99: return run->ttft_s_p99;
	case AUTOSCALE_ITL: return run->itl_s_mean;
	case AUTOSCALE_SLO: return 100 * cell->slo;
	case AUTOSCALE_TURNS: return cell->turns_per_h;
	case AUTOSCALE_LAG: return cell->lag_s;
	case AUTOSCALE_SPARE: return cell->spare_pod_h;
	default: return run->tokens_per_s;
	}
}

double
autoscale_mean(const autoscale_options *options, const autoscale_cell *cells,
	       uint32_t entry, uint32_t figure)
{
	double sum = 0;

	for (uint64_t s = 0; s < options->seeds; s++)
		sum += autoscale_figure(&cells[entry * options->seeds + s],
					figure);
	return sum / (double)options->seeds;
}

/* JSON has no NaN. */
static void
number_print(const char *name, double value)
{
	if (isfinite(value))
		printf(",\"%s\":%.6g", name, value);
	else
		printf(",\"%s\":null", name);
}

static void
timeline_print(const sim_load *load, const sim_fleet_result *run)
{
	printf(",\"every_s\":%.0f,\"need\":[", (double)SIM_MARK_NS / 1e9);
	for (uint32_t i = 0; i < load->n_need; i++)
		printf("%s%.3g", i ? "," : "", load->need[i]);
	printf("],\"asked\":[");
	for (uint32_t i = 0; i < run->n_marks; i++)
		printf("%s%u", i ? "," : "", run->marks[i].asked);
	printf("],\"ready\":[");
	for (uint32_t i = 0; i < run->n_marks; i++)
		printf("%s%u", i ? "," : "", run->marks[i].ready);
	printf("],\"jobs\":[");
	for (uint32_t i = 0; i < run->n_marks; i++)
		printf("%s%u", i ? "," : "", run->marks[i].jobs);
	printf("]");
}

static void
line_print(const autoscale_options *o, const sim_shape *shape,
	   const sim_load *load, uint64_t i, const autoscale_cell *cell,
	   uint8_t on)
{
	const autoscale_entry *entry = &o->entries[i / o->seeds];
	const sim_fleet_result *run = &cell->run;

	printf("{\"shape\":\"%s\",\"held_out\":%s,\"scaler\":\"%s\","
	       "\"params\":\"%s\",\"front\":%s,\"seed\":%llu,\"start_up_s\":%g,"
	       "\"requests\":%llu,\"finished\":%llu,\"lost\":%llu",
	       shape->name, shape->held_out ? "true" : "false",
	       entry->scaler->name, entry->text, on ? "true" : "false",
	       (unsigned long long)(o->first_seed + i % o->seeds), o->start_s,
	       (unsigned long long)run->arrived,
	       (unsigned long long)run->finished,
	       (unsigned long long)run->lost);
	number_print("pods_needed_mean", load->mean);
	number_print("pods_needed_peak", load->peak);
	number_print("slo_attainment", cell->slo);
	number_print("ttft_ms_mean", 1e3 * run->ttft_s_mean);
	number_print("ttft_ms_p50", 1e3 * run->ttft_s_p50);
	number_print("ttft_ms_p99", 1e3 * run->ttft_s_p99);
	number_print("itl_ms_mean", 1e3 * run->itl_s_mean);
	number_print("e2e_ms_mean", 1e3 * run->e2e_s_mean);
	number_print("e2e_ms_p99", 1e3 * run->e2e_s_p99);
	number_print("tokens_per_s", run->tokens_per_s);
	number_print("gpu_hours", cell->gpu_hours);
	number_print("oscillations_per_h", cell->turns_per_h);
	number_print("changes_per_h", run->changes / o->hours);
	number_print("lag_s", cell->lag_s);
	number_print("spare_pod_hours", cell->spare_pod_h);
	number_print("peak_pods", run->peak);
	if (o->timeline)
		timeline_print(load, run);
	printf("}\n");
}

static void
head_print(const autoscale_options *o, const sim_shape *shape,
	   const sim_load *loads)
{
	double mean = 0, peak = 0, n = 0;

	for (uint64_t s = 0; s < o->seeds; s++) {
		mean += loads[s].mean / (double)o->seeds;
		peak += loads[s].peak / (double)o->seeds;
		n += (double)loads[s].workload.n / (double)o->seeds;
	}
	printf("\n%s (%s): %s\n%.0f requests, %.1f pods needed, at most %.1f\n"
	       "%-30s %6s %7s %8s %8s %7s %6s %6s %6s\n",
	       shape->name, shape->held_out ? "held out" : "tuning",
	       shape->text, n, mean, peak, "", "SLO %", "TTFT", "TTFT p99",
	       "latency", "ITL ms", "GPU h", "turn/h", "lag s");
}

static void
entry_print(const autoscale_options *o, const autoscale_cell *cells,
	    uint32_t entry)
{
	char name[64];
	uint64_t lost = 0;

	for (uint64_t s = 0; s < o->seeds; s++)
		lost += cells[entry * o->seeds + s].run.lost;
	snprintf(name, sizeof(name), "%s %s", o->entries[entry].scaler->name,
		 o->entries[entry].text);
	printf("%-30s %6.1f %7.2f %8.1f %8.2f %7.1f %6.2f %6.1f %6.0f", name,
	       autoscale_mean(o, cells, entry, AUTOSCALE_SLO),
	       autoscale_mean(o, cells, entry, AUTOSCALE_TTFT),
	       autoscale_mean(o, cells, entry, AUTOSCALE_TTFT_P99),
	       autoscale_mean(o, cells, entry, AUTOSCALE_E2E),
	       1e3 * autoscale_mean(o, cells, entry, AUTOSCALE_ITL),
	       autoscale_mean(o, cells, entry, AUTOSCALE_GPU_HOURS),
	       autoscale_mean(o, cells, entry, AUTOSCALE_TURNS),
	       autoscale_mean(o, cells, entry, AUTOSCALE_LAG));
	if (lost)
		printf("  %llu lost", (unsigned long long)lost);
	printf("\n");
}

void
autoscale_report(const autoscale_options *options, const sim_shape *shape,
		 const sim_load *loads, const autoscale_cell *cells,
		 autoscale_summary *summary)
{
	uint8_t on[AUTOSCALE_ENTRIES_MAX] = {0};
	autoscale_gain gains[AUTOSCALE_SCALERS_MAX];
	uint32_t n;

	autoscale_fronts(options, cells, on);
	n = autoscale_compare(options, cells, on, gains);
	autoscale_summary_add(summary, gains, n);
	if (options->json) {
		for (uint64_t i = 0; i < options->n_entries * options->seeds;
		     i++)
			line_print(options, shape, &loads[i % options->seeds],
				   i, &cells[i], on[i / options->seeds]);
	} else {
		head_print(options, shape, loads);
		for (uint32_t i = 0; i < options->n_entries; i++)
			if (options->all || on[i])
				entry_print(options, cells, i);
	}
	autoscale_gains_print(options, shape, gains, n);
	fflush(stdout);
}
