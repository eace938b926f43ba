/*
 * The caches of several models over one server that is killed and restarted
 * again and again.
 *
 *   cache_soak [--seconds N] [--seed S]
 *
 * Each step does something random with one of the caches; what follows from
 * it is known: which bytes a block may have, how long a lease must be at
 * least, what the statistics must say.  Two of the models make the same keys
 * and are told apart by their layout alone.  Every few seconds the server has
 * a rest; then the sums of what was stored and what became of it are exact,
 * and memory is what it was at the first rest.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rand.h"
#include "cache/cache_internal.h"
#include "cache_models.h"
#include "cases.h"
#include "net_load.h"
#include "soak.h"

enum {
	MODELS = 4,
	CHAINS = 40,
	LENGTH = 12, /* blocks of a chain */
	BLOCK = 8192,
	L1_BLOCKS = 160,
	LEASES = 6,
	STORM_MS = 3000,
	CALM_MS = 400,
	RECOVERY_MS = 8000,
	RSS_SLACK_KB = 16384
};

static uint32_t seconds = 20;
static uint64_t first_seed = 20261122;

/* The last one makes the keys of the first. */
static const char *const model_names[MODELS] = {"a", "b", "c", "a"};
static const char *const model_layouts[MODELS] = {"a", "b", "c", "d"};

struct reading {
	uint64_t id; /* 0: none */
	uint64_t start_ns;
	uint64_t floor; /* what L1 had, and it was pinned */
	uint32_t chain;
};

struct engine {
	aibrix_cache *cache;
	uint64_t number;
	struct reading leases[LEASES];
	aibrix_key keys[CHAINS][LENGTH];
	uint64_t versions[CHAINS][LENGTH]; /* the last one written */
	/* What the statistics must say. */
	uint64_t asked, hits_l1, hits_l2, stored, no_room;
	uint32_t held;
};

struct fleet {
	struct soak soak;
	struct engine engines[MODELS];
	uint64_t seed;
	long rss_kb;    /* at the first rest */
	uint32_t exact; /* rests without a single fault */
};

static aibrix_cache_stat
stat_of(const struct engine *e)
{
	aibrix_cache_stat stat = {.size = sizeof(stat)};

	if (aibrix_cache_stats(e->cache, &stat))
		case_abort("statistics");
	return stat;
}

