/*
 * Which pods may prefill and which may decode.
 *
 *	pods --> by group --> runs with both --> those for the length
 *	                                             |
 *	            COMBINED, when idle, or when nobody else is for it
 *
 * KV goes from a prefill to a decode of one group, so a pod without its
 * other half in the group is of no use, and neither is one whose other half
 * is for prompts of another length.  Groups are found by sorting places by
 * them (pd_order.c), in the caller's array for the answer.
 */

#include <aibrix/pd.h>

#include <math.h>
#include <string.h>

#include "base/rand.h"
#include "base/versioned.h"
#include "pd/pd_internal.h"

/* What is found of a pod. */
enum { MAY = 1, FOR_LENGTH = 2 };

static int
pod_is_for(const aibrix_pd_pod *pod, uint64_t tokens)
{
	return tokens >= pod->min_tokens &&
	       (pod->max_tokens == 0 || tokens <= pod->max_tokens);
}

/* Bits of the roles that are in a run of places. */
static uint32_t
run_roles(const aibrix_pd_pod *pods, const uint32_t *run, uint32_t n)
{
	uint32_t roles = 0;

	for (uint32_t i = 0; i < n; i++)
		roles |= 1u << pods[run[i]].role;
	return roles;
}

static uint32_t
run_roles_for(const aibrix_pd_pod *pods, const uint32_t *run, uint32_t n,
	      uint64_t tokens)
{
	uint32_t roles = 0;

	for (uint32_t i = 0; i < n; i++)
		if (pod_is_for(&pods[run[i]], tokens))
			roles |= 1u << pods[run[i]].role;
	return roles;
}

static int
has_both(uint32_t roles)
{
	return (roles >> AIBRIX_PD_PREFILL & 1) &&
	       (roles >> AIBRIX_PD_DECODE & 1);
}

struct found {
	int groups, lengths; /* is there one with both, one for the length */
};

/* One group: marks, by place in pods, of what its pods may. */
static void
run_mark(const aibrix_pd_pod *pods, const uint32_t *run, uint32_t n,
	 uint64_t tokens, uint32_t *marks, struct found *found)
{
	int group = has_both(run_roles(pods, run, n));
	int length = has_both(run_roles_for(pods, run, n, tokens));

	found->groups |= group;
	found->lengths |= length;
	for (uint32_t i = 0; i < n; i++) {
		int fits = length && pod_is_for(&pods[run[i]], tokens);

		marks[run[i]] = (group ? MAY : 0u) | (fits ? FOR_LENGTH : 0u);
	}
}

static struct found
groups_mark(const aibrix_pd_pod *pods, uint32_t n, uint64_t tokens,
	    uint32_t *order, uint32_t *marks)
{
	struct found found = {0, 0};
	uint32_t end;

	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	aibrix__pd_order(pods, order, n);
	for (uint32_t at = 0; at < n; at = end) {
		end = at + 1;
		while (end < n &&
		       pods[order[end]].group == pods[order[at]].group)
			end++;
		run_mark(pods, order + at, end - at, tokens, marks, &found);
	}
	return found;
}

/*
 * The COMBINED for the length that has the least load; known is before not
 * known, and entropy decides among equals.  any: loads do not count, and
 * with known_only an unknown one is none.
 */
static uint32_t
combined_pick(const aibrix_pd_pod *pods, uint32_t n, uint64_t tokens,
	      uint64_t entropy, int any, int known_only)
{
	uint32_t best = AIBRIX_PD_NOBODY, equals = 0;

	for (uint32_t i = 0; i < n; i++) {
		const aibrix_pd_pod *p = &pods[i];
		double least = equals && !any ? pods[best].load : 0;
		double load = any ? 0 : p->load;

		if (p->role != AIBRIX_PD_COMBINED || !pod_is_for(p, tokens) ||
		    (known_only && isnan(load)))
			continue;
		if (equals == 0 || load < least ||
		    (isnan(least) && !isnan(load)))
			equals = 0;
		else if (load > least || isnan(load) != isnan(least))
			continue;
		/* Each of k equals stays with a chance of 1 in k. */
		if (rand_below(&entropy, ++equals) == 0)
			best = i;
	}
	return best;
}

