/* The backend on servers that AIBrix's metadata names.  The first server has
 * the metadata, the others the values; time is a count of the test's own on
 * top of the real one, so that nobody waits for a refresh. */
#include "resp_tools.h"

enum { MEMBERS = 3, KEYS = 64, KEY_BYTES = 16 };

#define SECOND UINT64_C(1000000000)

struct fleet {
	struct redis_server meta, member[MEMBERS];
	aibrix_store *store;
	uint64_t ahead_ns; /* of the real clock */
};

static uint64_t
fleet_now(const struct fleet *f)
{
	return resp_now() + f->ahead_ns;
}

/* A block's key: 16 bytes, no text. */
struct key {
	uint8_t bytes[KEY_BYTES];
};

static struct key
key_of(uint32_t i)
{
	struct key k;

	for (uint32_t b = 0; b < KEY_BYTES; b++)
		k.bytes[b] = (uint8_t)((i + 1) * (37 + 2 * b) + b * b);
	return k;
}

/* FarmHash64 of 16 bytes, from its definition, once more. */
static uint64_t
farm64(struct key k)
{
	const uint64_t k2 = UINT64_C(0x9ae16a3b2f90404f), mul = k2 + 32;
	uint64_t a = 0, b = 0, c, d;

	for (int i = 7; i >= 0; i--) {
		a = a << 8 | k.bytes[i];
		b = b << 8 | k.bytes[8 + i];
	}
	a += k2;
	c = (b >> 37 | b << 27) * mul + a;
	d = ((a >> 25 | a << 39) + b) * mul;
	a = (c ^ d) * mul;
	a ^= a >> 47;
	b = (d ^ a) * mul;
	b ^= b >> 47;
	return b * mul;
}

/* The key in the servers: hexadecimal, with the suffix of a rank. */
struct name {
	char text[KEY_BYTES * 2 + 8];
};

static struct name
name_of(struct key k)
{
	struct name name;

	for (int i = 0; i < KEY_BYTES; i++)
		snprintf(name.text + (ptrdiff_t)i * 2, 3, "%02x", k.bytes[i]);
	memcpy(name.text + (ptrdiff_t)KEY_BYTES * 2, "@tp0", 5);
	return name;
}

/* ---- metadata */

static void
meta_write(const struct fleet *f, const char *json)
{
	static char line[4096];

	/* Quotes of an inline command; the text has no others than \". */
	int n = snprintf(line, sizeof(line), "SET kvcache_nodes '%s'", json);

	cr_assert(n > 0 && (size_t)n < sizeof(line));
	cr_assert(redis_says(&f->meta, line, "+OK\r\n"));
}

struct part {
	const char *name;
	int port;
	const char *slots; /* what stands at "slots" */
};

static void
meta_set(const struct fleet *f, const struct part *parts, int n)
{
	char json[2048];
	int at = snprintf(json, sizeof(json), "{\"nodes\": [");

	for (int i = 0; i < n; i++)
		at += snprintf(json + at, sizeof(json) - (size_t)at,
			       "%s{\"name\": \"%s\", \"addr\": \"127.0.0.1\", "
			       "\"port\": %d, \"slots\": %s}",
			       i ? ", " : "", parts[i].name, parts[i].port,
			       parts[i].slots);
	snprintf(json + at, sizeof(json) - (size_t)at, "], \"version\": 7}");
	meta_write(f, json);
}

#define LOW "[{\"start\": 0, \"end\": 2047}]"
#define HIGH "[{\"start\": 2048, \"end\": 4095}]"

static void
meta_two(const struct fleet *f)
{
	const struct part parts[] = {{"p0", f->member[0].port, LOW},
				     {"p1", f->member[1].port, HIGH}};

	meta_set(f, parts, 2);
}

/* ---- requests */

static aibrix_io
meta_io(uint32_t op, const struct key *k, const aibrix_iov *iov, uint64_t tag)
{
	aibrix_io io = {.key = k->bytes,
			.key_bytes = KEY_BYTES,
			.op = op,
			.priority = AIBRIX_PRIORITY_GET,
			.tag = tag};

	if (op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT) {
		io.iov = iov;
		io.n_iov = 1;
	}
	return io;
}

static void
meta_submit(struct fleet *f, const aibrix_io *io)
{
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_submit(f->store, io, 1, fleet_now(f), &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1u);
}

