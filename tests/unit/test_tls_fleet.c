/* Several real servers through TLS, with and without a password: a Redis
 * Cluster whose nodes speak TLS to each other, too, and the servers that
 * AIBrix's metadata names. */
#include "resp_tools.h"

#include <aibrix/tls.h>

enum { KEYS = 48, KEY_BYTES = 16, MEMBERS = 2 };

static const char secret[] = "pass word";

/* Until a request has come to its good end; servers may be busy electing. */
static int
insists(aibrix_store *store, const aibrix_io *io, int want)
{
	const int64_t begin = talk_now_ms();
	int status;

	do
		status = resp_do(store, io).status;
	while (status != want && talk_now_ms() - begin < TALK_HANG_MS);
	return status == want;
}

static aibrix_tls *
tls_make(const struct redis_server *server, int client)
{
	const aibrix_tls_opts opts = {
		.size = sizeof(opts),
		.ca_file = server->ca,
		.cert_file = client ? server->client_cert : NULL,
		.key_file = client ? server->client_key : NULL};
	aibrix_tls *tls = NULL;

	cr_assert_eq(aibrix_tls_new(&opts, &tls), AIBRIX_OK);
	return tls;
}

static aibrix_tls_stat
tls_stat(const aibrix_tls *tls)
{
	aibrix_tls_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_tls_stats(tls, &stat), AIBRIX_OK);
	return stat;
}

/* ---- a cluster */

static struct redis_cluster
cluster_start(const struct redis_opts *opts)
{
	struct redis_cluster cluster;
	int status = redis_cluster_start(&cluster, opts);

	if (status == REDIS_ABSENT)
		cr_skip_test("%s", cluster.reason);
	cr_assert_eq(status, 0, "%s", cluster.reason);
	return cluster;
}

static aibrix_store *
cluster_open(const struct redis_cluster *cluster, const char *scheme,
	     const aibrix_tls *tls, const char *password)
{
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .password = password,
				       .stream = aibrix_tls_stream(tls)};
	struct resp_url_text url;

	snprintf(url.text, sizeof(url.text), "%s://127.0.0.1:%d,127.0.0.1:%d",
		 scheme, cluster->node[4].tls_port, cluster->node[1].tls_port);
	return resp_open_with(url.text, &opts);
}

struct value {
	char key[16];
	uint8_t bytes[40000];
	aibrix_iov iov;
};

static aibrix_io
value_io(struct value *v, uint32_t op, int i)
{
	snprintf(v->key, sizeof(v->key), "key-%d", i);
	v->iov = (aibrix_iov){v->bytes, sizeof(v->bytes) - (size_t)i};
	for (size_t k = 0; k < sizeof(v->bytes); k++)
		v->bytes[k] = op == AIBRIX_STORE_PUT
				      ? (uint8_t)(k * 31 + (size_t)i * 7)
				      : 0xee;
	return io_of(op, v->key, &v->iov, 1);
}

static void
values_put(aibrix_store *store)
{
	static struct value v;

	for (int i = 0; i < KEYS; i++) {
		const aibrix_io io = value_io(&v, AIBRIX_STORE_PUT, i);

		cr_assert_eq(resp_do(store, &io).status, AIBRIX_OK, "%d", i);
	}
}

static void
values_get(aibrix_store *store)
{
	static struct value v;

	for (int i = 0; i < KEYS; i++) {
		const aibrix_io io = value_io(&v, AIBRIX_STORE_GET, i);

		cr_assert(insists(store, &io, AIBRIX_OK), "%d", i);
		for (size_t k = 0; k < v.iov.bytes; k++)
			cr_assert_eq(v.bytes[k],
				     (uint8_t)(k * 31 + (size_t)i * 7),
				     "value %d, byte %zu", i, k);
	}
}

static uint32_t
nodes_used(const aibrix_store *store)
{
	aibrix_store_node nodes[32];
	uint32_t n = 0, used = 0;

	cr_assert_eq(aibrix_store_nodes(store, nodes, 32, &n), AIBRIX_OK);
	for (uint32_t i = 0; i < n && i < 32; i++)
		used += nodes[i].calls > 5;
	return used;
}

