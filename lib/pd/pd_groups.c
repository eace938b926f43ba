/*
 * Groups as wholes: what lengths each is for, and lists of one of them.
 */

#include <aibrix/pd_buckets.h>

#include "pd/pd_internal.h"

/* Lengths from the least to the most; none: hi is below lo. */
struct range {
	uint32_t lo, hi; /* hi is in it */
};

static void
range_add(struct range *r, const aibrix_pd_pod *pod)
{
	uint32_t hi = pod->max_tokens ? pod->max_tokens : UINT32_MAX;

	if (hi < pod->min_tokens)
		return;
	r->lo = pod->min_tokens < r->lo ? pod->min_tokens : r->lo;
	r->hi = hi > r->hi ? hi : r->hi;
}

/* A run of one group's pods; 0: it does not have both. */
static int
run_read(const aibrix_pd_pod *pods, const uint32_t *run, uint32_t n,
	 aibrix_pd_group *group)
{
	struct range of[AIBRIX_PD_COMBINED + 1];
	uint32_t count[AIBRIX_PD_COMBINED + 1] = {0};
	const struct range *p = &of[AIBRIX_PD_PREFILL];
	const struct range *d = &of[AIBRIX_PD_DECODE];
	uint32_t lo, hi;

	for (uint32_t i = 0; i <= AIBRIX_PD_COMBINED; i++)
		of[i] = (struct range){UINT32_MAX, 0};
	for (uint32_t i = 0; i < n; i++) {
		range_add(&of[pods[run[i]].role], &pods[run[i]]);
		count[pods[run[i]].role]++;
	}
	if (!count[AIBRIX_PD_PREFILL] || !count[AIBRIX_PD_DECODE])
		return 0;
	lo = p->lo > d->lo ? p->lo : d->lo;
	hi = p->hi < d->hi ? p->hi : d->hi;
	*group = (aibrix_pd_group){.group = pods[*run].group,
				   .min_tokens = lo > hi || hi == 0 ? 2 : lo,
				   .max_tokens = lo > hi || hi == 0 ? 1
						 : hi == UINT32_MAX ? 0
								    : hi,
				   .replicas = count[AIBRIX_PD_PREFILL]};
	return 1;
}

int
aibrix_pd_groups(const aibrix_pd_pod *pods, uint32_t n, uint32_t *order,
		 aibrix_pd_group *groups, uint32_t cap, uint32_t *n_groups)
{
	uint32_t count = 0, end;

	if (!n_groups || (n > 0 && (!pods || !order)) || (cap > 0 && !groups))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		if (pods[i].role > AIBRIX_PD_COMBINED || pods[i].spare)
			return AIBRIX_E_INVAL;
		order[i] = i;
	}
	aibrix__pd_order(pods, order, n);
	for (uint32_t at = 0; at < n; at = end) {
		aibrix_pd_group group;

		end = at + 1;
		while (end < n &&
		       pods[order[end]].group == pods[order[at]].group)
			end++;
		if (!run_read(pods, order + at, end - at, &group))
			continue;
		if (count < cap)
			groups[count] = group;
		count++;
	}
	*n_groups = count;
	return count > cap ? AIBRIX_E_SPACE : AIBRIX_OK;
}

static int
list_is_good(const aibrix_pd_pod *pods, uint32_t n, const uint32_t *list,
	     uint32_t n_list, uint32_t role)
{
	if (n_list > 0 && (!list || !pods))
		return 0;
	for (uint32_t i = 0; i < n_list; i++)
		if (list[i] >= n || pods[list[i]].role != role)
			return 0;
	return 1;
}

static int
list_has(const aibrix_pd_pod *pods, const uint32_t *list, uint32_t n,
	 uint64_t group)
{
	for (uint32_t i = 0; i < n; i++)
		if (pods[list[i]].group == group)
			return 1;
	return 0;
}

int
aibrix_pd_keep(const aibrix_pd_pod *pods, uint32_t n, uint64_t group,
	       aibrix_pd_lists *l)
{
	if (!l ||
	    !list_is_good(pods, n, l->prefill, l->n_prefill,
			  AIBRIX_PD_PREFILL) ||
	    !list_is_good(pods, n, l->decode, l->n_decode, AIBRIX_PD_DECODE))
		return AIBRIX_E_INVAL;
	if (!list_has(pods, l->prefill, l->n_prefill, group) ||
	    !list_has(pods, l->decode, l->n_decode, group))
		return AIBRIX_OK;
	aibrix__pd_list_keep(pods, l->prefill, &l->n_prefill, group);
	aibrix__pd_list_keep(pods, l->decode, &l->n_decode, group);
	return AIBRIX_OK;
}