static aibrix_done
meta_wait(struct fleet *f)
{
	aibrix_done done = {.status = AIBRIX_E_STATE};
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_poll(f->store, &done, 1, fleet_now(f),
				       RESP_HANG_NS, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1u, "a completion within the bound");
	return done;
}

static int
meta_do(struct fleet *f, uint32_t op, uint32_t i)
{
	const struct key k = key_of(i);
	uint8_t value[8] = {(uint8_t)i, 1, 2, 3, 4, 5, 6, 7};
	const aibrix_iov iov = {value, sizeof(value)};
	const aibrix_io io = meta_io(op, &k, &iov, i);
	aibrix_done done;

	if (op == AIBRIX_STORE_GET)
		memset(value, 0xee, sizeof(value));
	meta_submit(f, &io);
	done = meta_wait(f);
	cr_assert_eq(done.tag, i);
	if (op == AIBRIX_STORE_GET && done.status == AIBRIX_OK)
		cr_assert_eq(value[0], (uint8_t)i);
	return done.status;
}

/* Polls until a probe of key i says what is wanted. */
static void
until(struct fleet *f, uint32_t i, int want)
{
	const uint64_t begin = resp_now();
	int status;

	do {
		cr_assert_lt(resp_now() - begin, RESP_HANG_NS, "want %s",
			     aibrix_error_name(want));
		status = meta_do(f, AIBRIX_STORE_PROBE, i);
	} while (status != want);
}

/* So many times was the metadata asked for. */
static long
gets(const struct fleet *f)
{
	char reply[8192] = "";
	const char *at;

	cr_assert_gt(redis_ask(&f->meta, "INFO commandstats", reply,
			       sizeof(reply) - 1),
		     0);
	at = strstr(reply, "cmdstat_get:calls=");
	return at ? strtol(at + strlen("cmdstat_get:calls="), NULL, 10) : 0;
}

/* Time goes on by so much, and a new answer is read. */
static void
refresh(struct fleet *f, uint64_t ns)
{
	const uint64_t begin = resp_now();
	const long before = gets(f);
	aibrix_done done;
	uint32_t n = 0;

	f->ahead_ns += ns;
	do {
		cr_assert_lt(resp_now() - begin, RESP_HANG_NS);
		cr_assert_eq(aibrix_store_poll(f->store, &done, 1, fleet_now(f),
					       0, &n),
			     AIBRIX_OK);
		cr_assert_eq(n, 0u);
	} while (gets(f) == before);
	/* One server, one loop: its answer is out before another one is. */
	gets(f);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(aibrix_store_poll(f->store, &done, 1, fleet_now(f),
					       0, &n),
			     AIBRIX_OK);
}

static int
holds(const struct redis_server *server, uint32_t i)
{
	char line[80];

	snprintf(line, sizeof(line), "EXISTS %s", name_of(key_of(i)).text);
	return redis_says(server, line, ":1\r\n");
}

/* ---- life */

static void
fleet_open_at(struct fleet *f, const char *url, uint64_t meta_ns)
{
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .key_text = AIBRIX_RESP_HEX,
				       .suffix = "@tp0",
				       .meta_key = "kvcache_nodes",
				       .meta_ns = meta_ns};
	const aibrix_store_opts o = {.size = sizeof(o),
				     .backend = AIBRIX_BACKEND_RESP,
				     .path = url,
				     .timeout_ns = RESP_HANG_NS,
				     .seed = 1,
				     .absent_ns = 1,
				     .backend_opts = &opts};

	cr_assert_eq(aibrix_store_open(&o, &f->store), AIBRIX_OK);
}

static void
fleet_open(struct fleet *f, uint64_t meta_ns)
{
	fleet_open_at(f, resp_tcp(f->meta.port).text, meta_ns);
}

static void
fleet_start(struct fleet *f)
{
	memset(f, 0, sizeof(*f));
	f->meta = resp_server(NULL);
	for (int i = 0; i < MEMBERS; i++)
		f->member[i] = resp_server(NULL);
}

static void
fleet_stop(struct fleet *f)
{
	aibrix_store_free(f->store);
	redis_stop(&f->meta);
	for (int i = 0; i < MEMBERS; i++)
		redis_stop(&f->member[i]);
}

