/* Results for people and for programs. */
#include "replay_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* How much longer than without L2, as a share. */
static double
over_no_l2(const replay_result *r)
{
	return r->late_ttft_ms_mean / r->no_l2_ttft_ms_mean - 1;
}

static void
fault_json(const replay_options *options, const replay_result *r)
{
	printf("\"l2_fault\":\"%s\",\"l2_fault_requests\":%llu,"
	       "\"l2_fault_ttft_ms_mean\":%.3f,\"l2_fault_ttft_ms_p99\":%.3f,"
	       "\"no_l2_ttft_ms_mean\":%.3f,\"no_l2_ttft_ms_p99\":%.3f,"
	       "\"ttft_over_no_l2\":%.6f,",
	       replay_fault_name(options->l2_fault),
	       (unsigned long long)r->late_requests, r->late_ttft_ms_mean,
	       r->late_ttft_ms_p99, r->no_l2_ttft_ms_mean, r->no_l2_ttft_ms_p99,
	       over_no_l2(r));
}

/* A number; null where nothing was counted. */
static void
number_json(const char *name, double value)
{
	if (isnan(value))
		printf("\"%s\":null,", name);
	else
		printf("\"%s\":%.3f,", name, value);
}

static void
times_json(const replay_result *r)
{
	number_json("tpot_ms_mean", r->tpot_ms_mean);
	number_json("tpot_ms_p99", r->tpot_ms_p99);
	number_json("e2e_ms_mean", r->e2e_ms_mean);
	number_json("e2e_ms_p99", r->e2e_ms_p99);
}

void
replay_report_json(const replay_input *input, const replay_result *r)
{
	putchar('{');
	/* As it was given: a number, or one with K, M, G or T. */
	if (r->swept)
		printf("\"sweep\":\"%s\",\"value\":\"%s\",",
		       input->options->sweep.option, r->swept);
	printf("\"policy\":\"%s\",\"evict\":\"%s\",\"requests\":%llu,"
	       "\"finished\":%llu,\"pods\":%llu,",
	       r->policy, r->evict, (unsigned long long)r->requests,
	       (unsigned long long)r->finished, (unsigned long long)r->pods);
	printf("\"hit_ceiling\":%.6f,\"hit_ratio\":%.6f,\"hit_gpu\":%.6f,"
	       "\"hit_l1\":%.6f,\"hit_l2\":%.6f,",
	       r->hit_ceiling, r->hit_ratio, r->hit_gpu, r->hit_l1, r->hit_l2);
	printf("\"ttft_ms_mean\":%.3f,\"ttft_ms_p50\":%.3f,"
	       "\"ttft_ms_p99\":%.3f,",
	       r->ttft_ms_mean, r->ttft_ms_p50, r->ttft_ms_p99);
	times_json(r);
	printf("\"tokens_per_s\":%.1f,\"load_max_over_mean\":%.4f,",
	       r->tokens_per_s, r->load_max_over_mean);
	if (input->options->l2_fault)
		fault_json(input->options, r);
	replay_report_json_more(input, r);
	printf("\"verified_blocks\":%llu,\"corrupt_blocks\":%llu,",
	       (unsigned long long)r->verified_blocks,
	       (unsigned long long)r->corrupt_blocks);
	printf("\"hash_ns_per_block\":%.1f,\"match_ns\":%.1f,\"pick_ns\":%.1f,"
	       "\"cache_ns_per_block\":%.1f}\n",
	       r->hash_ns_per_block, r->match_ns, r->pick_ns,
	       r->cache_ns_per_block);
}

const char *
replay_report_name(const replay_result *results, uint32_t n,
		   const replay_result *r, char name[REPLAY_NAME_BYTES])
{
	int several = 0;

	for (uint32_t i = 1; i < n; i++)
		several |= strcmp(results[i].evict, results[0].evict) != 0;
	snprintf(name, REPLAY_NAME_BYTES, "%s%s%s", r->policy,
		 several ? " " : "", several ? r->evict : "");
	return name;
}

int
replay_report_width(const replay_result *results, uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	size_t width = 15, len;

	for (uint32_t i = 0; i < n; i++) {
		len = strlen(replay_report_name(results, n, &results[i], name));
		width = len > width ? len : width;
	}
	return (int)width;
}

static void
header_print(const replay_input *input)
{
	const replay_options *options = input->options;
	const sim_workload *workload = input->workload;
	double n = (double)workload->n;

	printf("%zu requests (%s), mean %.0f tokens in and %.0f out, over %u "
	       "pods of %s.\n",
	       workload->n, options->trace ? options->trace : options->kind,
	       (double)workload->input_tokens / n,
	       (double)workload->output_tokens / n, options->pods,
	       input->spec->text);
	printf("At most %.1f %% of the input tokens can be reused (one "
	       "infinite cache).\n\n",
	       100 * input->hit_ceiling);
}