Test(tls_fleet, a_cluster_is_served_through_tls_while_a_slot_moves)
{
	const struct redis_opts opts = {.tls = REDIS_TLS};
	struct redis_cluster cluster = cluster_start(&opts);
	aibrix_tls *tls = tls_make(&cluster.node[0], 0);
	aibrix_store *store =
		cluster_open(&cluster, "rediss-cluster", tls, NULL);
	const int slot = redis_cluster_slot(&cluster, "key-7");
	const int from = redis_cluster_owner(&cluster, 0, slot);

	values_put(store);
	values_get(store);
	cr_expect_eq(nodes_used(store), 3u, "each master, by its TLS port");
	/* A slot goes elsewhere: MOVED names TLS ports, too. */
	cr_assert_eq(redis_slot_move(&cluster, slot, from,
				     (from + 1) % REDIS_MASTERS),
		     0, "%s", cluster.reason);
	values_get(store);
	cr_expect_eq(tls_stat(tls).handshakes, store_stat(store).connects);
	cr_expect_eq(tls_stat(tls).denied, 0u);
	cr_expect_eq(store_stat(store).errors, 0u);
	aibrix_store_free(store);
	aibrix_tls_free(tls);
	redis_cluster_stop(&cluster);
}

Test(tls_fleet, a_master_dies_in_a_cluster_with_tls_and_password)
{
	const struct redis_opts opts = {.tls = REDIS_TLS_CLIENTS,
					.password = secret};
	struct redis_cluster cluster = cluster_start(&opts);
	aibrix_tls *tls = tls_make(&cluster.node[0], 1);
	aibrix_store *store =
		cluster_open(&cluster, "rediss-cluster", tls, secret);
	aibrix_store *stranger;
	char text[8];

	values_put(store);
	cr_assert(redis_says(&cluster.node[0], "WAIT 1 5000", ":1\r\n"));
	redis_kill(&cluster.node[0]);
	values_get(store);
	aibrix_store_free(store);
	/* Who has no password, or no TLS, gets nothing. */
	stranger = cluster_open(&cluster, "rediss-cluster", tls, NULL);
	cr_expect_neq(resp_get(stranger, "key-1", text, 8).status, AIBRIX_OK);
	aibrix_store_free(stranger);
	stranger = cluster_open(&cluster, "redis-cluster", NULL, secret);
	cr_expect_neq(resp_get(stranger, "key-1", text, 8).status, AIBRIX_OK);
	aibrix_store_free(stranger);
	aibrix_tls_free(tls);
	redis_cluster_stop(&cluster);
}

/* ---- metadata */

struct fleet {
	struct redis_server meta, member[MEMBERS];
	aibrix_tls *tls; /* NULL: without */
	aibrix_store *store;
};

static int
port_of(const struct redis_server *server)
{
	return server->tls_port ? server->tls_port : server->port;
}

/* Two members, each with half of the slots. */
static void
fleet_start(struct fleet *f, enum redis_tls tls, const char *password)
{
	struct redis_opts opts = {.tls = tls, .password = password};
	char line[512];

	memset(f, 0, sizeof(*f));
	f->meta = resp_server(&opts);
	opts.tls_like = tls ? &f->meta : NULL;
	for (int i = 0; i < MEMBERS; i++)
		f->member[i] = resp_server(&opts);
	snprintf(line, sizeof(line),
		 "SET kvcache_nodes '{\"nodes\": ["
		 "{\"name\": \"p0\", \"addr\": \"127.0.0.1\", \"port\": %d, "
		 "\"slots\": [{\"start\": 0, \"end\": 2047}]}, "
		 "{\"name\": \"p1\", \"addr\": \"127.0.0.1\", \"port\": %d, "
		 "\"slots\": [{\"start\": 2048, \"end\": 4095}]}], "
		 "\"version\": 1}'",
		 port_of(&f->member[0]), port_of(&f->member[1]));
	cr_assert(redis_says(&f->meta, line, "+OK\r\n"));
	if (tls)
		f->tls = tls_make(&f->meta, tls == REDIS_TLS_CLIENTS);
}

