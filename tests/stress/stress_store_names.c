/*
 * A store on servers that have names, and threads of its host that look them
 * up.
 *
 * Each round opens a store on three names (a server, one that refuses, one
 * that nobody has), sends requests with deadlines that pass, and frees it
 * with lookups and requests under way.  The host refuses some calls, does
 * some at once, and lets others lie for a while.  Each request completes
 * once; after the store is gone its slots are overwritten by the next one.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/store.h>

#include "base/rand.h"
#include "fake_server.h"
#include "host_threads.h"

enum { ROUNDS = 300, STEPS = 30, INFLIGHT = 16 };

#define NOBODY                                                                 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aa"

/* ---- requests */

struct client {
	aibrix_store *store;
	char keys[INFLIGHT][8];
	uint8_t values[INFLIGHT][16];
	aibrix_iov iov[INFLIGHT];
	uint32_t busy[INFLIGHT];
	uint64_t submitted, completed, found;
};

static void
client_submit(struct client *c, uint64_t *seed)
{
	const uint32_t i = (uint32_t)rand_below(seed, INFLIGHT);
	const uint64_t now = (uint64_t)talk_now_ms() * 1000000u;
	aibrix_io io = {.op = AIBRIX_STORE_GET,
			.priority = AIBRIX_PRIORITY_GET,
			.key_bytes = 2,
			.n_iov = 1,
			.tag = i};
	uint32_t n = 0;

	if (c->busy[i])
		return;
	snprintf(c->keys[i], sizeof(c->keys[i]), "k%c",
		 (char)('a' + (int)rand_below(seed, 20)));
	c->iov[i] = (aibrix_iov){c->values[i], sizeof(c->values[i])};
	io.key = c->keys[i];
	io.iov = &c->iov[i];
	io.deadline_ns = now + rand_below(seed, 3) * 1000000u;
	REQUIRE(aibrix_store_submit(c->store, &io, 1, now, &n) == AIBRIX_OK);
	c->busy[i] = n;
	c->submitted += n;
}

static void
client_poll(struct client *c, uint64_t wait_ns)
{
	const uint64_t now = (uint64_t)talk_now_ms() * 1000000u;
	aibrix_done dones[INFLIGHT];
	uint32_t n = 0;

	REQUIRE(aibrix_store_poll(c->store, dones, INFLIGHT, now, wait_ns,
				  &n) == AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t tag = (uint32_t)dones[i].tag;

		REQUIRE(tag < INFLIGHT && c->busy[tag]);
		c->busy[tag] = 0;
		if (dones[i].status != AIBRIX_OK)
			continue;
		REQUIRE(dones[i].bytes == 5);
		REQUIRE(memcmp(c->values[tag], "value", 5) == 0);
		c->found++;
	}
	c->completed += n;
}

/* One store, from its first moment to its last. */
static uint64_t
store_live(struct host *host, const char *url, uint64_t seed)
{
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_RESP,
					.path = url,
					.max_inflight = INFLIGHT,
					.seed = seed,
					.absent_ns = AIBRIX_FOREVER,
					.run = host_run,
					.run_ctx = host};
	const uint64_t steps = rand_below(&seed, STEPS);
	struct client c = {0};

	REQUIRE(aibrix_store_open(&opts, &c.store) == AIBRIX_OK);
	for (uint64_t i = 0; i < steps; i++) {
		client_submit(&c, &seed);
		client_poll(&c, rand_below(&seed, 2) * 200000u);
	}
	/* Half of them with everything under way. */
	while (seed % 2 && c.completed < c.submitted)
		client_poll(&c, 100000000u);
	REQUIRE(c.completed <= c.submitted);
	aibrix_store_free(c.store);
	return c.found;
}

int
main(void)
{
	struct host host = {.refused_of = 6, .at_once_of = 7};
	struct fake *fake = fake_start(&(struct fake_opts){0});
	uint64_t seed = 1, found = 0;
	char url[256], key[3] = "ka";

	for (; key[1] < 'a' + 20; key[1]++)
		fake_put(fake, key, 2, "value", 5);
	snprintf(url, sizeof(url),
		 "redis://localhost:%d,localhost:1," NOBODY ":7",
		 fake_port(fake));
	host_start(&host);
	for (int i = 0; i < ROUNDS; i++)
		found += store_live(&host, url, rand_next(&seed));
	host_stop(&host);
	fake_stop(fake);
	printf("%" PRIu32 " calls of the host, %" PRIu32 " on its threads, "
	       "%" PRIu64 " hits\n",
	       host.asked, host.done, found);
	REQUIRE(host.done > 0 && found > 0);
	return 0;
}
