/* The backend on a real Redis Cluster, and behind TLS. */
#include "resp_tools.h"

enum { KEYS = 60 };

static struct redis_cluster
cluster_start(void)
{
	struct redis_cluster cluster;
	int status = redis_cluster_start(&cluster, NULL);

	if (status == REDIS_ABSENT)
		cr_skip_test("%s", cluster.reason);
	cr_assert_eq(status, 0, "%s", cluster.reason);
	return cluster;
}

static struct resp_url_text
cluster_url(const struct redis_cluster *cluster, int a, int b)
{
	struct resp_url_text url;

	snprintf(url.text, sizeof(url.text),
		 "redis-cluster://127.0.0.1:%d,127.0.0.1:%d",
		 cluster->node[a].port, cluster->node[b].port);
	return url;
}

struct key_text {
	char key[32];
};

static struct key_text
key_text(int i)
{
	struct key_text k;

	snprintf(k.key, sizeof(k.key), "key-%d", i);
	return k;
}

/* From a few bytes to what is large for a line. */
static size_t
value_bytes(int i)
{
	return i % 3 ? 100u + (unsigned)i : 60000u + (unsigned)i;
}

static void
value_fill(uint8_t *out, int i)
{
	for (size_t k = 0; k < value_bytes(i); k++)
		out[k] = (uint8_t)(k * 31 + (unsigned)i * 7 + k / 251);
}

/* All keys at once; statuses by key. */
struct crowd {
	uint8_t *memory[KEYS];
	int status[KEYS];
	int good;
};

static void
crowd_do(struct crowd *c, aibrix_store *store, uint32_t op)
{
	const uint64_t begin = resp_now();
	struct key_text keys[KEYS];
	aibrix_iov iov[KEYS];
	uint32_t left = KEYS, n;

	c->good = 0;
	for (int i = 0; i < KEYS; i++) {
		aibrix_io io;

		keys[i] = key_text(i);
		iov[i] = (aibrix_iov){c->memory[i], value_bytes(i)};
		io = io_of(op, keys[i].key, &iov[i], (uint64_t)i);
		c->status[i] = AIBRIX_E_STATE;
		resp_submit(store, &io);
	}
	while (left > 0) {
		aibrix_done dones[8];

		cr_assert_eq(aibrix_store_poll(store, dones, 8, resp_now(),
					       RESP_HANG_NS, &n),
			     AIBRIX_OK);
		cr_assert_gt(n, 0u, "%u left", (unsigned)left);
		for (uint32_t k = 0; k < n; k++) {
			cr_assert_eq(c->status[dones[k].tag], AIBRIX_E_STATE);
			c->status[dones[k].tag] = dones[k].status;
			c->good += dones[k].status == AIBRIX_OK;
		}
		left -= n;
	}
	cr_assert_lt(resp_now() - begin, RESP_HANG_NS);
}

static void
crowd_begin(struct crowd *c)
{
	for (int i = 0; i < KEYS; i++) {
		c->memory[i] = malloc(value_bytes(i));
		cr_assert_not_null(c->memory[i]);
	}
}

static void
crowd_end(struct crowd *c)
{
	for (int i = 0; i < KEYS; i++)
		free(c->memory[i]);
}

static void
keys_put(aibrix_store *store)
{
	struct crowd c;

	crowd_begin(&c);
	for (int i = 0; i < KEYS; i++)
		value_fill(c.memory[i], i);
	crowd_do(&c, store, AIBRIX_STORE_PUT);
	cr_assert_eq(c.good, KEYS);
	crowd_end(&c);
}

