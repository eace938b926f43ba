/*
 * Prefix hit ratios on the public Mooncake conversation trace (FAST 2025),
 * against those of an independent simulation of the same trace.
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
slot_free(struct cache *c)
{
	uint32_t slot;

	if (c->count < c->capacity)
		return c->count++;
	cr_assert_eq(aibrix_evict_pop(c->evict, &slot), AIBRIX_OK);
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
	slot = slot_free(c);
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

/* Per thousand, rounded. */
static uint32_t
prefix_permille(const struct trace *t, uint32_t policy, uint32_t capacity)
{
	aibrix_evict_opts o = {
		.size = sizeof(o), .policy = policy, .capacity = capacity};
	struct cache c = {.capacity = capacity};
	uint64_t hits, all = t->ends[t->requests - 1];

	c.slot_of = malloc(t->ids * sizeof(*c.slot_of));
	c.block_in = calloc(capacity, sizeof(*c.block_in));
	cr_assert(c.slot_of && c.block_in);
	for (uint32_t i = 0; i < t->ids; i++)
		c.slot_of[i] = ABSENT;
	cr_assert_eq(aibrix_evict_new(&o, &c.evict), AIBRIX_OK);
	hits = replay(t, &c);
	aibrix_evict_free(c.evict);
	free(c.slot_of);
	free(c.block_in);
	return (uint32_t)((hits * 2000 + all) / (2 * all));
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
	};
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
	cr_assert_eq(t.requests, 12031);
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
	free(text);
}
