/* What --pd, --churn, --users, --tenants and --burst have shown. */
#include <math.h>
#include <stdio.h>

#include "replay_run.h"

/* null where nobody was counted. */
static void
number_print(double value, const char *after)
{
	if (isnan(value))
		printf("null%s", after);
	else
		printf("%.6g%s", value, after);
}

static void
group_json(const char *name, const replay_group *group)
{
	printf("\"%s_ttft_ms_mean\":", name);
	number_print(group->ttft_ms_mean, ",");
	printf("\"%s_ttft_ms_p99\":", name);
	number_print(group->ttft_ms_p99, ",");
}

/* How much longer, as a share. */
static double
over(double value, double than)
{
	return value / than - 1;
}

static void
users_json(const replay_options *options, const replay_result *r)
{
	printf("\"users\":%u,", options->users);
	group_json("heavy", &r->groups[0]);
	group_json("light", &r->groups[1]);
	group_json("heavy_unfair", &r->unfair[0]);
	group_json("light_unfair", &r->unfair[1]);
	group_json("light_equal", &r->alone[1]);
	group_json("light_apart", &r->apart);
	printf("\"light_p99_over_equal\":");
	number_print(over(r->groups[1].ttft_ms_p99, r->alone[1].ttft_ms_p99),
		     ",");
	printf("\"light_p99_over_apart\":");
	number_print(over(r->groups[1].ttft_ms_p99, r->apart.ttft_ms_p99), ",");
}

static void
burst_json(const replay_options *options, const replay_result *r)
{
	printf("\"burst\":%u,", options->burst);
	group_json("sibling", &r->groups[0]);
	printf("\"sibling_hit_ratio\":%.6f,", r->groups[0].hit_ratio);
	group_json("other", &r->groups[1]);
	group_json("other_still", &r->alone[1]);
}

static double
mean_over_alone(const replay_result *r, uint32_t i)
{
	return over(r->groups[i].ttft_ms_mean, r->alone[i].ttft_ms_mean);
}

static double
hit_loss(const replay_result *r, uint32_t i)
{
	return r->alone[i].hit_ratio - r->groups[i].hit_ratio;
}

/* Mean and most of a number over the tenants that sent anything. */
static void
tenants_sum(const replay_result *r,
	    double (*of)(const replay_result *r, uint32_t i), double *mean,
	    double *most)
{
	double sum = 0;
	double n = 0;

	*most = -INFINITY;
	for (uint32_t i = 0; i < r->n_groups; i++) {
		double value = of(r, i);

		if (isnan(value))
			continue;
		sum += value;
		n += 1;
		if (value > *most)
			*most = value;
	}
	*mean = sum / n;
}

static void
tenants_json(const replay_options *options, const replay_result *r)
{
	double mean, most;

	printf("\"tenants\":%u,", options->tenants);
	tenants_sum(r, mean_over_alone, &mean, &most);
	printf("\"tenant_ttft_over_alone_mean\":");
	number_print(mean, ",");
	printf("\"tenant_ttft_over_alone_max\":");
	number_print(most, ",");
	tenants_sum(r, hit_loss, &mean, &most);
	printf("\"tenant_hits_lost_mean\":");
	number_print(mean, ",");
	printf("\"tenant_hits_lost_max\":");
	number_print(most, ",");
	printf("\"tenant_ttft_ms_mean\":[");
	for (uint32_t i = 0; i < r->n_groups; i++)
		number_print(r->groups[i].ttft_ms_mean,
			     i + 1 < r->n_groups ? "," : "],");
	printf("\"tenant_alone_ttft_ms_mean\":[");
	for (uint32_t i = 0; i < r->n_groups; i++)
		number_print(r->alone[i].ttft_ms_mean,
			     i + 1 < r->n_groups ? "," : "],");
}

void
replay_report_json_more(const replay_input *input, const replay_result *r)
{
	const replay_options *options = input->options;

	if (options->prefill_pods)
		printf("\"prefill_pods\":%u,\"decode_pods\":%u,",
		       options->prefill_pods, options->decode_pods);
	if (options->l2_gbps > 0)
		printf("\"l2_gbps\":%.6g,", options->l2_gbps);
	if (options->stale_ms)
		printf("\"stale_ms\":%llu,",
		       (unsigned long long)options->stale_ms);
	if (options->slow > 0)
		printf("\"slow\":%.6g,", options->slow);
	if (options->churn)
		printf("\"churn\":{\"left\":%llu,\"joined\":%llu,"
		       "\"restarted\":%llu,\"retried\":%llu},",
		       (unsigned long long)r->left,
		       (unsigned long long)r->joined,
		       (unsigned long long)r->restarted,
		       (unsigned long long)r->retried);
	if (options->predict)
		printf("\"predict\":1,");
	if (options->burst)
		burst_json(options, r);
	if (options->users)
		users_json(options, r);
	if (options->tenants)
		tenants_json(options, r);
}

