/* What the user asked replay for. */
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum { REPLAY_POLICIES_MAX = 64, REPLAY_EVICTS_MAX = 8, REPLAY_SWEEP_MAX = 64 };

enum { REPLAY_USERS_MAX = 1000, REPLAY_TENANTS_MAX = 32 };

enum {
	REPLAY_L2_NONE = 0,
	REPLAY_L2_MEM = 1,
	REPLAY_L2_FILE = 2,
	REPLAY_L2_URL = 3 /* a server */
};

/* A number that is varied, with everything else as it is. */
typedef struct replay_sweep {
	const char *option; /* NULL: none */
	uint32_t n;
	char *values[REPLAY_SWEEP_MAX];
	char *text; /* owned; option and values point into it */
} replay_sweep;

typedef struct replay_options {
	const char *trace; /* or kind */
	const char *kind;  /* of a generated workload */
	uint64_t requests; /* at most; 0: not given */
	uint64_t seed;
	uint32_t pods;    /* 0: not given */
	uint32_t profile; /* AIBRIX_PROFILE_* */
	uint32_t block_tokens;
	uint32_t l2;          /* REPLAY_L2_* */
	uint64_t block_bytes; /* 0: no payload */
	uint64_t gpu_blocks;
	uint64_t l1_bytes;
	uint64_t l2_bytes;
	const char *l2_dir;
	const char *l2_url;
	uint32_t l2_fault;    /* REPLAY_FAULT_* of replay_link.h */
	double l2_fault_from; /* share of the requests' time */
	const char *preset;
	double speed; /* 0: not given */
	double load;
	double queue_weight; /* 0: the library's */
	uint64_t stale_ms;   /* 0: not at all */
	double l2_gbps;      /* 0: the preset's */
	double slow;         /* speed of the first pod; 0: as the others */
	uint32_t prefill_pods, decode_pods; /* --pd; 0: not given */
	uint32_t users;                     /* 0: not told apart */
	uint32_t tenants;                   /* likewise */
	uint32_t churn;
	uint32_t burst;   /* siblings; 0: none */
	uint32_t predict; /* what was sent counts as held */
	uint32_t policies_given;
	uint32_t n_policies;
	uint32_t measure;
	uint32_t json;
	uint32_t n_evicts;
	const char *evicts[REPLAY_EVICTS_MAX]; /* names of orders of L1 */
	char *policies[REPLAY_POLICIES_MAX];
	char *policy_text;  /* owned; policies point into it */
	replay_sweep sweep; /* what was asked for */
	const char *swept;  /* the value of this run, or NULL */
} replay_options;

/* 0: run; 1: help was printed; -1: a message was printed. */
int replay_options_parse(int argc, char **argv, replay_options *options);

/* Defaults that depend on other options, and what does not go together.
 * -1: a message was printed. */
int replay_options_settle(replay_options *options);

/* The i-th point of the sweep, settled; not owned, as long as options are.
 * -1: a message was printed. */
int replay_options_point(const replay_options *options, uint32_t i,
			 replay_options *point);

/* How many points there are: 1 without a sweep. */
uint32_t replay_options_points(const replay_options *options);

/* A message about an option; -1. */
int replay_option_fail(const char *option, const char *text, const char *what);

/* What takes more than a number: 0, or -1: a message was printed. */
int replay_l2_parse(replay_options *options, const char *text);
int replay_l2_fault_parse(replay_options *options, const char *text);
int replay_policies_parse(replay_options *options, const char *text);
int replay_evicts_parse(replay_options *options, const char *text);
int replay_profile_parse(replay_options *options, const char *text);
int replay_pd_parse(replay_options *options, const char *text);
int replay_l2_gbps_parse(replay_options *options, const char *text);
int replay_sweep_parse(replay_options *options, const char *text);

/* Whether the router knows the policies. */
int replay_policies_check(const replay_options *options);

const char *replay_fault_name(uint32_t fault);

/* AIBRIX_EVICT_* by name; -1: no such order. */
int replay_evict_number(const char *name);

void replay_help_print(void);

/* Flush stdout.  -1: what was printed is not all there; a message was
 * printed. */
int replay_output_end(void);

void replay_options_clear(replay_options *options);

#endif
