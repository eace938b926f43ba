/*
 * Who was sent which prompts, and how much that is.
 *
 *   radix_tree.c   prompts, and owners at each node
 *   records        the requests of the window, oldest first, in a ring
 *   sums           of each owner, kept by adding and taking away
 *
 * A record has what it added, so what leaves the window takes away exactly
 * that, whatever has become of the node since.  AIBrix takes away the node's
 * lengths as they are by then, and adds up all nodes for each request.
 *
 * What a request costs its owner is the prefill of the tokens that this owner
 * had not been sent before, behind those that it had, and the answer.  AIBrix
 * (compat) has a cost of each node: the prefill of its own tokens, times the
 * requests that ended there, times their share of tokens that were new to the
 * tree, and one answer; every owner of the node bears it.
 */

#include <aibrix/radix.h>

#include <math.h>

#include "base/versioned.h"
#include "index/claims_check.h"
#include "index/radix_tree.h"

enum {
	OWNERS = 1024,
	NODES = 65536,
	NODES_MAX = 1 << 24,
	REQUESTS = 65536,
	REQUESTS_MAX = 1 << 24,
	DECODE_TOKENS = 45
};
enum { OPTS_V1 = STRUCT_UPTO(aibrix_radix_opts, alloc) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_radix_stat, forgotten) };

#define TOKENS ((uint64_t)1 << 22)
#define TOKENS_MAX ((uint64_t)1 << 31)
#define MINUTE ((uint64_t)60 * 1000000000)

/* One request of the window. */
struct record {
	uint64_t sent_ns, cost_ns;
	uint64_t name; /* of the node that it ended at; 0: none */
	uint32_t node, owner, era;
};

struct owner_sum {
	uint64_t requests, cost_ns;
	uint32_t era; /* records of an earlier one are not in it */
};

struct aibrix_radix {
	aibrix_allocator a;
	aibrix_radix_opts o;
	struct radix_tree tree;
	struct owner_sum *sums; /* by owner */
	struct record *records; /* a ring */
	uint32_t first, n;      /* of the records */
	uint64_t now_ns;
	uint64_t added, early, forgotten;
};

static int
measure_load(aibrix_radix_opts *o)
{
	const double all[] = {o->decode_s, o->prefill_s, o->token_s, o->pair_s};

	for (uint32_t i = 0; i < 4; i++)
		if (!isfinite(all[i]) || all[i] < 0)
			return AIBRIX_E_INVAL;
	if (o->decode_s == 0)
		o->decode_s = 0.15;
	return o->gpu > AIBRIX_RADIX_A6000 || o->compat > 1 ? AIBRIX_E_INVAL
							    : AIBRIX_OK;
}

static int
opts_load(aibrix_radix_opts *o, const aibrix_radix_opts *opts)
{
	int err = aibrix__struct_load(o, sizeof(*o), opts, OPTS_V1);

	if (err)
		return err;
	if (o->spare)
		return AIBRIX_E_ABI;
	o->max_owners = o->max_owners ? o->max_owners : OWNERS;
	o->max_nodes = o->max_nodes ? o->max_nodes : NODES;
	o->max_tokens = o->max_tokens ? o->max_tokens : TOKENS;
	o->max_requests = o->max_requests ? o->max_requests : REQUESTS;
	o->decode_tokens = o->decode_tokens ? o->decode_tokens : DECODE_TOKENS;
	o->max_age_ns = o->max_age_ns ? o->max_age_ns : 5 * MINUTE;
	o->window_ns = o->window_ns ? o->window_ns : 3 * MINUTE;
	if (o->max_owners > CLAIMS_IDS_MAX || o->max_nodes > NODES_MAX ||
	    o->max_tokens > TOKENS_MAX || o->max_requests > REQUESTS_MAX)
		return AIBRIX_E_INVAL;
	return measure_load(o);
}

