/* The profiles of a model, read. */
#ifndef PROFILE_PROFILE_INTERNAL_H
#define PROFILE_PROFILE_INTERNAL_H

#include <aibrix/profile.h>

enum { HINT_PROMPT_GTE, HINT_PROMPT_LT, HINT_MAX_GTE, HINT_MAX_LT, HINTS };

/* A NUL follows. */
struct words {
	const char *at;
	uint64_t n;
};

struct named {
	struct words name, strategy;
	struct words config; /* in the text, no NUL; at NULL: none */
	uint32_t hinted;     /* bits of hints that are set */
	int64_t hint[HINTS];
	uint64_t rps, inflight;
	double rps_per_replica;
};

struct aibrix_profile {
	aibrix_allocator alloc;
	char *text;  /* bytes + 1, NUL at the end */
	char *arena; /* bytes + 1: a string is shorter without its quotes */
	uint64_t bytes, used;
	struct named *all;
	uint32_t n, cap;
	struct words locked, standard;
	uint32_t overrides_off;
};

static const struct words profile_no_words = {"", 0};

#endif
