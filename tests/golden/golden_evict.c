/*
 * Hit ratios on the public Mooncake conversation trace (FAST 2025), against
 * those of independent simulations of the same trace.
 *
 * One cache of C blocks.  A request's hits are its leading resident blocks.
 * Then its blocks are walked last to first: a resident one is hit, another
 * is inserted after victims made room.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/evict.h>

enum { BLOCKS_MAX = 400000, REQUESTS_MAX = 20000 };
enum { ABSENT = -1 };

struct trace {
	uint32_t *blocks; /* of all requests, one after the other */
	uint32_t *ends;   /* of each request, in blocks */
	uint32_t requests, ids;
};

static char *
new_text(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text;
	long bytes;

	if (!file)
		return NULL;
	cr_assert_eq(fseek(file, 0, SEEK_END), 0);
	bytes = ftell(file);
	rewind(file);
	text = malloc((size_t)bytes + 1);
	cr_assert_not_null(text);
	cr_assert_eq(fread(text, 1, (size_t)bytes, file), (size_t)bytes);
	text[bytes] = '\0';
	fclose(file);
	return text;
}

/* Each line has "hash_ids": [0, 1, 2]. */
static struct trace
new_trace(const char *text)
{
	struct trace t = {calloc(BLOCKS_MAX, sizeof(uint32_t)),
			  calloc(REQUESTS_MAX, sizeof(uint32_t)), 0, 0};
	uint32_t n = 0;
	char *end;

	while ((text = strstr(text, "\"hash_ids\": ["))) {
		text += strlen("\"hash_ids\": [");
		while (*text != ']') {
			cr_assert_lt(n, BLOCKS_MAX);
			t.blocks[n] = (uint32_t)strtoul(text, &end, 10);
			cr_assert_neq(text, end);
			if (t.blocks[n] >= t.ids)
				t.ids = t.blocks[n] + 1;
			n++;
			text = end + strspn(end, ", ");
		}
		cr_assert_lt(t.requests, REQUESTS_MAX);
		t.ends[t.requests++] = n;
	}
	return t;
}

struct cache {
	aibrix_evict *evict;
	uint32_t capacity, count;
	int32_t *slot_of;   /* by block id; ABSENT */
	uint32_t *block_in; /* by slot */
};

static uint32_t
slot_free(struct cache *c, uint64_t name)
{
	uint32_t slot, n;

	if (c->count < c->capacity)
		return c->count++;
	cr_assert_eq(aibrix_evict_reserve(c->evict, &name, 1, 0, &slot, &n),
		     AIBRIX_OK);
	c->slot_of[c->block_in[slot]] = ABSENT;
	return slot;
}

static void
block_use(struct cache *c, uint32_t block)
{
	uint32_t slot;

	if (c->slot_of[block] != ABSENT) {
		slot = (uint32_t)c->slot_of[block];
		cr_assert_eq(aibrix_evict_hit(c->evict, slot), AIBRIX_OK);
		return;
	}
	slot = slot_free(c, block);
	cr_assert_eq(aibrix_evict_insert(c->evict, slot, block,
					 AIBRIX_EVICT_NO_PARENT),
		     AIBRIX_OK);
	c->slot_of[block] = (int32_t)slot;
	c->block_in[slot] = block;
}

static uint32_t
replay(const struct trace *t, struct cache *c)
{
	uint32_t first = 0, prefix_hits = 0;

	for (uint32_t r = 0; r < t->requests; r++) {
		uint32_t end = t->ends[r], i = first;

		while (i < end && c->slot_of[t->blocks[i]] != ABSENT)
			i++;
		prefix_hits += i - first;
		for (i = end; i > first; i--)
			block_use(c, t->blocks[i - 1]);
		first = end;
	}
	return prefix_hits;
}

/* All blocks in the order of the trace, one by one. */
static uint32_t
replay_objects(const struct trace *t, struct cache *c)
{
	uint32_t hits = 0;

	for (uint32_t i = 0; i < t->ends[t->requests - 1]; i++) {
		hits += c->slot_of[t->blocks[i]] != ABSENT;
		block_use(c, t->blocks[i]);
	}
	return hits;
}

static uint32_t
trace_hits(const struct trace *t, aibrix_evict_opts o,
	   uint32_t (*walk)(const struct trace *, struct cache *))
{
	struct cache c = {.capacity = o.capacity};
	uint32_t hits;

	o.size = sizeof(o);
	c.slot_of = malloc(t->ids * sizeof(*c.slot_of));
	c.block_in = calloc(o.capacity, sizeof(*c.block_in));
	cr_assert(c.slot_of && c.block_in);
	for (uint32_t i = 0; i < t->ids; i++)
		c.slot_of[i] = ABSENT;
	cr_assert_eq(aibrix_evict_new(&o, &c.evict), AIBRIX_OK);
	hits = walk(t, &c);
	aibrix_evict_free(c.evict);
	free(c.slot_of);
	free(c.block_in);
	return hits;
}

/* parts of the hits, rounded. */
static uint32_t
hits_per(const struct trace *t, uint64_t hits, uint64_t parts)
{
	uint64_t all = t->ends[t->requests - 1];

	return (uint32_t)((hits * parts * 2 + all) / (2 * all));
}