int
aibrix_radix_new(const aibrix_radix_opts *opts, aibrix_radix **out)
{
	aibrix_radix_opts o;
	aibrix_allocator a;
	aibrix_radix *radix;
	int err = out ? opts_load(&o, opts) : AIBRIX_E_INVAL;

	if (!err)
		err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;
	radix = aibrix__alloc(&a, 1, sizeof(*radix));
	if (!radix)
		return AIBRIX_E_NOMEM;
	radix->a = a;
	radix->o = o;
	radix->tree.max_age_ns = o.max_age_ns;
	err = aibrix__radix_open(&radix->tree, &a, o.max_nodes, o.max_tokens,
				 o.max_owners);
	radix->sums = aibrix__alloc(&a, o.max_owners, sizeof(*radix->sums));
	radix->records =
		aibrix__alloc(&a, o.max_requests, sizeof(*radix->records));
	if (err || !radix->sums || !radix->records) {
		aibrix_radix_free(radix);
		return AIBRIX_E_NOMEM;
	}
	*out = radix;
	return AIBRIX_OK;
}

void
aibrix_radix_free(aibrix_radix *radix)
{
	aibrix_allocator a;

	if (!radix)
		return;
	a = radix->a;
	aibrix__radix_close(&radix->tree, &a);
	aibrix__free(&a, radix->sums, radix->o.max_owners,
		     sizeof(*radix->sums));
	aibrix__free(&a, radix->records, radix->o.max_requests,
		     sizeof(*radix->records));
	aibrix__free(&a, radix, 1, sizeof(*radix));
}

static double
prefill_s(const aibrix_radix_opts *o, double tokens, double context)
{
	if (o->prefill_s > 0 || o->token_s > 0 || o->pair_s > 0)
		return o->prefill_s + o->token_s * tokens +
		       o->pair_s * tokens * context;
	return aibrix__radix_prefill_s(o->gpu, tokens, context);
}

static double
answer_s(const aibrix_radix_opts *o)
{
	return o->decode_tokens * o->decode_s;
}

/* compat: the node's numbers by a request, or by its leaving.  Those of a node
 * that became shorter since do not add up, as there; a node without requests
 * begins anew. */
static void
node_count(struct radix_node *node, int64_t sign)
{
	node->requests += (uint64_t)sign;
	node->hit += sign * ((int64_t)node->end - node->len);
	node->prompt += sign * (int64_t)node->end;
	if (node->requests == 0)
		node->hit = node->prompt = 0;
}

static void
record_end(aibrix_radix *radix)
{
	const struct record *r = &radix->records[radix->first];
	struct owner_sum *sum = &radix->sums[r->owner];

	if (r->era == sum->era) {
		sum->requests--;
		sum->cost_ns -= r->cost_ns;
	}
	if (r->name && radix->tree.nodes[r->node].name == r->name)
		node_count(&radix->tree.nodes[r->node], -1);
	radix->first = (radix->first + 1) % radix->o.max_requests;
	radix->n--;
}

/* A clock that goes backwards stands still. */
static uint64_t
radix_now(aibrix_radix *radix, uint64_t now_ns)
{
	if (radix->now_ns < now_ns)
		radix->now_ns = now_ns;
	while (radix->n > 0 &&
	       radix->now_ns - radix->records[radix->first].sent_ns >
		       radix->o.window_ns)
		record_end(radix);
	return radix->now_ns;
}

static void
record_add(aibrix_radix *radix, uint32_t owner, uint32_t node, double seconds)
{
	struct owner_sum *sum = &radix->sums[owner];
	struct record r = {
		.sent_ns = radix->now_ns,
		/* 2^53 ns are 104 days: of one request that will do. */
		.cost_ns = seconds < 9e6 ? (uint64_t)(seconds * 1e9)
					 : (uint64_t)9e15,
		.node = node,
		.owner = owner,
		.era = sum->era,
	};

	if (radix->n == radix->o.max_requests) {
		record_end(radix);
		radix->early++;
	}
	if (node != NONE) {
		r.name = radix->tree.nodes[node].name;
		node_count(&radix->tree.nodes[node], 1);
	}
	sum->requests++;
	sum->cost_ns += r.cost_ns;
	radix->records[(radix->first + radix->n++) % radix->o.max_requests] = r;
}

