/*
 * Session affinity: the row that the session id names, else the one that its
 * key points to.
 *
 * compat, AIBrix e3e10f9 (algorithms/simple_session_affinity.go): the key
 * points by rendezvous hashing with plain FNV-1a over key, a zero byte and
 * address, whose last bytes hardly move its upper bits: shares of eight pods
 * reach from 0.71 to 1.22 of what is fair.
 *
 * default: FNV-1a of the key through a finaliser, mixed with the owner, so
 * that ranks of a pod differ and a pod keeps its sessions when its address
 * changes; and a row with more than (1 + session_bound) times the mean of
 * requests passes a session on to the next in its order (Mirrokni,
 * Thorup, Zadimoghaddam 2018).  Without a session: fewest requests.
 */

#include <string.h>

#include "base/rand.h"
#include "route/route_internal.h"

enum { RUNNING, CAPACITY };
enum { CHOSEN, HOW };
enum { KEY_MAX = 256 };

static uint64_t
fnv1a(uint64_t hash, const void *bytes, uint64_t n)
{
	const unsigned char *p = bytes;

	for (uint64_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 1099511628211u;
	return hash;
}

static const char *
row_address(const struct route_view *view, uint32_t row)
{
	const char *const *all = view->request->addresses;
	const char *address = all ? all[row] : NULL;

	return address && address[0] ? address : NULL;
}

/* 0 to 63, or 64 for a byte that is none of base64. */
static uint32_t
digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* How many bytes a padded base64 text is for; 0 for one that is none. */
static uint64_t
id_bytes(const char *text, uint64_t len)
{
	uint64_t digits = len;

	if (len == 0 || len % 4 != 0)
		return 0;
	while (digits + 2 > len && text[digits - 1] == '=')
		digits--;
	return digits / 4 * 3 + digits % 4 * 3 / 4;
}

/* Byte i of what text is for, or 256. */
static uint32_t
id_byte(const char *text, uint64_t i)
{
	uint64_t at = i / 3 * 4 + i % 3;
	uint32_t high = digit_of(text[at]), low = digit_of(text[at + 1]);
	uint32_t shift = 4 - 2 * (uint32_t)(i % 3);

	return high > 63 || low > 63 ? 256 : (high << 6 | low) >> shift & 255;
}

/* Compared as it stands, so an address may have any length. */
static int
id_is(const char *text, uint64_t n, const char *address)
{
	uint64_t i = 0;

	while (i < n && id_byte(text, i) == (unsigned char)address[i])
		i++;
	return i == n;
}

static int
find_by_id(struct route_view *view)
{
	const aibrix_route_request *request = view->request;
	const uint64_t n =
		id_bytes(request->session_id, request->session_id_len);
	uint32_t at = 0, row;

	while (n && route_next(view, &at, &row)) {
		const char *mine = row_address(view, row);

		if (!mine || strlen(mine) != n ||
		    !id_is(request->session_id, n, mine))
			continue;
		view->fact[CHOSEN] = row;
		view->fact[HOW] = AIBRIX_REASON_SESSION_ID;
		return 1;
	}
	return 0;
}

struct pointed {
	uint64_t hash;
	uint32_t row;
	int found;
};

/* An order of owners that is no order of rows. */
static int
owner_below(const aibrix_owner *a, const aibrix_owner *b)
{
	return a->pod != b->pod ? a->pod < b->pod : a->rank < b->rank;
}

static void
pointed_take(const struct route_view *view, struct pointed *best, uint64_t hash,
	     uint32_t row)
{
	const aibrix_owner *owners = view->ask->fleet.owners;

	if (best->found && (hash < best->hash ||
			    (hash == best->hash &&
			     !owner_below(&owners[row], &owners[best->row]))))
		return;
	*best = (struct pointed){hash, row, 1};
}

/* Whole requests, so that a sum is the same in any order. */
static double
requests_of(const struct route_view *view, uint32_t row)
{
	double requests = view_count(view, RUNNING, row);

	return requests < 1e9 ? floor(requests) : 1e9;
}

static double
bound_of(const struct route_view *view)
{
	double sum = 1;
	uint32_t at = 0, row, n = 0;

	while (route_next(view, &at, &row)) {
		if (isnan(view_count(view, RUNNING, row)))
			continue;
		sum += requests_of(view, row);
		n++;
	}
	return n ? ceil((1 + view->route->session_bound) * sum / n) : INFINITY;
}

static void
find_by_key(struct route_view *view)
{
	const aibrix_route_request *request = view->request;
	const uint64_t key =
		mix64(fnv1a(14695981039346656037u, request->session_key,
			    request->session_key_len));
	const double bound = bound_of(view);
	struct pointed first = {0, 0, 0}, free = {0, 0, 0};
	uint32_t at = 0, row;

	while (route_next(view, &at, &row)) {
		uint64_t hash =
			aibrix__route_lot(&view->ask->fleet.owners[row], key);

		pointed_take(view, &first, hash, row);
		if (isnan(view_count(view, RUNNING, row)) ||
		    requests_of(view, row) + 1 <= bound)
			pointed_take(view, &free, hash, row);
	}
	if (!free.found)
		free = first;
	view->fact[CHOSEN] = free.row;
	view->fact[HOW] = free.row == first.row ? AIBRIX_REASON_SESSION_KEY
						: AIBRIX_REASON_SESSION_MOVED;
}

static void
find_by_fnv(struct route_view *view)
{
	const aibrix_route_request *request = view->request;
	const uint64_t key =
		fnv1a(fnv1a(14695981039346656037u, request->session_key,
			    request->session_key_len),
		      "", 1);
	struct pointed best = {0, 0, 0};
	uint32_t at = 0, row;

	while (route_next(view, &at, &row)) {
		const char *address = row_address(view, row);
		uint64_t hash;

		if (!address)
			continue;
		hash = fnv1a(key, address, strlen(address));
		if (best.found &&
		    (hash < best.hash ||
		     (hash == best.hash &&
		      strcmp(address, row_address(view, best.row)) >= 0)))
			continue;
		best = (struct pointed){hash, row, 1};
	}
	if (!best.found)
		return;
	view->fact[CHOSEN] = best.row;
	view->fact[HOW] = AIBRIX_REASON_SESSION_KEY;
}

static void
session_prepare(struct route_view *view)
{
	uint64_t len = view->request->session_key_len;

	view->fact[HOW] = AIBRIX_REASON_SESSION_NONE;
	if (find_by_id(view) || len == 0 || len > KEY_MAX)
		return;
	if (view->route->profile == AIBRIX_PROFILE_COMPAT)
		find_by_fnv(view);
	else
		find_by_key(view);
}

static int
session_known(const struct route_view *view)
{
	return view->fact[HOW] != AIBRIX_REASON_SESSION_NONE;
}

static double
session_score(const struct route_view *view, uint32_t row)
{
	return session_known(view) && view->fact[CHOSEN] == row;
}

/* Without a session: any row that a session could come back to. */
static double
address_score(const struct route_view *view, uint32_t row)
{
	return row_address(view, row) ? 0 : NAN;
}

static double
requests_per_capacity(const struct route_view *view, uint32_t row)
{
	return view_count(view, RUNNING, row) /
	       view_capacity(view, CAPACITY, row);
}

static const struct route_rank by_address = {address_score, NULL,
					     .lower_is_better = 1};
static const struct route_rank by_requests = {requests_per_capacity, NULL,
					      .lower_is_better = 1};

static void
session_choose(const struct route_view *view, struct route_choice *out)
{
	const int compat = view->route->profile == AIBRIX_PROFILE_COMPAT;

	out->reason = (uint32_t)view->fact[HOW];
	if (session_known(view)) {
		out->row = (uint32_t)view->fact[CHOSEN];
		out->scored = view->ask->n;
		out->ties = 1;
		return;
	}
	aibrix__route_choose(view, compat ? &by_address : &by_requests, out);
	if (compat && out->scored == 0)
		out->err = AIBRIX_E_NOT_FOUND;
}

/* A session that stays is worth eight requests: AIBrix's prefixes give way
 * there, too (imbalance_abs). */
static double
session_unit(const struct route_view *view)
{
	(void)view;
	return 1.0 / 8;
}

const struct route_ops aibrix__route_session = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_CAPACITY_RATIO},
	.n_columns = 2,
	.rank = {.score = session_score, .lower_is_better = 0},
	.prepare = session_prepare,
	.choose = session_choose,
	.unit = session_unit,
};

const struct route_ops aibrix__route_session_compat = {
	.rank = {.score = session_score, .lower_is_better = 0},
	.prepare = session_prepare,
	.choose = session_choose,
};
