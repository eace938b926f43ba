/* The library's memory is counted by its allocator, to the byte. */
#define _GNU_SOURCE

#include "soak.h"

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "net_load.h"
#include "redis_tools.h"

enum { CONNECTIONS = 4 };

static void *
counted_alloc(void *ctx, size_t bytes, size_t align)
{
	struct counted *c = ctx;
	void *p = NULL;

	if (posix_memalign(&p, align < sizeof(p) ? sizeof(p) : align, bytes))
		return NULL;
	c->calls++;
	c->live += bytes;
	c->peak = c->live > c->peak ? c->live : c->peak;
	return p;
}

static void
counted_free(void *ctx, void *p, size_t bytes)
{
	struct counted *c = ctx;

	if (p)
		c->live -= bytes;
	free(p);
}

static aibrix_allocator
counting(struct counted *c)
{
	return (aibrix_allocator){.size = sizeof(aibrix_allocator),
				  .ctx = c,
				  .alloc = counted_alloc,
				  .free = counted_free};
}

void
soak_open(struct soak *s, uint32_t seconds, uint64_t seed, uint32_t kinds)
{
	const aibrix_resp_opts resp = {.size = sizeof(resp),
				       .connections = CONNECTIONS,
				       .connect_timeout_ns = 200000000,
				       .backoff_min_ns = 10000000,
				       .backoff_max_ns = 200000000};
	char url[64];
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_RESP,
					.path = url,
					.value_bytes = LOAD_VALUE_MAX,
					.timeout_ns = LOAD_DEADLINE_NS,
					.alloc = &s->alloc,
					.seed = seed,
					.absent_ns = 50000000,
					.backend_opts = &resp};
	int status;

	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->alloc = counting(&s->memory);
	status = chaos_start(&s->chaos, seed, kinds);
	if (status == REDIS_ABSENT)
		case_skip("%s", s->chaos.shared->reason);
	if (status)
		case_abort("%s", s->chaos.shared->reason);
	snprintf(url, sizeof(url), "redis://%s:%d", s->chaos.host,
		 s->chaos.shared->port);
	s->descriptors_before = load_descriptors();
	status = aibrix_store_open(&opts, &s->store);
	if (status)
		case_abort("open: %s", aibrix_error_name(status));
	s->end_ns = load_now_ns() + seconds * UINT64_C(1000000000);
	printf("# seed %llu, server at %s\n", (unsigned long long)seed,
	       s->chaos.host);
}

/* Nothing is in flight.  Connections may be fewer than there were, and the
 * memory of all of them is kept. */
void
soak_rest(struct soak *s)
{
	uint64_t lines = CONNECTIONS * UINT64_C(65536);

	if (s->rests++ == 0) {
		s->live = s->memory.live;
		s->descriptors = load_descriptors();
	}
	expect(s->memory.live <= s->live + lines,
	       "%llu bytes of memory, %llu at the first rest",
	       (unsigned long long)s->memory.live, (unsigned long long)s->live);
	expect(load_descriptors() <= s->descriptors + CONNECTIONS,
	       "%d descriptors, %d at the first rest", load_descriptors(),
	       s->descriptors);
}

void
soak_close(struct soak *s)
{
	aibrix_store_stat stat = {.size = sizeof(stat)};

	if (aibrix_store_stats(s->store, &stat))
		case_abort("statistics");
	printf("# %u rests, %llu hits, %llu errors, %llu timeouts, %llu "
	       "refused, %llu retries, %llu connects\n",
	       s->rests, (unsigned long long)stat.hits,
	       (unsigned long long)stat.errors,
	       (unsigned long long)stat.timeouts,
	       (unsigned long long)stat.refused,
	       (unsigned long long)stat.retries,
	       (unsigned long long)stat.connects);
	printf("# memory: %llu bytes at the first rest, %llu at most\n",
	       (unsigned long long)s->live, (unsigned long long)s->memory.peak);
	for (uint32_t i = 0; i < CHAOS_KINDS; i++)
		printf("# %llu times %s\n",
		       (unsigned long long)s->chaos.shared->done[i],
		       chaos_names[i]);
	aibrix_store_free(s->store);
	expect(s->memory.live == 0, "%llu bytes are not given back",
	       (unsigned long long)s->memory.live);
	expect(load_descriptors() == s->descriptors_before,
	       "%d descriptors, %d before", load_descriptors(),
	       s->descriptors_before);
	chaos_stop(&s->chaos);
}

int
soak_calm(struct soak *s)
{
	int is = chaos_is_calm(&s->chaos);

	if (is < 0)
		case_abort("the server: %s", s->chaos.shared->reason);
	return is;
}