/* More of a prompt than the tree has room for is not looked at. */
static uint32_t
prompt_len(const aibrix_radix *radix, uint64_t n)
{
	return (uint32_t)(n < radix->o.max_tokens ? n : radix->o.max_tokens);
}

/* Who has the node of that name has end tokens, at least. */
static void
owners_raise(const struct claims *claims, uint64_t name, uint64_t now_ns,
	     double end, double *held, uint32_t first, uint32_t rows)
{
	uint32_t at =
		claims_find(claims, name, cells_hash(&claims->cells, name));
	struct claim_cursor c;

	if (at == NONE)
		return;
	for (c = claim_first(claims, at); !claim_ended(&c);
	     claim_next(claims, &c)) {
		uint32_t owner = claim_id(claims, *c.claim) - first;

		if (owner < rows && claim_counts(claims, &c, now_ns))
			held[owner] = end;
	}
}

/* held of owners from first on; the most that anybody has. */
static uint64_t
prompt_match(const struct radix_tree *tree, uint64_t model,
	     const uint32_t *tokens, uint32_t n, uint64_t now_ns, double *held,
	     uint32_t first, uint32_t rows)
{
	struct radix_walk walk = {NONE, NONE, 0, 0};

	while (aibrix__radix_step(tree, model, tokens, n, &walk))
		owners_raise(&tree->claims, tree->nodes[walk.at].name, now_ns,
			     (double)walk.done, held, first, rows);
	if (walk.child != NONE)
		owners_raise(&tree->claims, tree->nodes[walk.child].name,
			     now_ns, (double)(walk.done + walk.common), held,
			     first, rows);
	return walk.done + walk.common;
}

int
aibrix_radix_add(aibrix_radix *radix, uint64_t model, uint32_t owner,
		 const uint32_t *tokens, uint64_t n, uint64_t now_ns,
		 uint64_t *matched)
{
	uint64_t before;
	uint32_t node, len;
	double held = 0, fresh;

	if (!radix || owner >= radix->o.max_owners || (n && !tokens))
		return AIBRIX_E_INVAL;
	now_ns = radix_now(radix, now_ns);
	len = prompt_len(radix, n);
	(void)prompt_match(&radix->tree, model, tokens, len, now_ns, &held,
			   owner, 1);
	fresh = (double)n - held;
	node = aibrix__radix_insert(&radix->tree, model, owner, tokens, len,
				    now_ns, &before);
	record_add(radix, owner, node,
		   prefill_s(&radix->o, fresh, (double)n) +
			   answer_s(&radix->o));
	radix->added++;
	if (matched)
		*matched = before;
	return AIBRIX_OK;
}

int
aibrix_radix_match(const aibrix_radix *radix, uint64_t model,
		   const uint32_t *tokens, uint64_t n, uint64_t now_ns,
		   double *held, uint32_t rows, uint64_t *matched)
{
	uint64_t most;

	if (!radix || (n && !tokens) || (rows && !held))
		return AIBRIX_E_INVAL;
	if (now_ns < radix->now_ns)
		now_ns = radix->now_ns;
	for (uint32_t row = 0; row < rows; row++)
		held[row] = 0;
	most = prompt_match(&radix->tree, model, tokens, prompt_len(radix, n),
			    now_ns, held, 0, rows);
	if (matched)
		*matched = most;
	return AIBRIX_OK;
}

