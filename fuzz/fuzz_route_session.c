/*
 * Bytes as what a client and a platform send of a session: the answer never
 * reads past them and is the same twice, an id leads to a row only if it is
 * the base64 of that row's address, and any address that has an id is found
 * by it.
 *
 *	profile, rows, lengths of id and key, then id, key, addresses
 *	(each ended by a zero byte or by the end of the input)
 */

#include <stdlib.h>
#include <string.h>

#include <aibrix/route.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { ROWS_MAX = 8 };

struct input {
	const uint8_t *at;
	size_t left;
};

struct bed {
	aibrix_fleet *fleet;
	aibrix_route *route;
	aibrix_route_request request;
	char *addresses[ROWS_MAX];
	uint32_t rows;
};

static void
check(int ok)
{
	if (!ok)
		abort();
}

static uint8_t
take(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/* A copy that ends where the bytes do, so that a sanitizer sees a step
 * further; zeroed bytes more in the end. */
static char *
take_bytes(struct input *in, size_t n, size_t more)
{
	size_t have = n < in->left ? n : in->left;
	char *copy = calloc(1, have + more ? have + more : 1);

	check(copy != NULL);
	if (have)
		memcpy(copy, in->at, have);
	in->at += have;
	in->left -= have;
	return copy;
}

static char *
take_text(struct input *in)
{
	const uint8_t *end = in->left ? memchr(in->at, 0, in->left) : NULL;
	char *text = take_bytes(in, end ? (size_t)(end - in->at) : in->left, 1);

	if (end)
		take(in);
	return text;
}

/* The id of an address, in memory of just its size; NULL for NULL. */
static char *
id_of(const char *address, uint64_t *n)
{
	char none, *id;

	check(aibrix_route_session_id(address, &none, 0, n) == AIBRIX_E_SPACE);
	check(*n == (strlen(address) + 2) / 3 * 4);
	id = malloc(*n + 1);
	check(id != NULL);
	check(aibrix_route_session_id(address, id, *n, n) == AIBRIX_E_SPACE);
	check(aibrix_route_session_id(address, id, *n + 1, n) == AIBRIX_OK);
	check(strlen(id) == *n);
	return id;
}

/* Before padding the last digit has bits that say nothing: any will do. */
static int
is_id_of(const char *id, uint64_t len, const char *address)
{
	uint64_t n, digits;
	char *own = id_of(address, &n);
	int same = n == len && n > 0;

	digits = same ? strcspn(own, "=") : 0;
	if (same && digits < n)
		same = memcmp(own + digits, id + digits, n - digits) == 0 &&
		       memcmp(own, id, digits - 1) == 0;
	else if (same)
		same = memcmp(own, id, n) == 0;
	free(own);
	return same;
}

static aibrix_route_result
ask(const struct bed *b)
{
	aibrix_route_result first = {.size = sizeof(first)};
	aibrix_route_result again = {.size = sizeof(again)};
	int err = aibrix_route_pick(b->route, b->fleet, &b->request, 0, &first);

	check(err ==
	      aibrix_route_pick(b->route, b->fleet, &b->request, 0, &again));
	check(err == AIBRIX_OK || err == AIBRIX_E_NOT_FOUND);
	check(err || (first.row == again.row && first.reason == again.reason &&
		      first.row < b->rows));
	if (err) /* compat: nobody has an address */
		first.row = UINT32_MAX;
	return first;
}

/* A row is found by the id of its address, the first of equal ones. */
static void
check_round(struct bed *b, uint32_t row)
{
	const char *address = b->addresses[row];
	uint64_t n;
	char *id = id_of(address, &n);
	uint32_t first = 0;

	while (strcmp(b->addresses[first], address) != 0)
		first++;
	b->request.session_id = id;
	b->request.session_id_len = n;
	if (address[0])
		check(ask(b).row == first);
	free(id);
}

static void
check_answer(const struct bed *b)
{
	const aibrix_route_request *r = &b->request;
	aibrix_route_result result = ask(b);

	if (b->rows > 1 && result.row < b->rows &&
	    result.reason == AIBRIX_REASON_SESSION_ID)
		check(is_id_of(r->session_id, r->session_id_len,
			       b->addresses[result.row]));
}

static void
bed_open(struct bed *b, struct input *in)
{
	aibrix_route_opts opts = {.size = sizeof(opts),
				  .strategy = "session-affinity",
				  .profile = take(in) % 2};

	*b = (struct bed){.rows = 1 + take(in) % ROWS_MAX};
	check(aibrix_route_new(&opts, &b->route) == AIBRIX_OK);
	check(aibrix_fleet_new(NULL, &b->fleet) == AIBRIX_OK);
	for (uint32_t i = 0; i < b->rows; i++) {
		aibrix_owner owner = {i / 2, i % 2, 0};
		uint32_t row;

		check(aibrix_fleet_add(b->fleet, &owner, &row) == AIBRIX_OK);
		check(aibrix_fleet_set(b->fleet, row,
				       AIBRIX_COL_REQUESTS_RUNNING, i,
				       0) == AIBRIX_OK);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = {data, len};
	size_t id_len, key_len;
	struct bed b;
	char *id, *key;

	bed_open(&b, &in);
	id_len = take(&in);
	key_len = 2u * take(&in); /* 256 is the limit */
	id_len = id_len < in.left ? id_len : in.left;
	id = take_bytes(&in, id_len, 0);
	key_len = key_len < in.left ? key_len : in.left;
	key = take_bytes(&in, key_len, 0);
	for (uint32_t i = 0; i < b.rows; i++)
		b.addresses[i] = take_text(&in);
	b.request = (aibrix_route_request){
		.size = sizeof(b.request),
		.addresses = (const char *const *)b.addresses,
		.n_addresses = b.rows,
		.session_id = id,
		.session_id_len = id_len,
		.session_key = key,
		.session_key_len = key_len,
		.entropy = 7,
	};
	check_answer(&b);
	for (uint32_t i = 0; i < b.rows; i++)
		check_round(&b, i);
	for (uint32_t i = 0; i < b.rows; i++)
		free(b.addresses[i]);
	free(id);
	free(key);
	aibrix_route_free(b.route);
	aibrix_fleet_free(b.fleet);
	return 0;
}
