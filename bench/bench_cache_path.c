/*
 * Prompts that only L2 has, through the cache and without it.
 *
 * Both ask the same store for the same values, a frame and a block each, in
 * prompts of 64 blocks: a prompt is waited for before the next one is asked
 * for, and as many requests are in flight for both.  The cache also asks what
 * is there, takes room in L1 from blocks that it puts out, verifies, and
 * enters what came into its tables.
 *
 * There are two passes of values and room for one in L1: a round reads the
 * one that the round before has put out.
 */

#include <aibrix/evict.h>

#include "bench_cache.h"

enum { PROMPT = 64, BATCH = 64, PASSES = 2, FILE_FLIGHT = 32 };

struct path {
	const struct options *o;
	struct work work; /* of the one without a cache */
	uint8_t (*frames)[AIBRIX_CACHE_FRAME_BYTES];
	aibrix_iov (*iov)[2];
	aibrix_store *store;
	const struct slot_store *slots; /* NULL: a server */
	uint32_t prompt;                /* blocks */
	uint32_t flight;
};

/* ---- without the cache */

static aibrix_io
request_of(struct path *p, uint32_t block)
{
	struct work *w = &p->work;

	p->iov[block][0] = (aibrix_iov){p->frames[block], sizeof(p->frames[0])};
	p->iov[block][1] = (aibrix_iov){w->blocks + block * w->bytes, w->bytes};
	return (aibrix_io){.key = w->keys[block],
			   .key_bytes = KEY_BYTES,
			   .iov = p->iov[block],
			   .n_iov = 2,
			   .op = AIBRIX_STORE_GET,
			   .priority = AIBRIX_PRIORITY_GET,
			   .tag = block};
}

static void
alone_prompt(struct path *p, uint32_t first)
{
	uint32_t sent = 0, done = 0, n, taken;
	aibrix_io ios[BATCH];
	aibrix_done dones[BATCH];

	while (done < p->prompt) {
		for (n = 0; n < BATCH && sent + n < p->prompt &&
			    sent + n < done + p->flight;
		     n++)
			ios[n] = request_of(p, first + sent + n);
		taken = 0;
		if (n)
			bench_check(!aibrix_store_submit(p->store, ios, n,
							 bench_now(), &taken),
				    "aibrix_store_submit");
		sent += taken;
		bench_check(!aibrix_store_poll(p->store, dones, BATCH,
					       bench_now(), 1000000000, &n),
			    "aibrix_store_poll");
		for (uint32_t i = 0; i < n; i++)
			bench_check(!dones[i].status, "a value");
		done += n;
	}
}

static void
alone_move(void *ctx, uint32_t op, struct work *w)
{
	struct path *p = ctx;

	(void)op;
	for (uint32_t i = 0; i + p->prompt <= w->n; i += p->prompt)
		alone_prompt(p, i);
}

/* ---- through it */

struct through {
	struct path *path;
	aibrix_cache *cache;
};

static void
through_move(void *ctx, uint32_t op, struct work *w)
{
	struct through *t = ctx;
	uint64_t lease;

	(void)op;
	for (uint32_t i = 0; i + t->path->prompt <= w->n;
	     i += t->path->prompt) {
		lease = prompt_hold(t->cache, (const aibrix_key *)w->keys[i],
				    t->path->prompt);
		bench_check(!aibrix_cache_release(t->cache, lease), "release");
	}
}

static void
through_open(struct through *t, struct path *p, uint32_t flags)
{
	const struct work *w = &p->work;
	aibrix_cache_opts c = {.size = sizeof(c),
			       .evict = AIBRIX_EVICT_LRU,
			       .block_bytes = w->bytes,
			       .l1_bytes = w->n * w->bytes,
			       .l2 = p->store,
			       .l2_inflight = p->flight,
			       .flags = flags};

	*t = (struct through){.path = p};
	bench_check(!aibrix_cache_new(&c, &t->cache), "aibrix_cache_new");
}

/* All values of a pass are put. */
static void
through_fill(struct through *t)
{
	struct work *w = &t->path->work;
	uint64_t lease, n;

	for (uint32_t i = 0; i + t->path->prompt <= w->n;
	     i += t->path->prompt) {
		bench_check(!aibrix_cache_reserve(
				    t->cache, (const aibrix_key *)w->keys[i],
				    NULL, t->path->prompt, bench_now(), &lease,
				    &n) &&
				    n == t->path->prompt,
			    "aibrix_cache_reserve");
		for (uint32_t k = 0; k < n; k++)
			memcpy(lease_block(t->cache, lease, k),
			       w->blocks + (i + k) * w->bytes, w->bytes);
		bench_check(!aibrix_cache_commit(t->cache, lease, bench_now()),
			    "aibrix_cache_commit");
		cache_drain(t->cache);
	}
}