static void
fleet_open(struct fleet *f, const char *password)
{
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .password = password,
				       .meta_key = "kvcache_nodes",
				       .stream = aibrix_tls_stream(f->tls)};
	struct resp_url_text url;

	snprintf(url.text, sizeof(url.text), "%s://127.0.0.1:%d",
		 f->tls ? "rediss" : "redis", port_of(&f->meta));
	f->store = resp_open_with(url.text, &opts);
}

static void
fleet_stop(struct fleet *f)
{
	aibrix_store_free(f->store);
	aibrix_tls_free(f->tls);
	for (int i = 0; i < MEMBERS; i++)
		redis_stop(&f->member[i]);
	redis_stop(&f->meta);
}

static void
key_fill(uint8_t key[static KEY_BYTES], uint32_t i)
{
	for (uint32_t b = 0; b < KEY_BYTES; b++)
		key[b] = (uint8_t)((i + 1) * (37 + 2 * b) + b * b);
}

static aibrix_io
fleet_io(uint32_t op, const uint8_t *key, const aibrix_iov *iov)
{
	return (aibrix_io){.key = key,
			   .key_bytes = KEY_BYTES,
			   .op = op,
			   .iov = iov,
			   .n_iov = 1,
			   .priority = AIBRIX_PRIORITY_GET};
}

/* All keys go and come back, and lie on both members. */
static void
fleet_works(struct fleet *f)
{
	uint8_t key[KEY_BYTES], value[8];
	const aibrix_iov iov = {value, sizeof(value)};
	char reply[64];

	for (uint32_t i = 0; i < KEYS; i++) {
		const aibrix_io put = fleet_io(AIBRIX_STORE_PUT, key, &iov);

		key_fill(key, i);
		memset(value, (int)i, sizeof(value));
		/* The first one waits for the map. */
		cr_assert(insists(f->store, &put, AIBRIX_OK), "%u", i);
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		const aibrix_io get = fleet_io(AIBRIX_STORE_GET, key, &iov);

		key_fill(key, i);
		memset(value, 0xee, sizeof(value));
		cr_assert_eq(resp_do(f->store, &get).status, AIBRIX_OK);
		cr_expect_eq(value[7], (uint8_t)i);
	}
	for (int i = 0; i < MEMBERS; i++) {
		cr_assert_gt(redis_ask(&f->member[i], "DBSIZE", reply,
				       sizeof(reply)),
			     0);
		cr_expect_gt(atoi(reply + 1), 10, "member %d: %s", i, reply);
	}
	cr_expect(redis_says(&f->meta, "DBSIZE", ":1\r\n"));
}

Test(tls_fleet, members_of_metadata_want_the_password_of_the_url)
{
	struct fleet f;
	uint8_t key[KEY_BYTES] = {0};
	const aibrix_io probe = {.key = key,
				 .key_bytes = KEY_BYTES,
				 .op = AIBRIX_STORE_PROBE,
				 .priority = AIBRIX_PRIORITY_GET};

	fleet_start(&f, REDIS_NO_TLS, secret);
	fleet_open(&f, secret);
	fleet_works(&f);
	aibrix_store_free(f.store);
	/* With another one there is no map. */
	fleet_open(&f, "wrong");
	for (int i = 0; i < 5; i++)
		cr_expect_eq(resp_do(f.store, &probe).status,
			     AIBRIX_E_UNAVAILABLE);
	fleet_stop(&f);
}

Test(tls_fleet, metadata_and_its_members_are_reached_through_tls)
{
	struct fleet f;

	fleet_start(&f, REDIS_TLS, NULL);
	fleet_open(&f, NULL);
	fleet_works(&f);
	cr_expect_eq(tls_stat(f.tls).handshakes, store_stat(f.store).connects);
	cr_expect_geq(tls_stat(f.tls).handshakes, 1u + MEMBERS);
	fleet_stop(&f);
}

Test(tls_fleet, and_with_certificates_of_both_sides_and_a_password)
{
	struct fleet f;

	fleet_start(&f, REDIS_TLS_CLIENTS, secret);
	fleet_open(&f, secret);
	fleet_works(&f);
	fleet_stop(&f);
}
