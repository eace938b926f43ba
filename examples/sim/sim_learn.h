/*
 * What a gateway tells an estimate of its requests, and what "cost" reads of
 * it.  It knows when it sent a request and when tokens came back, and of the
 * prompt what it believed to be there; engines are not asked.
 *
 * An estimate that is NULL is of a policy that reads none: then all of these
 * do nothing.
 */
#ifndef SIM_LEARN_H
#define SIM_LEARN_H

#include <stdint.h>

#include <aibrix/estimate.h>

/* A request as it was sent. */
typedef struct sim_sent {
	uint32_t row;
	uint64_t prompt_tokens;
	double held_tokens; /* of these, at the row */
	double running;     /* requests there before it */
} sim_sent;

/* Whether "cost" is in the policy; *out is owned: aibrix_estimate_free.  All
 * of these return a status of the library. */
int sim_learn_new(const char *policy, aibrix_estimate **out);

/* The request's model, in room. */
int sim_learn_ask(const aibrix_estimate *estimate, const aibrix_fleet *fleet,
		  uint64_t now_ns, aibrix_route_model *room,
		  aibrix_route_request *ask);

int sim_learn_sent(aibrix_estimate *estimate, aibrix_fleet *fleet,
		   const sim_sent *sent, uint64_t now_ns,
		   aibrix_charge *charge);
int sim_learn_first_token(aibrix_estimate *estimate, aibrix_fleet *fleet,
			  aibrix_charge *charge, uint64_t now_ns);
int sim_learn_last_token(aibrix_estimate *estimate, aibrix_charge *charge,
			 uint64_t output_tokens, uint64_t now_ns);

#endif