/* Once, outside of the clock: the right bytes, from L2. */
static void
through_look(struct through *t)
{
	struct work *w = &t->path->work;
	uint64_t lease = prompt_hold(t->cache, (const aibrix_key *)w->keys[0],
				     t->path->prompt);
	aibrix_cache_view view = {.size = sizeof(view)};

	for (uint32_t i = 0; i < t->path->prompt; i++) {
		bench_check(!aibrix_cache_block(t->cache, lease, i, &view) &&
				    view.tier == AIBRIX_CACHE_L2,
			    "a block of L2");
		block_check(w, i, view.data, "the cache");
	}
	bench_check(!aibrix_cache_release(t->cache, lease), "release");
}

/* ---- rows */

static void
path_row(struct path *p, uint32_t flags, const struct store_row *row)
{
	struct through t;
	const struct mover m[2] = {{"the cache", &t, through_move},
				   {"the store", p, alone_move}};
	struct costs costs[2];

	through_open(&t, p, flags);
	for (uint32_t pass = 0; pass < PASSES; pass++) {
		work_rename(&p->work, pass);
		through_fill(&t);
	}
	work_rename(&p->work, 0);
	through_look(&t);
	through_move(&t, 0, &p->work);
	for (uint32_t round = 0; round < store_rounds(p->o); round++) {
		work_rename(&p->work, (round + 1) % PASSES);
		for (uint32_t i = 0; i < 2; i++) {
			uint32_t who = (round + i) % 2;

			if (p->slots)
				slot_store_forget(p->slots);
			costs[who].s[round] =
				work_pass(&p->work, &m[who], AIBRIX_STORE_GET)
					.s;
		}
	}
	row_print(p->o, row, &costs[0], &costs[1]);
	aibrix_cache_free(t.cache);
}

static void
path_open(struct path *p, const struct options *o, uint64_t bytes)
{
	*p = (struct path){.o = o};
	work_init(&p->work, o, bytes);
	p->frames = malloc(p->work.n * sizeof(*p->frames));
	p->iov = malloc(p->work.n * sizeof(*p->iov));
	bench_check(p->frames && p->iov, "memory for requests");
	p->prompt = p->work.n < PROMPT ? p->work.n / 2 : PROMPT;
}

static void
path_close(struct path *p)
{
	free(p->frames);
	free(p->iov);
	work_free(&p->work);
}

static const struct size {
	const char *suffix;
	uint64_t bytes;
} sizes[] = {{"", BLOCK_1M}, {"_256k", BLOCK_256K}};

/* store NULL: for the reason why. */
static void
path_pair(struct path *p, const char *name, const char *suffix, const char *why)
{
	char text[64], notes[96];
	struct store_row row = {text, UNIT_RATE, "the store alone", why};

	if (!why) {
		snprintf(notes, sizeof(notes), "%u in flight", p->flight);
		row.note = notes;
	}
	for (uint32_t trusted = 0; trusted < 2; trusted++) {
		snprintf(text, sizeof(text), "%s%s%s", name, suffix,
			 trusted ? "_trusted" : "");
		if (why)
			row_print(p->o, &row, NULL, NULL);
		else
			path_row(p,
				 trusted ? AIBRIX_CACHE_NO_L1_VERIFY |
						   AIBRIX_CACHE_NO_L2_VERIFY
					 : 0,
				 &row);
	}
}

static void
path_file(const struct options *o, const struct size *size)
{
	struct slot_store slots;
	struct path p;
	const char *why;

	path_open(&p, o, size->bytes);
	why = slot_store_open(&slots, o, &p.work,
			      size->bytes + AIBRIX_CACHE_FRAME_BYTES,
			      PASSES * p.work.n);
	if (!why) {
		p.store = slots.ours.store;
		p.slots = &slots;
		p.flight = FILE_FLIGHT;
	}
	path_pair(&p, "l2_file_path", size->suffix, why);
	if (!why)
		slot_store_free(&slots);
	path_close(&p);
}

static void
path_resp(const struct options *o, const struct size *size)
{
	struct redis_server server;
	const char *why = server_start(&server);
	struct work framed;
	struct path p;

	path_open(&p, o, size->bytes);
	framed = p.work;
	framed.bytes += AIBRIX_CACHE_FRAME_BYTES;
	p.flight = o->depth;
	if (!why)
		p.store = server_store(&server, 0, &framed);
	path_pair(&p, "l2_resp_path", size->suffix, why);
	if (!why)
		aibrix_store_free(p.store);
	path_close(&p);
	server_stop(&server);
}

void
path_rows(const struct options *o)
{
	for (uint32_t i = 0; i < 2; i++)
		path_file(o, &sizes[i]);
	for (uint32_t i = 0; i < 2; i++)
		path_resp(o, &sizes[i]);
}