Test(store_meta, keys_land_where_farmhash64_of_the_raw_key_says)
{
	struct fleet f;
	const struct key key = key_of(0);
	aibrix_io io;
	int count[2] = {0};

	fleet_start(&f);
	meta_two(&f);
	fleet_open(&f, 0);
	until(&f, 0, AIBRIX_E_NOT_FOUND);
	for (uint32_t i = 0; i < KEYS; i++)
		cr_assert_eq(meta_do(&f, AIBRIX_STORE_PUT, i), AIBRIX_OK);
	for (uint32_t i = 0; i < KEYS; i++) {
		const int at = farm64(key_of(i)) % 4096 >= 2048;

		count[at]++;
		cr_expect_eq(holds(&f.member[at], i), 1, "%u", i);
		cr_expect_eq(holds(&f.member[!at], i), 0, "%u", i);
		cr_expect_eq(meta_do(&f, AIBRIX_STORE_GET, i), AIBRIX_OK);
	}
	cr_expect_gt(count[0], 15);
	cr_expect_gt(count[1], 15);
	cr_expect(redis_says(&f.meta, "DBSIZE", ":1\r\n"));
	/* Other lengths have no place. */
	io = meta_io(AIBRIX_STORE_PROBE, &key, NULL, 1);
	io.key_bytes = KEY_BYTES - 1;
	meta_submit(&f, &io);
	cr_expect_eq(meta_wait(&f).status, AIBRIX_E_UNSUPPORTED);
	fleet_stop(&f);
}

Test(store_meta, without_a_map_all_is_unavailable_until_it_comes)
{
	struct fleet f;

	fleet_start(&f);
	fleet_open(&f, 2 * SECOND);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_PUT, 1), AIBRIX_E_UNAVAILABLE);
	/* There is no such key yet; then it is none of ours. */
	refresh(&f, 0);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_PUT, 1), AIBRIX_E_UNAVAILABLE);
	meta_write(&f, "[]");
	refresh(&f, 2 * SECOND);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_PUT, 1), AIBRIX_E_UNAVAILABLE);
	meta_two(&f);
	refresh(&f, 2 * SECOND);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_PUT, 1), AIBRIX_OK);
	fleet_stop(&f);
}

Test(store_meta, a_new_member_is_used_after_one_refresh)
{
	struct fleet f;
	int moved = 0;

	fleet_start(&f);
	meta_two(&f);
	fleet_open(&f, 2 * SECOND);
	until(&f, 0, AIBRIX_E_NOT_FOUND);
	const struct part parts[] = {
		{"p0", f.member[0].port, LOW},
		{"p1", f.member[1].port, HIGH},
		{"p2", f.member[2].port, "[{\"start\": 4096, \"end\": 6143}]"}};
	meta_set(&f, parts, 3);
	refresh(&f, 2 * SECOND);
	for (uint32_t i = 0; i < KEYS; i++) {
		const int at = (int)(farm64(key_of(i)) % 6144 / 2048);

		cr_assert_eq(meta_do(&f, AIBRIX_STORE_PUT, i), AIBRIX_OK);
		cr_expect_eq(holds(&f.member[at], i), 1, "%u", i);
		moved += at == 2;
	}
	cr_expect_gt(moved, 5);
	fleet_stop(&f);
}

/* What the ring refuses, as it stands at "slots" of the second node. */
Test(store_meta, a_refused_map_leaves_the_old_one)
{
	static const char *const slots[] = {
		"[{\"start\": 4000, \"end\": 100}]", /* wrapped */
		"null", "[{\"start\": 1}]", "7", "[[0, 1]]"};
	struct fleet f;

	fleet_start(&f);
	meta_two(&f);
	fleet_open(&f, 2 * SECOND);
	until(&f, 0, AIBRIX_E_NOT_FOUND);
	for (uint32_t i = 0; i < KEYS; i++)
		cr_assert_eq(meta_do(&f, AIBRIX_STORE_PUT, i), AIBRIX_OK);
	for (size_t k = 0; k < sizeof(slots) / sizeof(*slots); k++) {
		const struct part parts[] = {
			{"p0", f.member[2].port, LOW},
			{"p1", f.member[1].port, slots[k]}};

		meta_set(&f, parts, 2);
		refresh(&f, 2 * SECOND);
		for (uint32_t i = 0; i < KEYS; i++)
			cr_assert_eq(meta_do(&f, AIBRIX_STORE_GET, i),
				     AIBRIX_OK);
	}
	cr_assert(redis_says(&f.meta, "DEL kvcache_nodes", ":1\r\n"));
	refresh(&f, 2 * SECOND);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_GET, 3), AIBRIX_OK);
	cr_assert(redis_says(&f.meta, "LPUSH kvcache_nodes x", ":1\r\n"));
	refresh(&f, 2 * SECOND);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_GET, 3), AIBRIX_OK);
	cr_assert(redis_says(&f.meta, "DEL kvcache_nodes", ":1\r\n"));
	/* More than is read. */
	cr_assert(redis_says(&f.meta, "SETRANGE kvcache_nodes 5000000 x",
			     ":5000001\r\n"));
	refresh(&f, 2 * SECOND);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_GET, 3), AIBRIX_OK);
	/* Nobody there at all. */
	redis_kill(&f.meta);
	f.ahead_ns += 60 * SECOND;
	for (uint32_t i = 0; i < KEYS; i++)
		cr_assert_eq(meta_do(&f, AIBRIX_STORE_GET, i), AIBRIX_OK);
	fleet_stop(&f);
}

