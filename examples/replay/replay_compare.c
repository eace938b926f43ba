/*
 * What a run is compared with: the same policy on the same requests, but for
 * the one thing that is asked about.
 *
 *   --l2-fault, --l2-gbps   without L2
 *   --users                 in order of arrival; if the heavy user sent no
 *                           more than the others; and each light user alone
 *                           on its part of the fleet
 *   --tenants               each of them alone
 *   --burst                 without the bursts
 *
 * Users and tenants are drawn from sessions, so that turns of one session
 * are of one user.
 */
#include "replay_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/sim_rand.h"

static uint64_t
session_mix(const replay_options *options, const sim_request *what)
{
	return sim_mix(options->seed ^ sim_mix(what->session));
}

/* The first one sends as much as all others together. */
uint32_t
replay_user(const replay_options *options, const sim_request *what)
{
	uint64_t lot = session_mix(options, what);

	return lot & 1 ? 0 : 1 + (uint32_t)((lot >> 1) % (options->users - 1));
}

uint32_t
replay_group_of(const replay_options *options, const sim_request *what)
{
	if (options->users)
		return replay_user(options, what) > 0;
	if (options->tenants)
		return (uint32_t)(session_mix(options, what) %
				  options->tenants);
	return options->burst && !what->burst;
}

void
replay_tenants_part(const replay_options *options, sim_workload *workload)
{
	for (size_t i = 0; options->tenants && i < workload->n; i++) {
		const sim_request *what = &workload->requests[i];
		uint64_t tenant = replay_group_of(options, what);
		uint64_t *ids = workload->ids + what->first_id;

		for (uint32_t k = 0; k < what->n_ids; k++)
			ids[k] = sim_mix(ids[k] ^ sim_mix(tenant)) >> 11;
	}
}

/* Whether a request is one of those that are to be seen apart. */
typedef int (*request_test)(const replay_options *options,
			    const sim_request *what, uint32_t group);

static int
of_tenant(const replay_options *options, const sim_request *what,
	  uint32_t group)
{
	return replay_group_of(options, what) == group;
}

/* All of the light users', and of the heavy one's as many sessions as one
 * of theirs. */
static int
of_equals(const replay_options *options, const sim_request *what,
	  uint32_t group)
{
	uint64_t lot = session_mix(options, what);

	(void)group;
	return replay_user(options, what) > 0 ||
	       (lot >> 1) % (options->users - 1) == 0;
}

/* The ids are borrowed. */
static int
workload_part(const replay_input *input, request_test test, uint32_t group,
	      sim_workload *part)
{
	const sim_workload *all = input->workload;

	*part = (sim_workload){.ids = all->ids, .n_ids = all->n_ids};
	part->requests = calloc(all->n, sizeof(*part->requests));
	if (!part->requests) {
		fputs("replay: out of memory\n", stderr);
		return -1;
	}
	for (size_t i = 0; i < all->n; i++) {
		const sim_request *what = &all->requests[i];

		if (!test(input->options, what, group))
			continue;
		part->requests[part->n++] = *what;
		part->input_tokens += what->input_tokens;
		part->output_tokens += what->output_tokens;
	}
	return 0;
}

/* A run of some of the requests, at their times. */
static int
part_run(const replay_input *input, request_test test, uint32_t group,
	 const char *policy, const char *evict, replay_result *result)
{
	replay_input other = *input;
	sim_workload part;
	int failed = workload_part(input, test, group, &part);

	*result = (replay_result){0};
	other.workload = &part;
	if (!failed && part.n > 0)
		failed = replay_run(&other, policy, evict, result);
	free(part.requests);
	return failed;
}

static int
fault_compare(const replay_input *input, const char *policy, const char *evict,
	      replay_result *result)
{
	replay_options without = *input->options;
	replay_input other = *input;
	replay_result beside;

	without.l2 = REPLAY_L2_NONE;
	without.l2_fault = 0;
	other.options = &without;
	if (replay_run(&other, policy, evict, &beside) != 0)
		return -1;
	result->no_l2_ttft_ms_mean = beside.late_ttft_ms_mean;
	result->no_l2_ttft_ms_p99 = beside.late_ttft_ms_p99;
	return 0;
}

static int
of_user(const replay_options *options, const sim_request *what, uint32_t group)
{
	return replay_user(options, what) == group;
}

/* Each light user alone on as much of the fleet as one of so many gets when
 * all want more than there is: as few pods as may be, all of one speed. */
static int
users_apart(const replay_input *input, const char *policy, const char *evict,
	    replay_result *result)
{
	replay_options options = *input->options;
	double part = (double)options.pods / options.users;
	sim_pod_spec spec = *input->spec;
	sim_stats light_ms = {0};
	replay_input other = *input;
	replay_result beside;
	int failed = 0;

	options.pods = (uint32_t)ceil(part);
	sim_preset_slow(&spec, part / options.pods);
	other.options = &options;
	other.spec = &spec;
	other.light_ms = &light_ms;
	for (uint32_t i = 1; i < options.users && !failed; i++)
		failed = part_run(&other, of_user, i, policy, evict, &beside);
	result->apart.ttft_ms_mean = sim_stats_mean(&light_ms);
	result->apart.ttft_ms_p99 = sim_stats_quantile(&light_ms, 0.99);
	sim_stats_clear(&light_ms);
	return failed;
}

static int
users_compare(const replay_input *input, const char *policy, const char *evict,
	      replay_result *result)
{
	replay_input unfair = *input;
	replay_result beside;

	unfair.fair = 0;
	if (replay_run(&unfair, policy, evict, &beside) != 0)
		return -1;
	result->unfair[0] = beside.groups[0];
	result->unfair[1] = beside.groups[1];
	if (part_run(input, of_equals, 0, policy, evict, &beside) != 0)
		return -1;
	result->alone[0] = beside.groups[0];
	result->alone[1] = beside.groups[1];
	return users_apart(input, policy, evict, result);
}

static int
tenants_compare(const replay_input *input, const char *policy,
		const char *evict, replay_result *result)
{
	replay_result beside;

	for (uint32_t i = 0; i < input->options->tenants; i++) {
		if (part_run(input, of_tenant, i, policy, evict, &beside) != 0)
			return -1;
		result->alone[i] = beside.groups[i];
	}
	return 0;
}

static int
of_others(const replay_options *options, const sim_request *what,
	  uint32_t group)
{
	(void)options;
	(void)group;
	return !what->burst;
}

static int
burst_compare(const replay_input *input, const char *policy, const char *evict,
	      replay_result *result)
{
	replay_result beside;

	if (part_run(input, of_others, 0, policy, evict, &beside) != 0)
		return -1;
	result->alone[1] = beside.groups[1];
	return 0;
}

int
replay_compare(const replay_input *input, const char *policy, const char *evict,
	       replay_result *result)
{
	const replay_options *options = input->options;
	replay_input first = *input;
	int failed;

	first.fair = options->users > 0;
	failed = replay_run(&first, policy, evict, result);
	if (!failed && options->l2_fault)
		failed = fault_compare(&first, policy, evict, result);
	if (!failed && options->users)
		failed = users_compare(&first, policy, evict, result);
	if (!failed && options->tenants)
		failed = tenants_compare(&first, policy, evict, result);
	if (!failed && options->burst)
		failed = burst_compare(&first, policy, evict, result);
	return failed;
}