/* How many keys are there; whatever comes is right. */
static int
keys_get(aibrix_store *store)
{
	uint8_t *want = malloc(61000);
	struct crowd c;

	cr_assert_not_null(want);
	crowd_begin(&c);
	crowd_do(&c, store, AIBRIX_STORE_GET);
	for (int i = 0; i < KEYS; i++) {
		int status = c.status[i];

		value_fill(want, i);
		if (status == AIBRIX_OK)
			cr_assert_arr_eq(c.memory[i], want, value_bytes(i));
		else
			cr_assert(status == AIBRIX_E_UNAVAILABLE ||
					  status == AIBRIX_E_NOT_FOUND ||
					  status == AIBRIX_E_CLOSED ||
					  status == AIBRIX_E_IO ||
					  status == AIBRIX_E_TIMEOUT,
				  "%d: %s", i, aibrix_error_name(status));
	}
	crowd_end(&c);
	free(want);
	return c.good;
}

Test(store_cluster, keys_live_on_the_nodes_that_have_their_slots)
{
	struct redis_cluster cluster = cluster_start();
	/* Of a replica and of a node that is not there. */
	aibrix_store *store =
		resp_open_with(cluster_url(&cluster, 4, 1).text, NULL);
	aibrix_store_node nodes[32];
	uint32_t n = 0, used = 0;
	char reply[64];

	resp_works(store);
	keys_put(store);
	cr_expect_eq(keys_get(store), KEYS);
	cr_assert_eq(aibrix_store_nodes(store, nodes, 32, &n), AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++)
		used += nodes[i].calls > 10;
	cr_expect_eq(used, 3u);
	/* They lie where the servers say. */
	for (int i = 0; i < KEYS; i++) {
		struct key_text k = key_text(i);
		int slot = redis_cluster_slot(&cluster, k.key);
		int owner = redis_cluster_owner(&cluster, 0, slot);
		char line[64];

		snprintf(line, sizeof(line), "EXISTS %s", k.key);
		cr_expect_gt(redis_ask(&cluster.node[owner], line, reply, 64),
			     0);
		cr_expect_eq(strncmp(reply, ":1\r\n", 4), 0);
	}
	cr_expect_eq(store_stat(store).errors, 0u);
	aibrix_store_free(store);
	redis_cluster_stop(&cluster);
}

