/*
 * Runs a plan on both indexes and compares; shrinks a plan that fails.
 */
#ifndef MODEL_INDEX_DIFF_RUN_H
#define MODEL_INDEX_DIFF_RUN_H

#include "index_diff.h"
#include "index_plan.h"

/* Planted in what the reference is told, never in the index. */
enum {
	DIFF_FAULT_NONE,
	DIFF_FAULT_REMOVAL, /* the last of a group of removals is lost */
	DIFF_FAULT_TIER     /* a copy goes to another tier */
};

enum { PROMPTS = 12, SHRINKS = 600, EXTRA = 24 };

struct run {
	const struct plan *plan;
	struct diff d;
	uint8_t *left_out; /* operations; NULL: none */
	uint32_t every, step, fault, events;
	uint64_t *names, *prompts;
};

static inline void
run_names(struct run *r, const struct op *op)
{
	const struct segment *s = &op->part;
	uint32_t n = s->to - s->from;
	uint64_t seed = s->salt;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = op->reverse ? s->to - 1 - i : s->from + i;

		r->names[i] = plan_name(r->plan, op->owner, s, at);
	}
	for (uint32_t i = n; op->shuffle && i > 1; i--) {
		uint32_t j = rand_below(&seed, i);
		uint64_t name = r->names[j];

		r->names[j] = r->names[i - 1];
		r->names[i - 1] = name;
	}
}

static inline void
run_store(struct run *r, const struct op *op)
{
	const struct segment *s = &op->part;
	aibrix_index_stored e = {.size = sizeof(e),
				 .n = s->to - s->from,
				 .hashes = r->plan->chains[s->chain].hashes +
					   s->from,
				 .names = r->names,
				 .tier = s->tier,
				 .group = s->group};

	if (op->kind == PLAN_NAMELESS)
		e.hashes = NULL;
	if (op->kind == PLAN_OTHER)
		e.kind = AIBRIX_GROUP_OTHER;
	if (s->from) {
		e.flags = AIBRIX_INDEX_HAS_PARENT;
		e.parent = plan_name(r->plan, op->owner, s, s->from - 1);
	}
	run_names(r, op);
	if (r->fault == DIFF_FAULT_TIER && r->step > r->plan->n_ops / 2 &&
	    op->kind == PLAN_AGAIN) {
		int err = aibrix_index_apply_stored(r->d.index, op->owner, &e);

		e.tier = (e.tier + 1) % AIBRIX_TIERS;
		diff_status(&r->d, "stored", err,
			    simple_index_apply_stored(r->d.ref, op->owner, &e));
	} else {
		diff_stored(&r->d, op->owner, &e);
	}
}

static inline void
run_remove(struct run *r, const struct op *op)
{
	const struct segment *s = &op->part;
	uint32_t n = s->to - s->from;

	run_names(r, op);
	for (uint32_t i = 0; op->single && i < n; i++)
		diff_removed(&r->d, op->owner, &r->names[i], 1, s->tier,
			     s->group);
	if (op->single)
		return;
	if (r->fault == DIFF_FAULT_REMOVAL && r->step > r->plan->n_ops / 2) {
		int err = aibrix_index_apply_removed(
			r->d.index, op->owner, r->names, n, s->tier, s->group);

		diff_status(&r->d, "removed", err,
			    simple_index_apply_removed(r->d.ref, op->owner,
						       r->names, n ? n - 1 : 0,
						       s->tier, s->group));
	} else {
		diff_removed(&r->d, op->owner, r->names, n, s->tier, s->group);
	}
}

/* Some owners stay away for a while, some are added twice. */
static inline void
run_owner(struct run *r, const struct op *op)
{
	if (!op->single)
		diff_owner_remove(&r->d, op->owner);
	if (!op->reverse || op->single)
		diff_owner_add(&r->d, op->owner);
}

static inline void
run_op(struct run *r, const struct op *op)
{
	if (op->kind < PLAN_TAIL || op->kind == PLAN_FILL ||
	    op->kind == PLAN_OTHER)
		run_store(r, op);
	else if (op->kind < PLAN_OTHER)
		run_remove(r, op);
	else if (op->kind == PLAN_CLEAR)
		diff_cleared(&r->d, op->owner);
	else
		run_owner(r, op);
}

/* A chain of a late operation or of any, and what may become of it. */
static inline uint32_t
run_prompt(struct run *r, uint64_t *seed, uint64_t *out)
{
	const struct plan *p = r->plan;
	uint32_t back = 1 + rand_below(seed, 64), how = rand_below(seed, 8);
	const struct op *op = &p->ops[r->step > back ? r->step - back : 0];
	const struct chain *c = &p->chains[op->part.chain];
	uint32_t n;

	if (how == 0)
		c = &p->chains[rand_below(seed, p->n_chains)];
	n = how == 1 ? rand_below(seed, c->n + 1) : c->n;
	memcpy(out, c->hashes, n * sizeof(*out));
	if (how == 2 && n) /* diverges */
		out[rand_below(seed, n)] ^= 1;
	if (how == 3) /* goes on */
		for (uint32_t i = 0; i < EXTRA; i++)
			out[n++] = 1 + rand_below(seed, 4);
	if (how == 4 && rand_below(seed, 4) == 0)
		for (uint32_t i = 0; i < n; i++)
			out[i] = rand_next(seed);
	return n;
}