/* AIBrix's cost of a node; the models on it, by which it divides, are one. */
static double
node_cost(const aibrix_radix_opts *o, const struct radix_node *node)
{
	double miss = 1;

	if (node->prompt > 0)
		miss -= (double)node->hit / (double)node->prompt;
	return miss * (double)node->requests *
		       prefill_s(o, node->len, node->end) +
	       answer_s(o);
}

static void
history_compat(const aibrix_radix *radix, double *requests, double *seconds,
	       uint32_t rows)
{
	const struct claims *claims = &radix->tree.claims;

	for (uint32_t i = 0; i < radix->tree.nodes_used; i++) {
		const struct radix_node *node = &radix->tree.nodes[i];
		uint64_t hash = cells_hash(&claims->cells, node->name);
		struct claim_cursor c;
		uint32_t at;

		if (!node->name || node->requests == 0)
			continue;
		at = claims_find(claims, node->name, hash);
		if (at == NONE)
			continue;
		for (c = claim_first(claims, at); !claim_ended(&c);
		     claim_next(claims, &c)) {
			uint32_t owner = claim_id(claims, *c.claim);

			if (owner >= rows ||
			    !claim_counts(claims, &c, radix->now_ns))
				continue;
			if (requests)
				requests[owner] += (double)node->requests;
			if (seconds)
				seconds[owner] += node_cost(&radix->o, node);
		}
	}
}

int
aibrix_radix_history(aibrix_radix *radix, uint64_t now_ns, double *requests,
		     double *seconds, uint32_t rows)
{
	if (!radix)
		return AIBRIX_E_INVAL;
	(void)radix_now(radix, now_ns);
	for (uint32_t row = 0; row < rows; row++) {
		struct owner_sum sum = {0, 0, 0};

		if (!radix->o.compat && row < radix->o.max_owners)
			sum = radix->sums[row];
		if (requests)
			requests[row] = (double)sum.requests;
		if (seconds)
			seconds[row] = (double)sum.cost_ns * 1e-9;
	}
	if (radix->o.compat)
		history_compat(radix, requests, seconds, rows);
	return AIBRIX_OK;
}

int
aibrix_radix_forget(aibrix_radix *radix, uint32_t owner)
{
	if (!radix || owner >= radix->o.max_owners)
		return AIBRIX_E_INVAL;
	aibrix__claims_retire(&radix->tree.claims, owner);
	aibrix__claims_sweep(&radix->tree.claims, HAND_CALL, 0);
	radix->sums[owner] =
		(struct owner_sum){.era = radix->sums[owner].era + 1};
	radix->forgotten++;
	return AIBRIX_OK;
}

int
aibrix_radix_stats(const aibrix_radix *radix, aibrix_radix_stat *stat)
{
	aibrix_radix_stat now = {0};

	if (!radix || !stat)
		return AIBRIX_E_INVAL;
	now.nodes = radix->tree.count;
	now.tokens = radix->tree.tokens;
	now.entries = radix->tree.claims.entries;
	now.requests = radix->n;
	now.bytes = sizeof(*radix) + aibrix__radix_bytes(&radix->tree) +
		    (uint64_t)radix->o.max_owners * sizeof(*radix->sums) +
		    (uint64_t)radix->o.max_requests * sizeof(*radix->records);
	now.added = radix->added;
	now.splits = radix->tree.splits;
	now.expired = radix->tree.expired;
	now.evicted = radix->tree.evicted;
	now.cut = radix->tree.cut;
	now.early = radix->early;
	now.forgotten = radix->forgotten;
	return aibrix__struct_store(stat, &now, sizeof(now), STAT_V1);
}

int
aibrix__radix_check(const aibrix_radix *radix)
{
	int err = aibrix__radix_tree_check(&radix->tree);

	/* Nobody has a node that has gone. */
	if (!err && radix->tree.claims.count > radix->tree.count)
		err = AIBRIX_E_CORRUPT;
	return err ? err : aibrix__claims_check(&radix->tree.claims);
}