static void
users_print(const replay_input *input, const replay_result *results, uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("\nOne user sends as much as the %u others: p99 of time to "
	       "first "
	       "token, ms\n",
	       input->options->users - 1);
	printf("%-*s %19s %19s %10s %9s %9s\n", width, "",
	       "in order of arrival", "in turns (vtc)", "all alike", "in turns",
	       "apart");
	printf("%-*s %9s %9s %9s %9s %10s %9s %9s\n", width, "policy", "heavy",
	       "light", "heavy", "light", "light", "over, %", "light");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];

		printf("%-*s %9.0f %9.0f %9.0f %9.0f %10.0f %+9.1f %9.0f\n",
		       width, replay_report_name(results, n, r, name),
		       r->unfair[0].ttft_ms_p99, r->unfair[1].ttft_ms_p99,
		       r->groups[0].ttft_ms_p99, r->groups[1].ttft_ms_p99,
		       r->alone[1].ttft_ms_p99,
		       100 * over(r->groups[1].ttft_ms_p99,
				  r->alone[1].ttft_ms_p99),
		       r->apart.ttft_ms_p99);
	}
}

static void
burst_print(const replay_input *input, const replay_result *results, uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("\nEight bursts of %u siblings: time to first token, ms\n",
	       input->options->burst);
	printf("%-*s %20s %20s %20s\n", width, "", "the siblings", "all others",
	       "the same without");
	printf("%-*s %10s %9s %10s %9s %10s %9s\n", width, "policy", "mean",
	       "p99", "mean", "p99", "mean", "p99");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];
		const replay_group *sibling = &r->groups[0];
		const replay_group *other = &r->groups[1];

		printf("%-*s %10.0f %9.0f %10.0f %9.0f %10.0f %9.0f\n", width,
		       replay_report_name(results, n, r, name),
		       sibling->ttft_ms_mean, sibling->ttft_ms_p99,
		       other->ttft_ms_mean, other->ttft_ms_p99,
		       r->alone[1].ttft_ms_mean, r->alone[1].ttft_ms_p99);
	}
}

static void
tenants_print(const replay_input *input, const replay_result *results,
	      uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("\n%u tenants, each with the others and alone in the fleet\n",
	       input->options->tenants);
	printf("%-*s %20s %26s\n", width, "", "first token later, %",
	       "reused less, % of tokens");
	printf("%-*s %10s %9s %16s %9s\n", width, "policy", "mean", "most",
	       "mean", "most");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];
		double mean, most, lost, lost_most;

		tenants_sum(r, mean_over_alone, &mean, &most);
		tenants_sum(r, hit_loss, &lost, &lost_most);
		printf("%-*s %+10.1f %+9.1f %16.1f %9.1f\n", width,
		       replay_report_name(results, n, r, name), 100 * mean,
		       100 * most, 100 * lost, 100 * lost_most);
	}
}

static void
pd_print(const replay_input *input, const replay_result *results, uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("\npd: %u pods prefill, %u decode; the others do both\n",
	       input->options->prefill_pods, input->options->decode_pods);
	printf("%-*s %26s %20s\n", width, "", "ms per token after first",
	       "to the last, ms");
	printf("%-*s %17s %8s %11s %8s\n", width, "policy", "mean", "p99",
	       "mean", "p99");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];

		printf("%-*s %17.1f %8.1f %11.0f %8.0f\n", width,
		       replay_report_name(results, n, r, name), r->tpot_ms_mean,
		       r->tpot_ms_p99, r->e2e_ms_mean, r->e2e_ms_p99);
	}
}

static void
churn_print(const replay_result *results, uint32_t n)
{
	char name[REPLAY_NAME_BYTES];
	int width = replay_report_width(results, n);

	printf("\n%-*s %9s %9s %9s %14s %9s\n", width, "churn: policy", "left",
	       "joined", "crashed", "sent again", "finished");
	for (uint32_t i = 0; i < n; i++) {
		const replay_result *r = &results[i];

		printf("%-*s %9llu %9llu %9llu %14llu %9llu\n", width,
		       replay_report_name(results, n, r, name),
		       (unsigned long long)r->left,
		       (unsigned long long)r->joined,
		       (unsigned long long)r->restarted,
		       (unsigned long long)r->retried,
		       (unsigned long long)r->finished);
	}
}

void
replay_report_table_more(const replay_input *input,
			 const replay_result *results, uint32_t n)
{
	if (input->options->prefill_pods)
		pd_print(input, results, n);
	if (input->options->churn)
		churn_print(results, n);
	if (input->options->users)
		users_print(input, results, n);
	if (input->options->burst)
		burst_print(input, results, n);
	if (input->options->tenants)
		tenants_print(input, results, n);
}