static void
fleet_print(const replay_result *results, uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("%-*s %23s %26s %8s %6s\n", width, "", "input tokens reused, %",
	       "time to first token, ms", "tokens", "load");
	printf("%-*s %5s %5s %5s %5s %9s %8s %8s %8s %6s\n", width, "policy",
	       "all", "GPU", "L1", "L2", "mean", "p50", "p99", "per s", "skew");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];

		printf("%-*s %5.1f %5.1f %5.1f %5.1f %9.0f %8.0f %8.0f %8.0f "
		       "%6.2f\n",
		       width, replay_report_name(results, n, r, name),
		       100 * r->hit_ratio, 100 * r->hit_gpu, 100 * r->hit_l1,
		       100 * r->hit_l2, r->ttft_ms_mean, r->ttft_ms_p50,
		       r->ttft_ms_p99, r->tokens_per_s, r->load_max_over_mean);
	}
	puts("\nreused: found in a cache instead of computed; GPU at once, L1 "
	     "(the pod's memory)\n"
	     "        and L2 (store of all pods) after a load.\n"
	     "skew:   busy seconds of the busiest pod over the mean of all.");
}

/* What the choice of a policy is worth. */
static void
best_print(const replay_result *results, uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	const replay_result *best = results;

	if (n < 2)
		return;
	for (uint32_t i = 1; i < n; i++) {
		if (results[i].ttft_ms_mean < best->ttft_ms_mean)
			best = &results[i];
	}
	printf("\nBest is %s: its mean time to first token is\n",
	       replay_report_name(results, n, best, name));
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];

		if (r != best)
			printf("  %3.0f %% below %s\n",
			       100 * (1 - best->ttft_ms_mean / r->ttft_ms_mean),
			       replay_report_name(results, n, r, name));
	}
}

static void
library_print(const replay_result *results, uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("\n%-*s %9s %9s %9s %9s %11s %9s\n", width, "library, here",
	       "hash", "match", "pick", "cache", "blocks", "corrupt");
	printf("%-*s %9s %9s %9s %9s %11s %9s\n", width, "policy", "ns/block",
	       "ns", "ns", "ns/block", "verified", "blocks");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];

		printf("%-*s %9.0f %9.0f %9.0f %9.0f %11llu %9llu\n", width,
		       replay_report_name(results, n, r, name),
		       r->hash_ns_per_block, r->match_ns, r->pick_ns,
		       r->cache_ns_per_block,
		       (unsigned long long)r->verified_blocks,
		       (unsigned long long)r->corrupt_blocks);
	}
	puts("\nThese times are real, of this machine; all above is virtual "
	     "time of the fleet.");
}

/* What an L2 that fails costs those who would do better without. */
static void
fault_print(const replay_input *input, const replay_result *results, uint32_t n)
{
	const replay_options *options = input->options;
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("\nL2, fault %s, the last %.0f %% of the time: %llu requests\n",
	       replay_fault_name(options->l2_fault),
	       100 * (1 - options->l2_fault_from),
	       (unsigned long long)results->late_requests);
	printf("%-*s %18s %18s %8s\n", width, "", "with it, ms",
	       "without any L2, ms", "mean");
	printf("%-*s %9s %8s %9s %8s %8s\n", width, "policy", "mean", "p99",
	       "mean", "p99", "over, %");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];

		printf("%-*s %9.0f %8.0f %9.0f %8.0f %+8.2f\n", width,
		       replay_report_name(results, n, r, name),
		       r->late_ttft_ms_mean, r->late_ttft_ms_p99,
		       r->no_l2_ttft_ms_mean, r->no_l2_ttft_ms_p99,
		       100 * over_no_l2(r));
	}
}

void
replay_report_table(const replay_input *input, const replay_result *results,
		    uint32_t n)
{
	header_print(input);
	fleet_print(results, n);
	best_print(results, n);
	if (input->options->l2_fault)
		fault_print(input, results, n);
	replay_report_table_more(input, results, n);
	library_print(results, n);
}

void
replay_report_sweep(const replay_options *options, const replay_result *results,
		    uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("%-12s %-*s %8s %26s %17s %6s\n", "", width, "", "reused",
	       "time to first token, ms", "ms per token", "load");
	printf("%-12s %-*s %8s %9s %8s %7s %8s %8s %6s\n",
	       options->sweep.option, width, "policy", "%", "mean", "p50",
	       "p99", "mean", "p99", "skew");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];

		printf("%-12s %-*s %8.1f %9.0f %8.0f %7.0f %8.1f %8.1f "
		       "%6.2f\n",
		       r->swept, width, replay_report_name(results, n, r, name),
		       100 * r->hit_ratio, r->ttft_ms_mean, r->ttft_ms_p50,
		       r->ttft_ms_p99, r->tpot_ms_mean, r->tpot_ms_p99,
		       r->load_max_over_mean);
	}
}