Test(store_meta,
     a_long_text_is_read_from_the_second_server_if_the_first_is_dead)
{
	char line[4096], reply[32];
	struct resp_url_text url;
	struct fleet f;

	fleet_start(&f);
	meta_two(&f);
	memset(line, ' ', sizeof(line));
	memcpy(line, "APPEND kvcache_nodes '", 22);
	memcpy(line + sizeof(line) - 2, "'", 2);
	for (int i = 0; i < 100; i++)
		cr_assert_gt(redis_ask(&f.meta, line, reply, sizeof(reply)), 0);
	redis_kill(&f.member[2]);
	snprintf(url.text, sizeof(url.text),
		 "redis://127.0.0.1:%d,127.0.0.1:%d", f.member[2].port,
		 f.meta.port);
	fleet_open_at(&f, url.text, 0);
	until(&f, 0, AIBRIX_E_NOT_FOUND);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_PUT, 0), AIBRIX_OK);
	fleet_stop(&f);
}

Test(store_meta, a_changed_address_is_honoured)
{
	struct fleet f;

	fleet_start(&f);
	meta_two(&f);
	fleet_open(&f, 2 * SECOND);
	until(&f, 0, AIBRIX_E_NOT_FOUND);
	for (uint32_t i = 0; i < KEYS; i++)
		cr_assert_eq(meta_do(&f, AIBRIX_STORE_PUT, i), AIBRIX_OK);
	const struct part parts[] = {{"p0", f.member[0].port, LOW},
				     {"p1", f.member[2].port, HIGH}};
	meta_set(&f, parts, 2);
	refresh(&f, 2 * SECOND);
	for (uint32_t i = 0; i < KEYS; i++) {
		const int moved = farm64(key_of(i)) % 4096 >= 2048;

		cr_expect_eq(meta_do(&f, AIBRIX_STORE_GET, i),
			     moved ? AIBRIX_E_NOT_FOUND : AIBRIX_OK);
		if (moved)
			cr_expect_eq(meta_do(&f, AIBRIX_STORE_PUT, i),
				     AIBRIX_OK);
		cr_expect_eq(holds(&f.member[2], i), moved);
	}
	fleet_stop(&f);
}

Test(store_meta, a_dead_member_costs_its_keys_until_it_is_back)
{
	struct fleet f;
	uint32_t low = 0, high = 0;

	fleet_start(&f);
	meta_two(&f);
	fleet_open(&f, 2 * SECOND);
	until(&f, 0, AIBRIX_E_NOT_FOUND);
	while (farm64(key_of(low)) % 4096 >= 2048)
		low++;
	while (farm64(key_of(high)) % 4096 < 2048)
		high++;
	cr_assert_eq(meta_do(&f, AIBRIX_STORE_PUT, low), AIBRIX_OK);
	cr_assert_eq(meta_do(&f, AIBRIX_STORE_PUT, high), AIBRIX_OK);
	redis_kill(&f.member[1]);
	for (int i = 0; i < 20; i++) {
		cr_assert_neq(meta_do(&f, AIBRIX_STORE_GET, high), AIBRIX_OK);
		cr_assert_eq(meta_do(&f, AIBRIX_STORE_GET, low), AIBRIX_OK);
	}
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_GET, high), AIBRIX_E_UNAVAILABLE,
		     "its breaker is open");
	/* A map that is as it was closes no breaker and opens none. */
	cr_assert_eq(redis_restart(&f.member[1]), 0, "%s", f.member[1].reason);
	f.ahead_ns += 60 * SECOND;
	until(&f, high, AIBRIX_E_NOT_FOUND);
	cr_expect_eq(meta_do(&f, AIBRIX_STORE_PUT, high), AIBRIX_OK);
	fleet_stop(&f);
}

