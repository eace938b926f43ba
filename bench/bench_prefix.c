/*
 * The prefix table and the predictions against the memory they touch.
 *
 * The floor is one random line for each block, sixteen of them in flight,
 * out of a set as large as the table (scatter_ns): no table that finds a
 * block by its hash does with less.  Prompts are 512 blocks, of which each
 * table has had twice its bound, so it is full and every new block makes
 * another one go.
 */

#include <aibrix/predict.h>
#include <aibrix/prefix.h>

#include "base/arch.h"
#include "base/rand.h"

#include "bench.h"

enum { LINE = 64, FLIGHT = 16, PROMPT = 512, PODS = 64 };
/* As AIBrix's default, and as large as no cache is. */
enum { SMALL = 200000, LARGE = 4 << 20, QUICK = 20000 };

/* Random lines: addresses are ready long before they are needed. */
struct scatter {
	uint8_t *lines; /* n + 1 of them, unaligned */
	uint64_t n, state;
};

static void
scatter(void *ctx, uint64_t n)
{
	struct scatter *s = ctx;
	uint32_t at[FLIGHT];
	uint64_t sum = 0;

	while (n--)
		for (uint32_t done = 0; done < PROMPT; done += FLIGHT) {
			for (uint32_t i = 0; i < FLIGHT; i++) {
				at[i] = rand_below(&s->state, (uint32_t)s->n);
				prefetch(s->lines + (uint64_t)at[i] * LINE);
			}
			for (uint32_t i = 0; i < FLIGHT; i++)
				sum += s->lines[(uint64_t)at[i] * LINE];
		}
	BENCH_KEEP(sum);
}

struct work {
	aibrix_prefix *prefix;
	aibrix_predict *predict;
	uint64_t prompts; /* noted so far */
	uint64_t kept;    /* of these, the last that are there */
	uint64_t state;
	uint64_t hashes[PROMPT];
	uint64_t pods[PODS];
	uint32_t percent[PODS];
	double blocks[PODS];
};

/* Prompt i is what follows from its number: nothing to be remembered. */
static void
prompt_load(struct work *w, uint64_t i)
{
	uint64_t state = mix64(i + 1);

	for (uint32_t j = 0; j < PROMPT; j++)
		w->hashes[j] = rand_next(&state);
}

/* One that is still there. */
static void
prompt_known(struct work *w)
{
	uint32_t back = rand_below(&w->state, (uint32_t)w->kept);

	prompt_load(w, w->prompts - 1 - back);
}

static void
prefix_add(struct work *w, uint64_t i)
{
	bench_check(aibrix_prefix_add(w->prefix, 0, i % PODS, w->hashes, PROMPT,
				      i) == AIBRIX_OK,
		    "aibrix_prefix_add");
}

static void
add_new(void *ctx, uint64_t n)
{
	struct work *w = ctx;

	while (n--) {
		prompt_load(w, w->prompts);
		prefix_add(w, w->prompts++);
	}
}

/* By the pod that has it: the order changes and nothing else. */
static void
add_known(void *ctx, uint64_t n)
{
	struct work *w = ctx;

	while (n--) {
		uint32_t back = rand_below(&w->state, (uint32_t)w->kept / 2);
		uint64_t i = w->prompts - 1 - back;

		prompt_load(w, i);
		prefix_add(w, i);
	}
}

static void
match(void *ctx, uint64_t n)
{
	struct work *w = ctx;

	while (n--) {
		prompt_known(w);
		aibrix_prefix_match(w->prefix, 0, w->pods, PODS, w->hashes,
				    PROMPT, w->prompts, w->percent);
	}
	BENCH_KEEP(w->percent[0]);
}

static void
forget(void *ctx, uint64_t n)
{
	struct work *w = ctx;

	while (n--) {
		aibrix_prefix_forget(w->prefix, PODS);
		bench_check(aibrix_prefix_add(w->prefix, 0, PODS, w->hashes, 1,
					      0) == AIBRIX_OK,
			    "aibrix_prefix_add");
	}
}

static void
predict_add(void *ctx, uint64_t n)
{
	struct work *w = ctx;

	while (n--) {
		prompt_load(w, w->prompts);
		bench_check(aibrix_predict_add(w->predict,
					       (uint32_t)(w->prompts % PODS),
					       w->hashes, PROMPT, w->prompts,
					       AIBRIX_FOREVER) == AIBRIX_OK,
			    "aibrix_predict_add");
		w->prompts++;
	}
}

static void
predict_match(void *ctx, uint64_t n)
{
	struct work *w = ctx;

	while (n--) {
		prompt_known(w);
		memset(w->blocks, 0, sizeof(w->blocks));
		bench_check(aibrix_predict_match(w->predict, w->hashes, PROMPT,
						 0, w->blocks,
						 PODS) == AIBRIX_OK,
			    "aibrix_predict_match");
	}
	BENCH_KEEP(w->blocks[0]);
}

