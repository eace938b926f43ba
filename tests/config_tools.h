/* A config from a few names and values. */
#ifndef CONFIG_TOOLS_H
#define CONFIG_TOOLS_H

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/aibrix.h>

#define OL "AIBRIX_KV_CACHE_OL_"

enum { FAULTS = 16 };

struct outcome {
	aibrix_config *config; /* NULL: refused */
	aibrix_config_fault faults[FAULTS];
	uint32_t n;
};

static inline struct outcome
config_read(uint32_t flags, const aibrix_config_pair *pairs, uint32_t n)
{
	aibrix_config_opts opts = {.size = sizeof(opts),
				   .flags = flags,
				   .pairs = pairs,
				   .n_pairs = n};
	struct outcome o = {.config = NULL};
	int err = aibrix_config_new(&opts, o.faults, FAULTS, &o.n, &o.config);

	cr_assert_eq(err, o.config ? AIBRIX_OK : AIBRIX_E_INVAL);
	return o;
}

static inline struct outcome
config_one(uint32_t flags, const char *name, const char *value)
{
	const aibrix_config_pair pair = {name, value};

	return config_read(flags, &pair, 1);
}

/* All must be right. */
static inline aibrix_config *
config_good(uint32_t flags, const aibrix_config_pair *pairs, uint32_t n)
{
	struct outcome o = config_read(flags, pairs, n);

	cr_assert_not_null(o.config, "fault %s of pair %u",
			   aibrix_config_reason(o.faults[0].reason),
			   o.faults[0].pair);
	return o.config;
}

/* The reason for which a value is refused; 0: it is not. */
static inline uint32_t
reason_of(uint32_t flags, const char *name, const char *value)
{
	struct outcome o = config_one(flags, name, value);

	aibrix_config_free(o.config);
	return o.config ? 0 : o.faults[0].reason;
}

#endif
