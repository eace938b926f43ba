/*
 * Prefix hit ratios of the density order on the public Mooncake
 * conversation trace (FAST 2025), against those of the simulation with which
 * it was designed.
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

enum { IDS_MAX = 200000, REQUEST_MAX = 1000, LINE_MAX_BYTES = 1 << 16 };

struct replay {
	aibrix_evict *evict;
	uint32_t capacity, count;
	uint32_t slot_of[IDS_MAX]; /* by id, plus one; 0: not resident */
	uint32_t *id_in;           /* by slot */
	uint64_t blocks, prefix_hits;
};

/* Each line has "hash_ids": [0, 1, 2]. */
static uint32_t
line_ids(const char *line, uint32_t *ids)
{
	const char *text = strstr(line, "\"hash_ids\": [");
	uint32_t n = 0;
	char *end;

	cr_assert_not_null(text);
	text += strlen("\"hash_ids\": [");
	while (*text != ']') {
		cr_assert_lt(n, REQUEST_MAX);
		ids[n] = (uint32_t)strtoul(text, &end, 10);
		cr_assert_neq(text, end);
		cr_assert_lt(ids[n], IDS_MAX);
		n++;
		text = end + strspn(end, ", ");
	}
	return n;
}

static void
block_use(struct replay *r, uint32_t id, uint32_t depth)
{
	aibrix_evict_block block = {.fingerprint = id,
				    .parent_slot = AIBRIX_EVICT_NO_PARENT,
				    .depth = depth};
	uint32_t slot = r->count;

	if (r->slot_of[id]) {
		cr_assert_eq(aibrix_evict_hit(r->evict, r->slot_of[id] - 1),
			     AIBRIX_OK);
		return;
	}
	if (r->count < r->capacity) {
		r->count++;
	} else {
		cr_assert_eq(aibrix_evict_pop(r->evict, &slot), AIBRIX_OK);
		r->slot_of[r->id_in[slot]] = 0;
	}
	cr_assert_eq(aibrix_evict_insert_block(r->evict, slot, &block),
		     AIBRIX_OK);
	r->slot_of[id] = slot + 1;
	r->id_in[slot] = id;
}

static void
request_use(struct replay *r, const uint32_t *ids, uint32_t n)
{
	uint32_t hits = 0;

	while (hits < n && r->slot_of[ids[hits]])
		hits++;
	r->prefix_hits += hits;
	r->blocks += n;
	for (uint32_t i = n; i-- > 0;)
		block_use(r, ids[i], i + 1);
}

/* In 10 000ths of all blocks, rounded. */
static uint32_t
prefix_hits(FILE *file, uint32_t capacity)
{
	static char line[LINE_MAX_BYTES];
	static uint32_t ids[REQUEST_MAX];
	static struct replay r;
	aibrix_evict_opts o = {.size = sizeof(o),
			       .policy = AIBRIX_EVICT_DENSITY,
			       .capacity = capacity};

	memset(&r, 0, sizeof(r));
	r.capacity = capacity;
	r.id_in = calloc(capacity, sizeof(*r.id_in));
	cr_assert_not_null(r.id_in);
	cr_assert_eq(aibrix_evict_new(&o, &r.evict), AIBRIX_OK);
	rewind(file);
	while (fgets(line, sizeof(line), file))
		request_use(&r, ids, line_ids(line, ids));
	cr_assert_eq(r.blocks, 288500);
	aibrix_evict_free(r.evict);
	free(r.id_in);
	return (uint32_t)((r.prefix_hits * 20000 + r.blocks) / (2 * r.blocks));
}

Test(density, prefix_hit_ratios_of_the_public_trace)
{
	static const struct {
		uint32_t capacity, hits;
	} rows[] = {
		{500, 619},    {1000, 829},   {2000, 1099},  {5000, 1692},
		{10000, 2353}, {20000, 3022}, {50000, 3560},
	};
	const char *folder = getenv("AIBRIX_TEST_DATA");
	char path[4096];
	FILE *file = NULL;

	if (folder) {
		snprintf(path, sizeof(path), "%s/mooncake_conversation.jsonl",
			 folder);
		file = fopen(path, "rb");
	}
	if (!file)
		cr_skip_test("mooncake_conversation.jsonl is not there");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t got = prefix_hits(file, rows[i].capacity);

		cr_expect_eq(got, rows[i].hits, "%u blocks: .%04u, not .%04u",
			     rows[i].capacity, got, rows[i].hits);
	}
	fclose(file);
}
