/*
 * Config profiles: what the owner of a model lets requests choose from, as
 * AIBrix keeps it in the annotation model.aibrix.ai/config of its pods:
 *
 *   {"lockedRoutingStrategy": "", "defaultProfile": "default",
 *    "profiles": {"default": {"routingStrategy": "least-request",
 *                             "routingConfig": {"promptTokensGte": 8192},
 *                             "requestsPerSecond": 50}}}
 *
 * The text is anybody's: it is checked whole and limited before anything is
 * allocated.  Read as AIBrix's gateway reads it: names of members in any
 * case, of two with one name the last, null as absent, unknown members
 * ignored, a member of another type refuses the whole.
 */
#ifndef AIBRIX_PROFILE_H
#define AIBRIX_PROFILE_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_PROFILE_BYTES_MAX = 1 << 20, /* of a text */
	AIBRIX_PROFILES_MAX = 1024          /* of one text */
};

/*
 * The profiles of a model.
 *
 * Thread: any (immutable after _new).
 */
typedef struct aibrix_profile aibrix_profile;

/*
 * Read text, which is copied.  alloc may be NULL: malloc.  *out is owned:
 * aibrix_profile_free.
 *
 * Fails: E_NOT_FOUND (blank: there is no configuration), E_PARSE (not such
 * an object, or without profiles; *err_offset says where), E_SPACE (above
 * AIBRIX_PROFILE_BYTES_MAX or AIBRIX_PROFILES_MAX), E_INVAL, E_NOMEM.
 * Cost: O(bytes + profiles squared), three allocations.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_profile_new(const char *text, uint64_t bytes,
		   const aibrix_allocator *alloc, aibrix_profile **out,
		   uint64_t *err_offset);

/*
 * The first of n texts (of a model's pods, in their order; NULL: a pod
 * without one) that can be read; *which becomes its number.
 *
 * Fails: E_NOT_FOUND (none can), E_INVAL, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_profile_new_first(const char *const *texts, const uint64_t *bytes,
			 uint32_t n, const aibrix_allocator *alloc,
			 aibrix_profile **out, uint32_t *which);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_profile_free(aibrix_profile *profile);

enum {
	AIBRIX_PROFILE_PROMPT_TOKENS = 1, /* prompt_tokens is known */
	AIBRIX_PROFILE_MAX_TOKENS = 2     /* max_tokens is known */
};

/* Everything is borrowed for the call. */
typedef struct aibrix_profile_request {
	uint32_t size;
	uint32_t flags;     /* AIBRIX_PROFILE_PROMPT_TOKENS and so on */
	const char *header; /* "config-profile": a name or "auto"; NULL: none */
	uint64_t header_bytes;
	int64_t prompt_tokens;
	int64_t max_tokens; /* of the body: max_tokens, else
	                       max_completion_tokens */
} aibrix_profile_request;

/* How a profile was chosen. */
enum {
	AIBRIX_PROFILE_NONE = 0, /* the default has no profile */
	AIBRIX_PROFILE_BY_NAME = 1,
	AIBRIX_PROFILE_BY_HINTS = 2, /* "auto", and its hints held */
	AIBRIX_PROFILE_BY_DEFAULT = 3
};

/* Texts are borrowed until the profiles are freed, a NUL after each but
 * config. */
typedef struct aibrix_profile_choice {
	uint32_t size;
	uint32_t how;     /* AIBRIX_PROFILE_BY_NAME and so on */
	const char *name; /* for x-aibrix-config-profile; also with NONE, the
	                     one that was looked for */
	uint64_t name_bytes;
	const char *strategy; /* "": none */
	uint64_t strategy_bytes;
	const char *config; /* routingConfig as it stands in the text; NULL */
	uint64_t config_bytes;
	const char *locked; /* of the model; "": none.  Also with NONE. */
	uint64_t locked_bytes;
	uint64_t requests_per_second; /* of the model; 0: no limit */
	double requests_per_second_per_replica; /* 0: no limit */
	uint64_t requests_inflight;             /* of a pod; 0: no limit */
	uint32_t overrides_off; /* 1: headers of the request do not count */
	uint32_t spare;
} aibrix_profile_choice;

/*
 * The profile of a request: the one its header names; with "auto" the one
 * with the most hints (promptTokensGte, promptTokensLt, maxTokensGte,
 * maxTokensLt in routingConfig) that all hold; else the default.
 *
 * Fails: E_INVAL, E_ABI.
 * Cost: O(profiles), no allocation.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_profile_pick(const aibrix_profile *profile,
		    const aibrix_profile_request *request,
		    aibrix_profile_choice *out);

/* Where a strategy comes from, the strongest first. */
enum {
	AIBRIX_STRATEGY_NONE = 0, /* nobody says: the host's own balancing */
	AIBRIX_STRATEGY_LOCKED = 1,
	AIBRIX_STRATEGY_HEADER = 2,
	AIBRIX_STRATEGY_PROFILE = 3,
	AIBRIX_STRATEGY_HOST = 4 /* the host's default: ROUTING_ALGORITHM */
};

/*
 * The strategy that counts, one of the texts given, borrowed from there, and
 * its AIBRIX_STRATEGY_* in *from.  choice NULL: the model has no profiles.
 * header is "routing-strategy", host the host's default; NULL or empty: not
 * given.  Whether route knows the name is its to say.
 *
 * Fails: E_INVAL.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_profile_strategy(const aibrix_profile_choice *choice,
			const char *header, uint64_t header_bytes,
			const char *host, uint64_t host_bytes,
			const char **strategy, uint64_t *bytes,
			uint32_t *from);

#ifdef __cplusplus
}
#endif

#endif