Test(store_meta, what_is_under_way_on_a_member_that_goes_ends_once)
{
	static uint8_t values[KEYS][8];
	static struct key keys[KEYS];
	static aibrix_iov iov[KEYS];
	uint32_t ends[KEYS + 1] = {0}, left = KEYS + 1, high = KEYS;
	struct key gone;
	aibrix_io erase;
	const uint64_t begin = resp_now();
	struct fleet f;

	fleet_start(&f);
	meta_two(&f);
	fleet_open(&f, 2 * SECOND);
	until(&f, 0, AIBRIX_E_NOT_FOUND);
	for (uint32_t i = 0; i < KEYS; i++)
		cr_assert_eq(meta_do(&f, AIBRIX_STORE_PROBE, i),
			     AIBRIX_E_NOT_FOUND);
	/* It takes requests and answers none; then another has its name. */
	redis_stall(&f.member[1]);
	while (farm64(key_of(high)) % 4096 < 2048)
		high++;
	gone = key_of(high);
	erase = meta_io(AIBRIX_STORE_DELETE, &gone, NULL, KEYS);
	meta_submit(&f, &erase);
	for (uint32_t i = 0; i < KEYS; i++) {
		aibrix_io io;

		keys[i] = key_of(i);
		values[i][0] = (uint8_t)i;
		iov[i] = (aibrix_iov){values[i], sizeof(values[i])};
		io = meta_io(AIBRIX_STORE_PUT, &keys[i], &iov[i], i);
		meta_submit(&f, &io);
	}
	const struct part parts[] = {{"p0", f.member[0].port, LOW},
				     {"p1", f.member[2].port, HIGH}};
	meta_set(&f, parts, 2);
	f.ahead_ns += 2 * SECOND;
	while (left > 0) {
		aibrix_done dones[8];
		uint32_t n = 0;

		cr_assert_lt(resp_now() - begin, RESP_HANG_NS);
		cr_assert_eq(aibrix_store_poll(f.store, dones, 8, fleet_now(&f),
					       RESP_HANG_NS, &n),
			     AIBRIX_OK);
		for (uint32_t k = 0; k < n; k++) {
			/* A DELETE that was sent does not go again. */
			cr_expect_eq(dones[k].status, dones[k].tag == KEYS
							      ? AIBRIX_E_CLOSED
							      : AIBRIX_OK);
			ends[dones[k].tag]++;
		}
		left -= n;
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		const int moved = farm64(key_of(i)) % 4096 >= 2048;

		cr_expect_eq(ends[i], 1u);
		cr_expect_eq(holds(&f.member[moved ? 2 : 0], i), 1);
	}
	cr_expect_eq(ends[KEYS], 1u);
	redis_resume(&f.member[1]);
	fleet_stop(&f);
}

Test(store_meta, options_that_cannot_be_are_refused)
{
	aibrix_resp_opts opts = {.size = sizeof(opts), .meta_key = "nodes"};
	aibrix_store *store = NULL;
	char key[130];

	memset(key, 'k', sizeof(key));
	key[128] = '\0';
	cr_expect_eq(resp_try_open("redis-cluster://a", &opts, 0, &store),
		     AIBRIX_E_UNSUPPORTED);
	opts.flags = AIBRIX_RESP_EPOCHS;
	cr_expect_eq(resp_try_open("redis://127.0.0.1", &opts, 0, &store),
		     AIBRIX_E_UNSUPPORTED);
	opts.flags = 0;
	opts.meta_ns = 1;
	cr_expect_eq(resp_try_open("redis://127.0.0.1", &opts, 0, &store),
		     AIBRIX_E_INVAL);
	opts.meta_ns = 0;
	opts.meta_key = "";
	cr_expect_eq(resp_try_open("redis://127.0.0.1", &opts, 0, &store),
		     AIBRIX_E_INVAL);
	opts.meta_key = key;
	cr_expect_eq(resp_try_open("redis://127.0.0.1", &opts, 0, &store),
		     AIBRIX_E_INVAL);
	cr_expect_null(store);
}
