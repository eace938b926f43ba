/* Options that are lists: policies, orders of L1, values of a sweep. */
#include "replay_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/aibrix.h>

#include "sim/sim_policies.h"

static void
policies_known(void)
{
	const char *name;

	for (uint32_t i = 0; (name = aibrix_route_strategy(i)); i++)
		fprintf(stderr, "%s %s", i ? "," : "", name);
	for (uint32_t i = 0; (name = sim_policy_name(i)); i++)
		fprintf(stderr, ", %s", name);
	fputc('\n', stderr);
}

/* A rule of sim_policies.h, or what the router itself says. */
static int
policy_check(const replay_options *options, const char *text)
{
	aibrix_route_opts opts = {
		.size = sizeof(opts),
		.profile = options->profile,
		.strategy = text,
	};
	aibrix_route *route = NULL;
	int status;

	if (sim_policy_find(text))
		return 0;
	if (strcmp(text, "pd") == 0)
		return options->prefill_pods
			       ? 0
			       : replay_option_fail("policy", text,
						    "needs --pd N:M");
	status = *text ? aibrix_route_new(&opts, &route) : AIBRIX_E_PARSE;
	aibrix_route_free(route);
	if (status == AIBRIX_OK)
		return 0;
	if (status == AIBRIX_E_UNSUPPORTED) {
		fprintf(stderr,
			"replay: --policy %s: unknown, or not to be combined; "
			"there are",
			text);
		policies_known();
		return -1;
	}
	return replay_option_fail("policy", text, aibrix_strerror(status));
}

int
replay_policies_check(const replay_options *options)
{
	for (uint32_t i = 0; i < options->n_policies; i++) {
		if (policy_check(options, options->policies[i]) != 0)
			return -1;
	}
	return 0;
}

/* Cut text at each comma; their number, or -1: too many. */
static int
list_cut(char *text, char **out, uint32_t max)
{
	uint32_t n = 0;

	for (;;) {
		char *comma = strchr(text, ',');

		if (n == max)
			return -1;
		out[n++] = text;
		if (!comma)
			return (int)n;
		*comma = '\0';
		text = comma + 1;
	}
}

/* A weighted policy has commas of its own: '+' stands for them here. */
int
replay_policies_parse(replay_options *options, const char *text)
{
	int n;

	free(options->policy_text);
	options->policy_text = strdup(text);
	if (!options->policy_text)
		return replay_option_fail("policy", text, "out of memory");
	n = list_cut(options->policy_text, options->policies,
		     REPLAY_POLICIES_MAX);
	if (n < 0)
		return replay_option_fail("policy", text, "too many");
	options->n_policies = (uint32_t)n;
	for (int i = 0; i < n; i++) {
		char *plus;

		while ((plus = strchr(options->policies[i], '+')) != NULL)
			*plus = ',';
	}
	return 0;
}

/* OPTION=VALUE,VALUE,... */
int
replay_sweep_parse(replay_options *options, const char *text)
{
	replay_sweep *sweep = &options->sweep;
	char *equals;
	int n;

	if (sweep->text)
		return replay_option_fail("sweep", text,
					  "one option is varied already");
	*sweep = (replay_sweep){.text = strdup(text)};
	if (!sweep->text)
		return replay_option_fail("sweep", text, "out of memory");
	equals = strchr(sweep->text, '=');
	if (!equals)
		return replay_option_fail("sweep", text,
					  "not OPTION=VALUE,VALUE,...");
	*equals = '\0';
	n = list_cut(equals + 1, sweep->values, REPLAY_SWEEP_MAX);
	if (n < 0)
		return replay_option_fail("sweep", text, "too many");
	sweep->option = sweep->text;
	sweep->n = (uint32_t)n;
	return 0;
}

/* A list of speeds is a sweep of them. */
int
replay_l2_gbps_parse(replay_options *options, const char *text)
{
	static const char option[] = "l2-gbps=";
	char *both = malloc(sizeof(option) + strlen(text));
	int failed;

	if (!both)
		return replay_option_fail("l2-gbps", text, "out of memory");
	memcpy(both, option, sizeof(option) - 1);
	strcpy(both + sizeof(option) - 1, text);
	failed = replay_sweep_parse(options, both);
	free(both);
	return failed;
}

/* N:M */
int
replay_pd_parse(replay_options *options, const char *text)
{
	uint32_t *const out[] = {&options->prefill_pods, &options->decode_pods};
	const char *at = text;

	for (uint32_t i = 0; i < 2; i++) {
		char *end;
		unsigned long value = strtoul(at, &end, 10);

		if (*at < '1' || *at > '9' || value > 512 ||
		    *end != (i == 0 ? ':' : '\0'))
			return replay_option_fail(
				"pd", text, "not N:M, each between 1 and 512");
		*out[i] = (uint32_t)value;
		at = end + 1;
	}
	return 0;
}

/* By AIBRIX_EVICT_*. */
static const char *const evict_names[] = {
	[AIBRIX_EVICT_LRU] = "lru",         [AIBRIX_EVICT_S3FIFO] = "s3fifo",
	[AIBRIX_EVICT_FIFO] = "fifo",       [AIBRIX_EVICT_ARC] = "arc",
	[AIBRIX_EVICT_SIEVE] = "sieve",     [AIBRIX_EVICT_AUTO] = "auto",
	[AIBRIX_EVICT_DENSITY] = "density",
};
enum { EVICT_NAMES = sizeof(evict_names) / sizeof(evict_names[0]) };

int
replay_evict_number(const char *name)
{
	for (int i = 0; i < EVICT_NAMES; i++)
		if (strcmp(evict_names[i], name) == 0)
			return i;
	return -1;
}

int
replay_evicts_parse(replay_options *options, const char *text)
{
	const char *at = text;

	options->n_evicts = 0;
	for (;;) {
		size_t len = strcspn(at, ",");
		int i = 0;

		while (i < EVICT_NAMES &&
		       (strlen(evict_names[i]) != len ||
			strncmp(evict_names[i], at, len) != 0))
			i++;
		if (i == EVICT_NAMES)
			return replay_option_fail(
				"evict", text,
				"not of lru, s3fifo, fifo, arc, "
				"sieve, auto, density");
		if (options->n_evicts == REPLAY_EVICTS_MAX)
			return replay_option_fail("evict", text, "too many");
		options->evicts[options->n_evicts++] = evict_names[i];
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

int
replay_profile_parse(replay_options *options, const char *text)
{
	if (strcmp(text, "default") == 0)
		options->profile = AIBRIX_PROFILE_DEFAULT;
	else if (strcmp(text, "compat") == 0)
		options->profile = AIBRIX_PROFILE_COMPAT;
	else
		return replay_option_fail("profile", text,
					  "not default or compat");
	return 0;
}