/* Making the hashes of a prompt is no part of what is measured. */
static void
prompts_only(void *ctx, uint64_t n)
{
	struct work *w = ctx;

	while (n--)
		prompt_known(w);
	BENCH_KEEP(w->hashes[0]);
}

struct table {
	uint64_t blocks, bytes;
	const char *size; /* in the names of rows */
	struct scatter floor;
};

/* Names of rows live as long as the program. */
static struct bench_row
row_of(char *name, size_t cap, const struct table *t, const char *what,
       const char *unit, const char *note)
{
	snprintf(name, cap, "%s_%s", what, t->size);
	return (struct bench_row){name, unit, note, 1};
}

static void
row_run(const struct bench *b, struct table *t, struct work *w,
	const char *what, bench_fn fn, const char *note)
{
	const struct bench_peer ours = {"", fn, w, PROMPT};
	const struct bench_peer lines = {"scatter_ns", scatter, &t->floor,
					 PROMPT};
	char name[64];
	struct bench_row row = row_of(name, sizeof(name), t, what, "ns", note);

	bench_run(b, &row, &ours, &lines);
}

static void
row_bytes(const struct bench *b, const struct table *t, const char *what)
{
	char name[64];
	struct bench_row row =
		row_of(name, sizeof(name), t, what, "bytes/block",
		       "all memory of the object over max_blocks");

	bench_counted(b, &row, (double)t->bytes / (double)t->blocks);
}

/* As many lines as the object has. */
static void
floor_open(struct table *t)
{
	t->floor = (struct scatter){NULL, t->bytes / LINE, 7};
	t->floor.lines = malloc(t->floor.n * LINE);
	bench_check(t->floor.lines != NULL, "malloc");
	memset(t->floor.lines, 1, t->floor.n * LINE);
}

static struct work
work_of(const struct table *t)
{
	struct work w = {.kept = t->blocks / PROMPT, .state = 3};

	for (uint32_t i = 0; i < PODS; i++)
		w.pods[i] = i;
	return w;
}

static void
prefix_rows(const struct bench *b, struct table *t)
{
	static const struct bench_row forgotten = {
		"prefix_forget", "ns", "a pod that has blocks; and one add", 1};
	aibrix_prefix_opts opts = {.size = sizeof(opts),
				   .max_blocks = t->blocks,
				   .max_age_ns = AIBRIX_FOREVER};
	aibrix_prefix_stat stat = {.size = sizeof(stat)};
	struct work w = work_of(t);
	const struct bench_peer retire = {"", forget, &w, 1};

	bench_check(aibrix_prefix_new(&opts, &w.prefix) == AIBRIX_OK &&
			    aibrix_prefix_stats(w.prefix, &stat) == AIBRIX_OK,
		    "aibrix_prefix_new");
	t->bytes = stat.bytes;
	floor_open(t);
	add_new(&w, 2 * w.kept);
	row_bytes(b, t, "prefix_bytes");
	row_run(b, t, &w, "prefix_add_new", add_new,
		"per block, each pushes one out");
	row_run(b, t, &w, "prefix_match", match,
		"per block, 64 pods, one has all");
	row_run(b, t, &w, "prefix_add_known", add_known, "per block");
	if (strcmp(t->size, "200k") == 0)
		bench_run(b, &forgotten, &retire, NULL);
	aibrix_prefix_free(w.prefix);
	free(t->floor.lines);
}

static void
predict_rows(const struct bench *b, struct table *t)
{
	aibrix_predict_opts opts = {.size = sizeof(opts),
				    .max_blocks = t->blocks};
	aibrix_predict_stat stat = {.size = sizeof(stat)};
	struct work w = work_of(t);

	bench_check(aibrix_predict_new(&opts, &w.predict) == AIBRIX_OK &&
			    aibrix_predict_stats(w.predict, &stat) == AIBRIX_OK,
		    "aibrix_predict_new");
	t->bytes = stat.bytes;
	floor_open(t);
	predict_add(&w, 2 * w.kept);
	row_bytes(b, t, "predict_bytes");
	row_run(b, t, &w, "predict_add", predict_add,
		"per block, each pushes one out");
	row_run(b, t, &w, "predict_match", predict_match,
		"per block, 64 rows, one has all");
	aibrix_predict_free(w.predict);
	free(t->floor.lines);
}

int
main(int argc, char **argv)
{
	static const struct bench_row made = {
		"prompt_made", "ns",
		"per block: the hashes, contained in all rows here", 1};
	struct bench b;
	int stop = bench_start(&b, argc, argv);
	struct table tables[] = {{.blocks = SMALL, .size = "200k"},
				 {.blocks = LARGE, .size = "4m"}};
	struct work w = {.kept = 100, .prompts = 100};
	const struct bench_peer making = {"", prompts_only, &w, PROMPT};

	if (stop)
		return stop - 1;
	bench_run(&b, &made, &making, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		if (b.quick)
			tables[i].blocks = QUICK;
		prefix_rows(&b, &tables[i]);
		predict_rows(&b, &tables[i]);
	}
	return 0;
}
