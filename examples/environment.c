#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

enum { FAULTS = 32 };

aibrix_config_pair *
environment_pairs(uint32_t *n)
{
	aibrix_config_pair *pairs;

	*n = 0;
	while (environ[*n])
		++*n;
	pairs = calloc(*n + 1, sizeof(*pairs));
	for (uint32_t i = 0; pairs && i < *n; i++)
		pairs[i].name = environ[i]; /* "NAME=value" is one text */
	return pairs;
}

static void
fault_print(const aibrix_config_pair *pairs, const aibrix_config_fault *fault)
{
	const char *name = pairs[fault->pair].name;

	fprintf(stderr, "%.*s: %s\n", (int)strcspn(name, "="), name,
		aibrix_config_reason(fault->reason));
}

aibrix_config *
environment_config(uint32_t flags)
{
	aibrix_config_fault faults[FAULTS];
	aibrix_config_opts opts = {.size = sizeof(opts), .flags = flags};
	aibrix_config *config = NULL;
	uint32_t n = 0;
	aibrix_config_pair *pairs = environment_pairs(&opts.n_pairs);
	int err = AIBRIX_E_NOMEM;

	opts.pairs = pairs;
	if (pairs)
		err = aibrix_config_new(&opts, faults, FAULTS, &n, &config);
	for (uint32_t i = 0; i < n && i < FAULTS; i++)
		fault_print(pairs, &faults[i]);
	if (err && n == 0)
		fprintf(stderr, "environment: %s\n", aibrix_strerror(err));
	free(pairs);
	return config;
}
