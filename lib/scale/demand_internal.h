/* What pods say, what is learned from it, and what that makes of a pod. */
#ifndef SCALE_DEMAND_INTERNAL_H
#define SCALE_DEMAND_INTERNAL_H

#include <aibrix/demand.h>

#include "scale/scale_internal.h"

enum {
	FIT = 3,       /* coefficients of a step */
	SEASONS = 288, /* parts of a season: of a day, 5 minutes */
	STARTS = 48    /* classes of start-up times, 4 to an octave from 1 s */
};

/* Options with their defaults; times in seconds. */
struct demand_plan {
	aibrix_demand_opts o;
	double start_s, drain_s, trend_s, memory_s;
	int given; /* is the step model the caller's? */
	double z;  /* of the normal distribution, at quantile */
};

int aibrix__demand_plan(struct demand_plan *plan,
			const aibrix_demand_opts *opts);

/* The value below which a share of a normal distribution lies; 0 < share < 1.
 */
double aibrix__normal_quantile(double share);

/* ---- arrivals: a level, a trend, and how sure they are ---- */

struct trend {
	double level, trend;  /* requests a second; by second */
	double p00, p01, p11; /* covariance */
	double burst;         /* how much more than Poisson's arrivals vary */
	double known;         /* 0: nothing yet */
};

/* x was seen over dt seconds; a trend is believed for about trend_s. */
void aibrix__trend_feed(struct trend *t, double x, double dt, double trend_s);

struct forecast {
	double mean, error;
};

/* In h seconds. */
struct forecast aibrix__trend_ahead(const struct trend *t, double h,
				    double trend_s);

/* ---- what comes again ---- */

struct season {
	uint64_t ns;          /* 0: none */
	uint64_t phase_ns;    /* of the clock */
	double mean[SEASONS]; /* requests a second; below 0: not known */
};

/* Nothing is known of one that is so long. */
void aibrix__season_start(struct season *s, uint64_t ns);
void aibrix__season_feed(struct season *s, double level, uint64_t now_ns,
			 double dt);
/* The level in h seconds by what it was; below 0: not known. */
double aibrix__season_ahead(const struct season *s, double level,
			    uint64_t now_ns, double h);

/* ---- how long pods take to start ---- */

struct starts {
	double count[STARTS];
};

void aibrix__starts_feed(struct starts *s, double seconds);
/* assumed counts as a few pods. */
double aibrix__starts_quantile(const struct starts *s, double share,
			       double assumed);

/* ---- a step: step_s + kv_s x KV in use + token_s x prompt tokens ---- */

struct model {
	double x[FIT];
};

struct fit {
	double a[FIT * (FIT + 1) / 2]; /* sums of products, by rows */
	double b[FIT];
	double y; /* sum of squares */
	double weight;
};

/* A step of y seconds.  Errors are relative. */
void aibrix__fit_add(struct fit *f, double kv, double tokens, double y,
		     double weight);
void aibrix__fit_forget(struct fit *f, double share);

/* The best without a negative coefficient, drawn to the prior. */
struct model aibrix__fit_solve(const struct fit *f, const struct model *prior,
			       double prior_weight);
/* Relative standard deviation of what was added. */
double aibrix__fit_error(const struct fit *f, const struct model *m);

/* ---- what a pod bears ---- */

struct load {
	double input, output; /* tokens of a request; input as computed */
	double kv;            /* part of a pod's cache that a request takes */
};

struct targets {
	double ttft_s, itl_s; /* 0: none */
	double kv;            /* part of the cache */
	double slots;         /* 0: no bound */
};

struct bound {
	double rate; /* requests a second; infinite: none */
	uint32_t by; /* AIBRIX_DEMAND_BY_TIME and so on */
};

/* Seconds of a pod that a request takes beside others: its share of the
 * pod's time is this times the rate of requests. */
double aibrix__pod_work(const struct model *m, const struct load *l,
			uint32_t role);
/* Seconds to the first token on an idle pod. */
double aibrix__pod_first(const struct model *m, const struct load *l);
struct bound aibrix__pod_bears(const struct model *m, const struct load *l,
			       uint32_t role, const struct targets *t);

/* ---- what is seen ---- */

/* Where to look. */
struct look {
	const aibrix_scale_fleet *fleet;
	const aibrix_demand_seen *seen;
	uint64_t fresh_ns, now_ns;
};

struct sight {
	uint32_t told, missing;  /* pods that are ready */
	double running, waiting; /* sums of those that told */
	double kv;
	double prompt, computed; /* tokens a second */
	double output, finished;
	double input_mean, output_mean; /* of a request; below 0: unknown */
};

struct sight aibrix__sight(const struct look *look);
/* Of each pod that told, n of them, what a step took. */
void aibrix__sight_fit(const struct look *look, uint32_t n, struct fit *fit);
/* The most prompt tokens a second that a pod computes in which requests wait;
 * 0: none do. */
double aibrix__sight_prefill(const struct look *look);

/* ---- the state ---- */

struct aibrix_demand_state {
	uint64_t started; /* has a step been made? */
	uint64_t last_ns;
	uint64_t moved_ns; /* pods became ready, or were given or taken */
	uint64_t late_ns;  /* since when targets are missed; 0: they are kept */
	uint64_t replicas; /* of the last step */
	uint64_t told;     /* pods, of the last step */
	double inside;     /* requests in them */
	double input, output, cached, kv; /* means; below 0: unknown */
	double fit_input, fit_output;     /* of what the fit has seen */
	double prefill_s;                 /* of a token; below 0: unknown */
	struct trend trend;
	struct fit fit;
	struct starts starts;
	struct season season;
};

void aibrix__demand_clear(aibrix_demand_state *s);

/* ---- a step ---- */

#define DEMAND_LARGE 1e15 /* beyond it a number is none */

struct demand_step {
	struct demand_plan plan;
	aibrix_scale_fleet fleet;
	aibrix_demand_seen seen;
	struct pods pods;
	struct look look;
	struct sight sight;
	aibrix_demand_state *s;
	uint64_t now_ns;
	double dt; /* since the last step; 0: this is the first */
	struct model model;
	struct load load;
	double queued;
	aibrix_demand d;
};

/* A number of what is seen that counts. */
static inline int
demand_known(const struct demand_step *st, uint32_t flag, double x)
{
	return (st->seen.flags & flag) && x >= 0 && x <= DEMAND_LARGE;
}

/* A pod becomes ready once: those that did since the last step. */
void aibrix__demand_starts(struct demand_step *st);

/* From sight: shapes, step model, arrivals. */
void aibrix__demand_learn(struct demand_step *st);

#endif