static long
rss_kb(void)
{
	long pages = 0, all = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%ld %ld", &all, &pages) != 2)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- one engine */

static aibrix_cache_view
view_of(const struct engine *e, uint64_t lease, uint64_t i)
{
	aibrix_cache_view view = {.size = sizeof(view)};
	int err = aibrix_cache_block(e->cache, lease, i, &view);

	if (err)
		case_abort("block: %s", aibrix_error_name(err));
	return view;
}

static uint64_t
block_number(uint32_t chain, uint64_t i)
{
	return (uint64_t)chain * LENGTH + i;
}

static void
chain_write(struct fleet *f, struct engine *e)
{
	uint32_t chain = rand_below(&f->seed, CHAINS);
	uint64_t n = 1 + rand_below(&f->seed, LENGTH), lease, got, own = 0;
	int commit = rand_below(&f->seed, 8) != 0;
	int err = aibrix_cache_reserve(e->cache, e->keys[chain], NULL, n,
				       load_now_ns(), &lease, &got);

	if (err == AIBRIX_E_FULL) {
		e->no_room += n;
		return;
	}
	if (err)
		case_abort("reserve: %s", aibrix_error_name(err));
	e->no_room += n - got;
	for (uint64_t i = 0; i < got; i++) {
		aibrix_cache_view view = view_of(e, lease, i);
		uint64_t version;

		if (!view.data)
			continue;
		own++;
		version = ++e->versions[chain][i];
		model_fill(view.data, BLOCK, e->number, block_number(chain, i),
			   commit ? version : version | MODEL_ABORTED);
	}
	err = commit ? aibrix_cache_commit(e->cache, lease, load_now_ns())
		     : aibrix_cache_abort(e->cache, lease);
	expect(err == AIBRIX_OK, "%s", aibrix_error_name(err));
	if (commit)
		e->stored += own;
}

static void
chain_read(struct fleet *f, struct engine *e, struct reading *l)
{
	uint64_t n = 1 + rand_below(&f->seed, LENGTH), got;
	int err;

	l->chain = rand_below(&f->seed, CHAINS);
	l->start_ns = load_now_ns();
	l->floor = aibrix_cache_lookup(e->cache, e->keys[l->chain], n);
	err = aibrix_cache_acquire(e->cache, e->keys[l->chain], n,
				   l->start_ns + LOAD_DEADLINE_NS, l->start_ns,
				   &l->id, &got);
	if (err != AIBRIX_OK && err != AIBRIX_E_AGAIN)
		case_abort("acquire: %s", aibrix_error_name(err));
	e->asked += n;
	e->held++;
}

static void
block_look(struct engine *e, const struct reading *l, uint64_t i)
{
	aibrix_cache_view view = view_of(e, l->id, i);
	uint64_t version = model_version(view.data, BLOCK, e->number,
					 block_number(l->chain, i));

	expect(version && version <= e->versions[l->chain][i],
	       "model %llu, block %llu of chain %u: version %llx of %llu",
	       (unsigned long long)e->number, (unsigned long long)i, l->chain,
	       (unsigned long long)version,
	       (unsigned long long)e->versions[l->chain][i]);
	if (view.tier == AIBRIX_CACHE_L1)
		e->hits_l1++;
	else
		e->hits_l2++;
}

static void
lease_look(struct fleet *f, struct engine *e, struct reading *l)
{
	uint64_t n = 0, ms = (load_now_ns() - l->start_ns) / 1000000u;
	int err = aibrix_cache_state(e->cache, l->id, &n);

	expect(ms <= 20 * LOAD_DEADLINE_NS / 1000000u, "%llu ms",
	       (unsigned long long)ms);
	/* Some are given up on the way. */
	if (err == AIBRIX_E_AGAIN && rand_below(&f->seed, 64))
		return;
	expect(err || n >= l->floor, "%llu blocks, L1 had %llu",
	       (unsigned long long)n, (unsigned long long)l->floor);
	for (uint64_t i = 0; err == AIBRIX_OK && i < n; i++)
		block_look(e, l, i);
	err = aibrix_cache_release(e->cache, l->id);
	expect(err == AIBRIX_OK, "%s", aibrix_error_name(err));
	e->held--;
	l->id = 0;
}

static void
sums_check(const struct engine *e)
{
	const aibrix_cache_stat s = stat_of(e);

	expect(s.asked == e->asked && s.stored == e->stored &&
		       s.no_room == e->no_room && s.leases == e->held,
	       "asked %llu of %llu, stored %llu of %llu, no room %llu of %llu",
	       (unsigned long long)s.asked, (unsigned long long)e->asked,
	       (unsigned long long)s.stored, (unsigned long long)e->stored,
	       (unsigned long long)s.no_room, (unsigned long long)e->no_room);
	expect(s.corrupt_l1 == 0 && s.corrupt_l2 == 0, "corrupt blocks");
}

/* With no lease held. */
static void
hits_check(const struct engine *e)
{
	const aibrix_cache_stat s = stat_of(e);

	expect(s.hits_l1 == e->hits_l1 && s.hits_l2 == e->hits_l2,
	       "hits %llu and %llu, seen %llu and %llu",
	       (unsigned long long)s.hits_l1, (unsigned long long)s.hits_l2,
	       (unsigned long long)e->hits_l1, (unsigned long long)e->hits_l2);
	expect(s.l1_pinned == 0, "pinned blocks");
}

/* ---- all of them */

static void
fleet_step(struct fleet *f)
{
	struct engine *e = &f->engines[rand_below(&f->seed, MODELS)];
	const char *broken;
	uint64_t busy;

	for (uint32_t i = 0; i < LEASES; i++) {
		struct reading *l = &e->leases[i];

		if (l->id)
			lease_look(f, e, l);
		else
			chain_read(f, e, l);
	}
	if (rand_below(&f->seed, 3) == 0)
		chain_write(f, e);
	if (aibrix_cache_poll(e->cache, load_now_ns(), 1000000, &busy))
		case_abort("poll");
	sums_check(e);
	if (rand_below(&f->seed, 16))
		return;
	broken = aibrix__cache_check(e->cache);
	expect(!broken, "%s", broken ? broken : "");
}

static void
fleet_run(struct fleet *f, uint64_t ms)
{
	uint64_t end = load_now_ns() + ms * 1000000u;

	while (load_now_ns() < end)
		fleet_step(f);
}

/* 1: something is held or in flight. */
static uint64_t
engine_drain(struct fleet *f, struct engine *e)
{
	uint64_t busy;

	for (uint32_t i = 0; i < LEASES; i++)
		if (e->leases[i].id)
			lease_look(f, e, &e->leases[i]);
	if (aibrix_cache_poll(e->cache, load_now_ns(), 1000000, &busy))
		case_abort("poll");
	return busy + e->held;
}

static void
fleet_drain(struct fleet *f)
{
	uint64_t start = load_now_ns(), left = 1;

	while (left && load_now_ns() - start < 40 * LOAD_DEADLINE_NS) {
		left = 0;
		for (uint32_t i = 0; i < MODELS; i++)
			left += engine_drain(f, &f->engines[i]);
	}
	expect(left == 0, "%llu leases and transfers are left",
	       (unsigned long long)left);
	for (uint32_t i = 0; i < MODELS; i++) {
		const char *broken = aibrix__cache_check(f->engines[i].cache);

		expect(!broken, "%s", broken ? broken : "");
		sums_check(&f->engines[i]);
		hits_check(&f->engines[i]);
	}
}

/* What became of what was queued for L2. */
struct fates {
	uint64_t queued, taken, refused, errors;
};

static struct fates
fates_of(const struct fleet *f)
{
	struct fates sum = {0};

	for (uint32_t i = 0; i < MODELS; i++) {
		const aibrix_cache_stat s = stat_of(&f->engines[i]);

		sum.queued += s.l2_queued;
		sum.taken += s.l2_written + s.l2_had;
		sum.refused += s.l2_refused;
		sum.errors += s.l2_errors;
	}
	return sum;
}

/* Each block that was queued was given to L2, which took it, had it, was not
 * asked in time, or failed; and none that was stored was forgotten. */
static void
fates_check(const struct fleet *f, const struct fates *since)
{
	const struct fates now = fates_of(f);
	uint64_t queued = now.queued - since->queued;
	uint64_t known =
		now.taken - since->taken + now.refused - since->refused;

	expect(known <= queued && queued - known <= now.errors - since->errors,
	       "%llu queued, the fate of %llu is known, %llu errors",
	       (unsigned long long)queued, (unsigned long long)known,
	       (unsigned long long)(now.errors - since->errors));
	for (uint32_t i = 0; i < MODELS; i++) {
		const aibrix_cache_stat s = stat_of(&f->engines[i]);

		expect(s.l2_queued >= s.stored, "%llu stored, %llu queued",
		       (unsigned long long)s.stored,
		       (unsigned long long)s.l2_queued);
	}
}

/* L2 is written and read again. */
static void
fleet_recovers(struct fleet *f)
{
	const struct fates since = fates_of(f);
	uint64_t start = load_now_ns(), reads = 0, now;

	for (uint32_t i = 0; i < MODELS; i++)
		reads += stat_of(&f->engines[i]).hits_l2;
	do {
		fleet_run(f, 5);
		now = 0;
		for (uint32_t i = 0; i < MODELS; i++)
			now += stat_of(&f->engines[i]).hits_l2;
	} while ((now == reads || fates_of(f).taken == since.taken) &&
		 load_now_ns() - start < RECOVERY_MS * UINT64_C(1000000));
	expect(now > reads, "no hits of L2");
}

static void
fleet_rest(struct fleet *f)
{
	struct fates since;

	fleet_drain(f);
	soak_rest(&f->soak);
	if (f->rss_kb == 0)
		f->rss_kb = rss_kb();
	expect(rss_kb() <= f->rss_kb + RSS_SLACK_KB,
	       "%ld kB resident, %ld at the first rest", rss_kb(), f->rss_kb);
	/* With a server that works nothing is lost. */
	since = fates_of(f);
	fleet_run(f, CALM_MS);
	fleet_drain(f);
	fates_check(f, &since);
	f->exact += fates_of(f).errors == since.errors;
}

static void
fleet_open(struct fleet *f)
{
	memset(f, 0, sizeof(*f));
	soak_open(&f->soak, seconds, first_seed,
		  1 << CHAOS_KILL | 1 << CHAOS_STALL | 1 << CHAOS_DISCONNECT);
	f->seed = first_seed;
	for (uint32_t i = 0; i < MODELS; i++) {
		struct engine *e = &f->engines[i];
		const aibrix_cache_opts opts = {
			.size = sizeof(opts),
			.block_bytes = BLOCK,
			.l1_bytes = L1_BLOCKS * BLOCK,
			.layout = model_layouts[i],
			.evict = i % 2 ? AIBRIX_EVICT_S3FIFO : AIBRIX_EVICT_LRU,
			.l2 = f->soak.store,
			.alloc = &f->soak.alloc};
		int err = aibrix_cache_new(&opts, &e->cache);

		if (err)
			case_abort("cache: %s", aibrix_error_name(err));
		e->number = i;
		for (uint32_t c = 0; c < CHAINS; c++)
			model_keys(model_names[i], c, LENGTH, e->keys[c]);
	}
}

static void
fleet_close(struct fleet *f)
{
	for (uint32_t i = 0; i < MODELS; i++) {
		const aibrix_cache_stat s = stat_of(&f->engines[i]);

		printf("# model %u: %llu asked, %llu hits of L1, %llu of L2, "
		       "%llu stored, %llu written, %llu refused, %llu "
		       "faults\n",
		       i, (unsigned long long)s.asked,
		       (unsigned long long)s.hits_l1,
		       (unsigned long long)s.hits_l2,
		       (unsigned long long)s.stored,
		       (unsigned long long)s.l2_written,
		       (unsigned long long)s.l2_refused,
		       (unsigned long long)s.l2_errors);
		expect(s.hits_l2 > 0 && s.l2_written > 0, "model %u and L2", i);
		aibrix_cache_free(f->engines[i].cache);
	}
	printf("# %u rests had no fault\n", f->exact);
	expect(f->exact > 0, "a rest without a fault");
	printf("# resident: %ld kB at the first rest, %ld at the end\n",
	       f->rss_kb, rss_kb());
	soak_close(&f->soak);
}

static void
soak(void)
{
	static struct fleet f;
	const struct fates none = {0};

	fleet_open(&f);
	while (load_now_ns() < f.soak.end_ns) {
		chaos_go(&f.soak.chaos);
		fleet_run(&f, STORM_MS);
		chaos_calm(&f.soak.chaos);
		while (!soak_calm(&f.soak))
			fleet_run(&f, 5);
		fleet_recovers(&f);
		fleet_rest(&f);
		fates_check(&f, &none);
	}
	fleet_close(&f);
}

static const struct fault_case cases[] = {
	{"caches of several models survive an L2 that is killed", soak},
};

int
main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seconds") == 0)
			seconds = (uint32_t)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			first_seed = strtoull(argv[i + 1], NULL, 10);
		else
			return 2;
	}
	return cases_run(cases, 1, NULL, seconds + 60);
}
