/* Shared by the steps of a choice where prefill and decode are apart. */
#ifndef PD_INTERNAL_H
#define PD_INTERNAL_H

#include <aibrix/pd.h>

#include <math.h>

/* The caller's options with what it left out filled in. */
int aibrix__pd_opts_load(aibrix_pd_opts *o, const aibrix_pd_opts *from);

/* May lists and stats be read?  Every place is below n and has its role. */
int aibrix__pd_lists_check(const aibrix_pd_pod *pods,
			   const aibrix_pd_stat *stats, uint32_t n,
			   const aibrix_pd_lists *lists);

/* Sort places by their pods' groups, those of one ascending. */
void aibrix__pd_order(const aibrix_pd_pod *pods, uint32_t *order, uint32_t n);

/* Leave those of a group, unless that is nobody. */
void aibrix__pd_list_keep(const aibrix_pd_pod *pods, uint32_t *list,
			  uint32_t *n, uint64_t group);

/* Scores of a list by place, their most and what of them was not known. */
void aibrix__pd_prefill_scores(const aibrix_pd_opts *o,
			       const aibrix_pd_stat *stats,
			       const aibrix_pd_lists *l, uint64_t prompt_tokens,
			       double *scores, aibrix_pd_pick_result *r);
void aibrix__pd_decode_scores(const aibrix_pd_opts *o,
			      const aibrix_pd_stat *stats,
			      const aibrix_pd_lists *l, double *scores,
			      aibrix_pd_pick_result *r);

/* A number that an engine can have meant; NaN otherwise. */
static inline double
stat_known(double value)
{
	return isfinite(value) && value >= 0 ? value : NAN;
}

/* fmax of what is not NaN, without the call. */
static inline double
greater(double a, double b)
{
	return a > b ? a : b;
}

/* Requests of a decode, those on their way too; NaN: not known. */
static inline double
stat_running(const aibrix_pd_stat *s)
{
	return stat_known(s->running) + s->pending;
}

/* The same where AIBrix reads what is missing as 0. */
static inline double
stat_running_or_none(const aibrix_pd_stat *s)
{
	double running = stat_known(s->running);

	return (isnan(running) ? 0 : running) + s->pending;
}

#endif