static uint32_t
prefix_permille(const struct trace *t, uint32_t policy, uint32_t capacity)
{
	const aibrix_evict_opts o = {.policy = policy, .capacity = capacity};

	return hits_per(t, trace_hits(t, o, replay), 1000);
}

/* Skips the test when the trace is not there. */
static struct trace
public_trace(void)
{
	const char *folder = getenv("AIBRIX_TEST_DATA");
	char path[4096], *text = NULL;
	struct trace t;

	if (folder) {
		snprintf(path, sizeof(path), "%s/mooncake_conversation.jsonl",
			 folder);
		text = new_text(path);
	}
	if (!text)
		cr_skip_test("mooncake_conversation.jsonl is not there");
	t = new_trace(text);
	free(text);
	cr_assert_eq(t.requests, 12031);
	return t;
}

Test(evict, prefix_hit_ratios_of_the_public_trace)
{
	static const struct {
		uint32_t policy, capacity, permille;
	} rows[] = {
		{AIBRIX_EVICT_LRU, 1000, 45},
		{AIBRIX_EVICT_LRU, 2000, 54},
		{AIBRIX_EVICT_LRU, 5000, 112},
		{AIBRIX_EVICT_LRU, 10000, 212},
		{AIBRIX_EVICT_LRU, 20000, 288},
		{AIBRIX_EVICT_S3FIFO, 1000, 55},
		{AIBRIX_EVICT_S3FIFO, 2000, 76},
		{AIBRIX_EVICT_S3FIFO, 5000, 138},
		{AIBRIX_EVICT_S3FIFO, 10000, 209},
		{AIBRIX_EVICT_S3FIFO, 20000, 281},
		{AIBRIX_EVICT_S3FIFO, 50000, 345},
		{AIBRIX_EVICT_SIEVE, 1000, 48},
		{AIBRIX_EVICT_SIEVE, 2000, 59},
		{AIBRIX_EVICT_SIEVE, 5000, 92},
		{AIBRIX_EVICT_SIEVE, 10000, 132},
		{AIBRIX_EVICT_SIEVE, 20000, 210},
		{AIBRIX_EVICT_SIEVE, 50000, 344},
		{AIBRIX_EVICT_ARC, 1000, 53},
		{AIBRIX_EVICT_ARC, 5000, 113},
		{AIBRIX_EVICT_ARC, 10000, 223},
		{AIBRIX_EVICT_ARC, 20000, 289},
		{AIBRIX_EVICT_ARC, 50000, 344},
	};
	struct trace t = public_trace();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t got =
			prefix_permille(&t, rows[i].policy, rows[i].capacity);

		cr_expect_eq(got, rows[i].permille,
			     "policy %u, %u blocks: .%03u, not .%03u",
			     rows[i].policy, rows[i].capacity, got,
			     rows[i].permille);
	}
	free(t.blocks);
	free(t.ends);
}

/* What libCacheSim counts on this trace, misses in millionths. */
Test(evict, object_misses_are_those_of_libcachesim)
{
	static const uint32_t capacities[] = {182,   1827,  9139,
					      18279, 36558, 91395};
	static const struct {
		aibrix_evict_opts opts;
		uint32_t misses[6];
	} rows[] = {
		{{.policy = AIBRIX_EVICT_FIFO},
		 {962634, 949515, 820423, 744173, 678790, 641598}},
		{{.policy = AIBRIX_EVICT_LRU},
		 {958464, 947730, 804568, 721584, 655449, 636884}},
		{{.policy = AIBRIX_EVICT_SIEVE},
		 {955182, 941806, 873130, 805175, 693189, 637321}},
		{{.policy = AIBRIX_EVICT_ARC},
		 {955182, 935438, 789882, 715750, 679941, 637321}},
		/* Its S3-FIFO takes from small when both queues hold their
		 * share exactly: 812406 in the third column. */
		{{.policy = AIBRIX_EVICT_S3FIFO,
		  .small_ratio = 0.1,
		  .promote_hits = 2},
		 {957730, 925054, 812402, 754423, 670624, 638035}},
	};
	struct trace t = public_trace();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int k = 0; k < 6; k++) {
			aibrix_evict_opts o = rows[i].opts;
			uint32_t hits, want = 1000000 - rows[i].misses[k];

			o.capacity = capacities[k];
			hits = trace_hits(&t, o, replay_objects);
			cr_expect_eq(hits_per(&t, hits, 1000000), want,
				     "policy %u, %u blocks", o.policy,
				     o.capacity);
		}
	free(t.blocks);
	free(t.ends);
}

Test(evict, auto_is_never_far_below_the_better_of_lru_and_s3fifo)
{
	static const uint32_t capacities[] = {500,   1000,  2000, 5000,
					      10000, 20000, 50000};
	struct trace t = public_trace();

	for (int k = 0; k < 7; k++) {
		uint32_t hits[3] = {0};
		static const uint32_t policies[] = {AIBRIX_EVICT_LRU,
						    AIBRIX_EVICT_S3FIFO,
						    AIBRIX_EVICT_AUTO};

		for (int i = 0; i < 3; i++)
			hits[i] = trace_hits(
				&t,
				(aibrix_evict_opts){.policy = policies[i],
						    .capacity = capacities[k]},
				replay);
		cr_expect_geq(hits[2] * 100.0, hits[0] * 98.0);
		cr_expect_geq(hits[2] * 100.0, hits[1] * 98.0);
	}
	free(t.blocks);
	free(t.ends);
}