Test(store_cluster, a_slot_moves_under_its_requests)
{
	struct redis_cluster cluster = cluster_start();
	aibrix_store *store =
		resp_open_with(cluster_url(&cluster, 0, 1).text, NULL);
	const int slot = redis_cluster_slot(&cluster, "{tag}");
	const int from = redis_cluster_owner(&cluster, 0, slot);
	const int to = (from + 1) % REDIS_MASTERS;
	char text[32];

	cr_assert_eq(resp_put(store, "{tag}1", "one").status, AIBRIX_OK);
	cr_assert_eq(resp_put(store, "{tag}2", "two").status, AIBRIX_OK);
	cr_assert_eq(redis_slot_open(&cluster, slot, from, to), 0);
	/* ASK: what is not there any more or never was. */
	cr_expect_eq(resp_get(store, "{tag}1", text, 32).status, AIBRIX_OK);
	cr_expect_eq(resp_get(store, "{tag}3", text, 32).status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(resp_put(store, "{tag}3", "three").status, AIBRIX_OK);
	cr_expect_eq(redis_slot_keys(&cluster, slot, from, to, 1), 1);
	for (int i = 0; i < 20; i++) {
		cr_expect_eq(resp_get(store, "{tag}1", text, 32).status,
			     AIBRIX_OK);
		cr_expect_str_eq(text, "one");
		cr_expect_eq(resp_get(store, "{tag}2", text, 32).status,
			     AIBRIX_OK);
		cr_expect_str_eq(text, "two");
		cr_expect_eq(resp_get(store, "{tag}3", text, 32).status,
			     AIBRIX_OK);
		cr_expect_str_eq(text, "three");
	}
	cr_expect_eq(redis_slot_keys(&cluster, slot, from, to, 0), 1);
	/* All of this while others are served. */
	keys_put(store);
	cr_expect_eq(keys_get(store), KEYS);
	cr_assert_eq(redis_slot_close(&cluster, slot, from, to), 0);
	/* MOVED, and then nobody has to be told any more. */
	for (int i = 0; i < 20; i++) {
		cr_expect_eq(resp_get(store, "{tag}2", text, 32).status,
			     AIBRIX_OK);
		cr_expect_str_eq(text, "two");
		cr_expect_eq(
			resp_ask(store, AIBRIX_STORE_PROBE, "{tag}3").status,
			AIBRIX_OK);
	}
	cr_expect_eq(resp_ask(store, AIBRIX_STORE_DELETE, "{tag}1").status,
		     AIBRIX_OK);
	cr_expect_eq(redis_cluster_owner(&cluster, 0, slot), to);
	cr_expect_eq(store_stat(store).errors, 0u);
	cr_expect_eq(store_stat(store).retries, 0u);
	aibrix_store_free(store);
	redis_cluster_stop(&cluster);
}

Test(store_cluster, a_master_that_dies_costs_misses_until_its_replica_serves)
{
	struct redis_cluster cluster = cluster_start();
	/* Seeds: the one that dies, and another. */
	aibrix_store *store =
		resp_open_with(cluster_url(&cluster, 0, 1).text, NULL);
	const int64_t begin = talk_now_ms();
	int hits = 0, least = KEYS;

	keys_put(store);
	cr_assert_eq(keys_get(store), KEYS);
	/* The replica has what the master has. */
	cr_assert(redis_says(&cluster.node[0], "WAIT 1 5000", ":1\r\n"));
	redis_kill(&cluster.node[0]);
	while (talk_now_ms() - begin < 2 * TALK_HANG_MS) {
		hits = keys_get(store);
		if (hits < least)
			least = hits;
		if (hits == KEYS && least < KEYS)
			break;
	}
	cr_expect_lt(least, KEYS, "it was down for a while");
	cr_expect_eq(hits, KEYS);
	cr_expect_eq(resp_put(store, "another", "value").status, AIBRIX_OK);
	aibrix_store_free(store);
	redis_cluster_stop(&cluster);
}

Test(store_cluster, a_server_that_is_no_cluster_is_unavailable)
{
	struct redis_server server = resp_server(NULL);
	struct resp_url_text url;
	aibrix_store *store;
	char text[8];

	snprintf(url.text, sizeof(url.text), "redis-cluster://127.0.0.1:%d",
		 server.port);
	store = resp_open_with(url.text, NULL);
	cr_expect_eq(resp_get(store, "key", text, 8).status,
		     AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(resp_put(store, "key", "value").status,
		     AIBRIX_E_UNAVAILABLE);
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_cluster, epochs_follow_their_slot)
{
	struct redis_cluster cluster = cluster_start();
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .prefix = "m/",
				       .flags = AIBRIX_RESP_EPOCHS};
	aibrix_store *store =
		resp_open_with(cluster_url(&cluster, 0, 1).text, &opts);
	int slot = redis_cluster_slot(&cluster, "m/epoch");
	int from = redis_cluster_owner(&cluster, 0, slot);
	char text[16];

	cr_assert_eq(resp_put(store, "a", "1").status, AIBRIX_OK);
	cr_assert_eq(resp_put(store, "b", "2").status, AIBRIX_OK);
	cr_assert_eq(redis_slot_move(&cluster, slot, from, (from + 1) % 3), 0,
		     "%s", cluster.reason);
	cr_expect_eq(resp_get(store, "a", text, 16).status, AIBRIX_OK);
	cr_assert_eq(aibrix_resp_invalidate(store, resp_now()), AIBRIX_OK);
	cr_expect_eq(resp_get(store, "a", text, 16).status, AIBRIX_E_NOT_FOUND);
	cr_expect_eq(resp_get(store, "b", text, 16).status, AIBRIX_E_NOT_FOUND);
	aibrix_store_free(store);
	redis_cluster_stop(&cluster);
}
