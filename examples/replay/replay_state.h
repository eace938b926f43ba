/* What one run of replay is made of. */
#ifndef REPLAY_STATE_H
#define REPLAY_STATE_H

#include <aibrix/aibrix.h>

#include "replay_request.h"
#include "replay_run.h"
#include "replay_tiers.h"
#include "sim/sim_engine.h"
#include "sim/sim_events.h"
#include "sim/sim_gpu_cache.h"
#include "sim/sim_learn.h"
#include "sim/sim_policies.h"
#include "sim/sim_stats.h"

/* What an engine has done lately: sums that fade, with RECENT_S. */
typedef struct replay_recent {
	double finished; /* requests */
	double prefilled;
	double queue_s, prefill_s, decode_s;
	double prompt_tokens, output_tokens; /* of finished requests */
	double computed_tokens;              /* of prompts */
	double busy_s;
	uint64_t busy_ns; /* of the engine, when busy_s was brought up */
	uint64_t at_ns;
} replay_recent;

typedef struct replay_pod {
	struct replay_state *replay;
	const sim_pod_spec *spec;
	sim_engine *engine;
	sim_gpu_cache *gpu;
	uint64_t l1_free_ns; /* until then its links are loading */
	uint64_t l2_free_ns;
	replay_request *waiting; /* for L2 */
	uint32_t place;          /* in pods */
	uint32_t row;
	uint32_t up;
	uint32_t leaving;  /* takes no more, and goes when it is empty */
	uint32_t joins;    /* a new one comes when it has gone */
	uint32_t kicked;   /* its engine has room again */
	uint32_t promised; /* requests that will decode here */
	uint32_t running;
	uint64_t joined_ns;
	double pending_tokens;
	uint64_t busy_before_ns; /* of its engines before this one */
	double blocks;           /* of requests routed here and not finished */
	replay_recent recent;
} replay_pod;

/* "10.0.3.255:8000" */
typedef struct replay_address {
	char text[24];
} replay_address;

typedef struct replay_state {
	const replay_input *input;
	aibrix_hash *hash;
	aibrix_index *index;
	aibrix_index_reader *reader;
	aibrix_fleet *fleet;
	aibrix_route *route;    /* or rule */
	const sim_policy *rule; /* of sim_policies.h, or NULL */
	uint64_t rule_state;
	aibrix_hot *hot;             /* of dualmap, or NULL */
	aibrix_predict *predictions; /* with --predict, or NULL */
	aibrix_radix *radix;         /* of prefix-cache-preble, or NULL */
	aibrix_estimate *estimate;   /* of cost, or NULL */
	double *busy_until_s;        /* by row: as the gateway last read it */
	double *sent;                /* by row: what it was sent lately */
	double *sent_s;              /* and what that cost it */
	replay_tiers tiers;
	replay_pod *pods;
	replay_pod **by_row;
	sim_pod_spec slow; /* of the first pod, with --slow */
	/* Sources: each pod's engine, the arrivals, each pod's L2, churn. */
	sim_events *events;
	uint32_t *tokens;
	double *matched; /* by row: leading blocks of the request at hand */
	double *load;    /* by row: what it adds to the load */
	replay_address *names;  /* of pods */
	const char **addresses; /* by row */
	uint32_t *rows;         /* candidates */
	replay_request **live;  /* by number; NULL: not there, or finished */
	replay_request *parked, *parked_last; /* no pod takes them */
	aibrix_vtc *vtc;                      /* with users, in fair order */
	double *user_blocks;                  /* of those that run, by user */
	replay_request *handover, *handover_last; /* prefilled, to decode */
	uint32_t pd;
	uint32_t churn_steps;
	uint64_t joined, left, restarted, retried;
	uint64_t span_ns; /* of the arrivals */
	uint64_t output_sum;
	size_t arrived, finished;
	uint64_t now_ns;
	uint64_t first_ns;
	uint64_t read_ns; /* when the gateway last read the pods */
	uint64_t hash_ns, hash_blocks, match_ns, pick_ns, picks;
	uint64_t gpu_hits, l1_hits, l2_hits; /* blocks */
	sim_stats ttft_ms;
	sim_stats late_ttft_ms; /* of arrivals since the fault began */
	sim_stats tpot_ms;
	sim_stats group_ttft_ms[REPLAY_TENANTS_MAX];
	double group_cached[REPLAY_TENANTS_MAX]; /* tokens */
	double group_tokens[REPLAY_TENANTS_MAX];
	sim_stats e2e_ms;
	int status; /* the first failure ends the run */
} replay_state;

/* The first failure is told and ends the run. */
void replay_fail(replay_state *replay, const char *what, int status);

/* replay_gateway.c: a request arrives; one has ended, which may make room
 * for those that no pod took. */
void replay_gateway_arrive(replay_state *replay, const sim_request *what);
void replay_gateway_drain(replay_state *replay);

/* Blocks that a request takes of a pod's memory beyond those it shares. */
double replay_blocks_added(const replay_state *replay,
			   const replay_request *request, uint32_t row);
/* To a pod.  E_UNAVAILABLE: not now. */
int replay_gateway_send(replay_state *replay, replay_request *request);

/* replay_fair.c: what waits takes turns by user; nothing without users. */
void replay_fair_push(replay_state *replay, replay_request *request);
void replay_fair_drain(replay_state *replay);
/* Pods with room for it, into rows; their number. */
uint32_t replay_fair_rooms(replay_state *replay, const replay_request *request);
/* It has begun (1), or it will not end (-1). */
void replay_fair_count(replay_state *replay, const replay_request *request,
		       int sign);
void replay_fair_done(replay_state *replay, const replay_request *request);

/* replay_metrics.c: the gateway's own counts of a pod have changed. */
void replay_metrics_count(replay_state *replay, const replay_pod *pod);
/* Time goes on to next_ns: what the gateway reads of pods until then. */
void replay_metrics_read(replay_state *replay, uint64_t next_ns);
/* What the engine reports of a request. */
void replay_metrics_prefilled(replay_pod *pod, const replay_request *request);
void replay_metrics_finished(replay_pod *pod, const replay_request *request);

/* replay_pod.c: what a pod's engine asks, and what its L2 has brought. */
extern const sim_engine_ops replay_pod_ops;
void replay_pod_poll(replay_pod *pod);
/* When its engine and its L2 want to act next. */
void replay_pod_schedule(replay_pod *pod);

/* replay_pods.c: engines start and stop. */
int replay_pods_new(replay_state *replay);
void replay_pods_free(replay_state *replay);
int replay_pod_start(replay_pod *pod, uint64_t id);
/* Nothing of it is left but its place. */
int replay_pod_stop(replay_pod *pod);

/* replay_churn.c: the next change; what waits for pods to be empty. */
void replay_churn_begin(replay_state *replay);
void replay_churn_step(replay_state *replay);
void replay_churn_settle(replay_state *replay);

/* replay_pd.c: prefill here, decode there. */
int replay_pd_send(replay_state *replay, replay_request *request);
void replay_pd_prefilled(replay_pod *pod, replay_request *request);
int replay_pd_admit(replay_pod *pod, replay_request *request);
void replay_pd_arrived(replay_state *replay, replay_request *request);
void replay_pd_settle(replay_state *replay);

/* replay_gateway.c */
void replay_gateway_again(replay_state *replay, replay_request *request);

/* replay_result.c */
void replay_result_fill(replay_state *replay, const char *policy,
			replay_result *result);

#endif