/* Is a pod of a group busy, and a COMBINED idle? */
static int
combined_helps(const aibrix_pd_opts *o, const aibrix_pd_pod *pods, uint32_t n,
	       uint64_t tokens, const uint32_t *marks)
{
	int idle = 0, busy = 0;

	for (uint32_t i = 0; i < n; i++) {
		const aibrix_pd_pod *p = &pods[i];

		if (p->role == AIBRIX_PD_COMBINED)
			idle |= pod_is_for(p, tokens) && p->load < o->low_load;
		else if (p->role != AIBRIX_PD_NONE)
			busy |= (marks[i] & FOR_LENGTH) &&
				p->load > o->high_load;
	}
	return idle && busy;
}

/* Places with the mark, ascending.  marks is decode's own array: it is read
 * ahead of where it is written. */
static void
lists_make(const aibrix_pd_pod *pods, uint32_t n, uint32_t mark,
	   uint32_t *prefill, uint32_t *decode, aibrix_pd_result *r)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!(decode[i] & mark))
			continue;
		if (pods[i].role == AIBRIX_PD_PREFILL)
			prefill[r->n_prefill++] = i;
		else if (pods[i].role == AIBRIX_PD_DECODE)
			decode[r->n_decode++] = i;
	}
}

static int
pods_are_good(const aibrix_pd_pod *pods, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (pods[i].role > AIBRIX_PD_COMBINED || pods[i].spare)
			return 0;
	return 1;
}

static int
split(const aibrix_pd_opts *o, const aibrix_pd_pod *pods, uint32_t n,
      uint64_t tokens, uint64_t entropy, uint32_t *prefill, uint32_t *decode,
      aibrix_pd_result *r)
{
	struct found found = groups_mark(pods, n, tokens, prefill, decode);
	int lengths = !o->compat || (o->flags & AIBRIX_PD_BUCKETS);
	uint32_t any = AIBRIX_PD_NOBODY;

	if (lengths)
		any = combined_pick(pods, n, tokens, entropy, o->compat != 0,
				    0);
	if (!found.groups && any == AIBRIX_PD_NOBODY) {
		r->reason = AIBRIX_PD_REASON_NO_GROUP;
		return AIBRIX_E_NOT_FOUND;
	}
	if (!lengths) {
		r->reason = AIBRIX_PD_REASON_GROUPS;
		lists_make(pods, n, MAY, prefill, decode, r);
		return AIBRIX_OK;
	}
	if (!found.lengths) {
		r->combined = any;
		r->reason = any == AIBRIX_PD_NOBODY ? AIBRIX_PD_REASON_NO_LENGTH
						    : AIBRIX_PD_REASON_COMBINED;
		return any == AIBRIX_PD_NOBODY ? AIBRIX_E_NOT_FOUND : AIBRIX_OK;
	}
	if (combined_helps(o, pods, n, tokens, decode)) {
		r->combined = combined_pick(pods, n, tokens, entropy, 0, 1);
		r->reason = AIBRIX_PD_REASON_BUSY;
		return AIBRIX_OK;
	}
	r->reason = AIBRIX_PD_REASON_LENGTH;
	lists_make(pods, n, FOR_LENGTH, prefill, decode, r);
	return AIBRIX_OK;
}

int
aibrix_pd_split(const aibrix_pd_opts *opts, const aibrix_pd_pod *pods,
		uint32_t n, uint64_t prompt_tokens, uint64_t entropy,
		uint32_t *prefill, uint32_t *decode, aibrix_pd_result *result)
{
	const uint32_t v1 = STRUCT_UPTO(aibrix_pd_result, spare);
	aibrix_pd_result mine = {.combined = AIBRIX_PD_NOBODY};
	aibrix_pd_opts o;
	int err, stored;

	if (!result || (n > 0 && (!pods || !prefill || !decode)))
		return AIBRIX_E_INVAL;
	err = aibrix__pd_opts_load(&o, opts);
	if (!err && !pods_are_good(pods, n))
		err = AIBRIX_E_INVAL;
	if (!err) /* does the result have a size? */
		err = aibrix__struct_store(result, &mine, sizeof(mine), v1);
	if (err)
		return err;
	err = split(&o, pods, n, prompt_tokens, entropy, prefill, decode,
		    &mine);
	stored = aibrix__struct_store(result, &mine, sizeof(mine), v1);
	return stored ? stored : err;
}

uint32_t
aibrix_pd_role(const char *role, const char *group_index, uint32_t combined)
{
	if (group_index && strcmp(group_index, "0") != 0)
		return AIBRIX_PD_NONE;
	if (role && strcmp(role, "prefill") == 0)
		return AIBRIX_PD_PREFILL;
	if (role && strcmp(role, "decode") == 0)
		return AIBRIX_PD_DECODE;
	return combined ? AIBRIX_PD_COMBINED : AIBRIX_PD_NONE;
}