static inline void
run_compare(struct run *r)
{
	uint64_t seed = r->plan->seed * 1000003 + r->step;
	uint64_t ends[PROMPTS], at = 0;

	diff_stats(&r->d);
	for (uint32_t i = 0; !r->d.bad[0] && i < PROMPTS; i++) {
		uint32_t n = run_prompt(r, &seed, r->prompts + at);

		diff_lookup(&r->d, r->prompts + at, n);
		at += n;
		ends[i] = at;
	}
	if (!r->d.bad[0])
		diff_batch(&r->d, r->prompts, ends,
			   rand_below(&seed, PROMPTS + 1));
}

/* The state is compared as a whole four times, and reloaded once. */
static inline void
run_state(struct run *r, uint32_t done, uint32_t of)
{
	for (uint32_t quarter = 1; quarter < 4; quarter++)
		if (done == of / 4 * quarter)
			diff_state(&r->d, quarter == 2 && !r->fault);
}

/* Runs up to operation upto; 0: something differs, r->step says where. */
static inline int
run_plan(struct run *r, uint32_t upto)
{
	const struct plan *p = r->plan;
	uint32_t done = 0;

	diff_begin(&r->d, p->profile->owners);
	r->d.skip_counters = r->fault != DIFF_FAULT_NONE;
	for (uint32_t i = 0; i < p->profile->owners; i++)
		diff_owner_add(&r->d, i);
	for (r->step = 0; r->step < upto; r->step++) {
		if (!r->left_out || !r->left_out[r->step]) {
			run_op(r, &p->ops[r->step]);
			if (!r->d.bad[0] && ++done % r->every == 0)
				run_compare(r);
		}
		if (!r->d.bad[0])
			run_state(r, r->step + 1, p->n_ops);
		if (r->d.bad[0])
			break;
	}
	if (!r->d.bad[0])
		run_compare(r);
	if (!r->d.bad[0])
		diff_state(&r->d, 0);
	diff_end(&r->d);
	return !r->d.bad[0];
}

static inline void
run_print(const struct run *r, uint32_t upto)
{
	static const char *const kinds[PLAN_KINDS] = {
		"store",   "extend",  "fork",  "again", "orphan", "nameless",
		"twin",    "clash",   "tail",  "head",  "hole",   "fill",
		"scatter", "strange", "other", "clear", "owner"};

	for (uint32_t i = 0; i < upto; i++) {
		const struct op *op = &r->plan->ops[i];
		const struct segment *s = &op->part;

		if (!r->left_out[i])
			fprintf(stderr,
				"%6u owner %u %s chain %u [%u,%u) tier %u "
				"group %u style %u salt %u%s\n",
				i, op->owner, kinds[op->kind], s->chain,
				s->from, s->to, s->tier, s->group, s->style,
				s->salt, op->single ? " one by one" : "");
	}
}

/* Without the operations [at, at + n), if the rest still differs. */
static inline int
run_leave_out(struct run *r, uint32_t at, uint32_t n, uint32_t *upto)
{
	uint8_t *kept = malloc(n);
	int differs;

	diff_must(kept != NULL);
	memcpy(kept, r->left_out + at, n);
	memset(r->left_out + at, 1, n);
	differs = !run_plan(r, *upto);
	if (!differs)
		memcpy(r->left_out + at, kept, n);
	else if (r->step < *upto)
		*upto = r->step + 1;
	free(kept);
	return differs;
}

/* Leave out what the difference does not need, in halves, then smaller. */
static inline void
run_shrink(struct run *r, char *bad, size_t cap)
{
	uint32_t upto = r->step < r->plan->n_ops ? r->step + 1 : r->step;
	uint32_t tries = 0;

	r->left_out = calloc(upto, 1);
	diff_must(r->left_out != NULL);
	for (uint32_t size = upto / 2; size; size /= 2) {
		if (size < 32)
			r->every = 1;
		for (uint32_t at = 0; at < upto && tries < SHRINKS;
		     at += size) {
			uint32_t n = upto - at < size ? upto - at : size;

			if (!memchr(r->left_out + at, 0, n))
				continue;
			tries++;
			if (run_leave_out(r, at, n, &upto))
				snprintf(bad, cap, "%s", r->d.bad);
		}
	}
	fprintf(stderr, "after %u tries: %s\n", tries, bad);
	run_print(r, upto);
	free(r->left_out);
	r->left_out = NULL;
}

/* NULL: nothing differs.  Else what did, in text that lives in bad. */
static inline const char *
profile_run(const struct profile *f, uint64_t seed, uint32_t fault, char *bad,
	    size_t cap)
{
	struct run r = {.every = f->every, .fault = fault};
	struct plan plan;
	int same;

	plan_begin(&plan, f, seed);
	r.plan = &plan;
	r.names = calloc(2 * f->depth + 1, sizeof(*r.names));
	r.prompts = calloc((size_t)PROMPTS * (2 * f->depth + EXTRA),
			   sizeof(*r.prompts));
	diff_must(r.names && r.prompts);
	same = run_plan(&r, plan.n_ops);
	snprintf(bad, cap, "%s", r.d.bad);
	if (!same && !fault) {
		fprintf(stderr, "%s, seed %llu, operation %u: %s\n", f->name,
			(unsigned long long)seed, r.step, bad);
		run_shrink(&r, bad, cap);
	}
	free(r.names);
	free(r.prompts);
	plan_end(&plan);
	return same ? NULL : bad;
}

#endif
