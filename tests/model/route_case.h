/*
 * Bytes become a fleet, a router and a request; the answer is held against
 * what must be true of every answer and, for AIBrix's prefix rule, against a
 * plain version of it that sorts.  Shared by the model test and the fuzz
 * target.
 */
#ifndef TESTS_ROUTE_CASE_H
#define TESTS_ROUTE_CASE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/route.h>

#include "base/bytes.h"

enum { CASE_ROWS = 24, CASE_COLUMNS = 31, CASE_OVERLAYS = 3 };

static const uint32_t case_column[CASE_COLUMNS] = {
	AIBRIX_COL_REQUESTS_RUNNING,
	AIBRIX_COL_TOKENS_PENDING,
	AIBRIX_COL_PREFIX_BLOCKS,
	AIBRIX_COL_HEALTH_RATIO,
	AIBRIX_COL_CAPACITY_RATIO,
	AIBRIX_COL_KV_USAGE_RATIO,
	AIBRIX_COL_GPU_USAGE_RATIO,
	AIBRIX_COL_CPU_USAGE_RATIO,
	AIBRIX_COL_GPU_BUSY_RATIO,
	AIBRIX_COL_UTILIZATION_RATIO,
	AIBRIX_COL_QUEUE_S,
	AIBRIX_COL_PREFILL_S,
	AIBRIX_COL_DECODE_S,
	AIBRIX_COL_PROMPT_TOKENS,
	AIBRIX_COL_OUTPUT_TOKENS,
	AIBRIX_COL_TOKENS_PER_S,
	AIBRIX_COL_USER,
	AIBRIX_COL_LOAD_RATIO,
	AIBRIX_COL_REQUEST_LOAD_RATIO,
	AIBRIX_COL_ADAPTER_HELD,
	AIBRIX_COL_ADAPTERS,
	AIBRIX_COL_ADAPTERS_MAX,
	AIBRIX_COL_JOINED_S,
	AIBRIX_COL_REQUESTS_PER_S,
	AIBRIX_COL_USER_SCORE,
	AIBRIX_COL_TIER_BLOCKS,
	AIBRIX_COL_SLOWNESS_RATIO,
	AIBRIX_COL_BUSY_UNTIL_S,
	AIBRIX_COL_EXTRA_S,
	AIBRIX_COL_HISTORY_REQUESTS,
	AIBRIX_COL_HISTORY_S,
};

/* Compat prefix-cache is the one that has a plain version here. */
static const char *const case_strategy[] = {
	"prefix-cache",
	"least-request",
	"random",
	"throughput",
	"least-kv-cache",
	"least-gpu-cache",
	"least-busy-time",
	"least-utilization",
	"least-latency",
	"least-user-0",
	"most-user-0",
	"prefix-cache:6,least-latency:4",
	"least-request,most-user-0:1000000,least-kv-cache:3",
	"least-request>prefix-cache",
	"least-latency>least-user-0>random",
	"least-load",
	"load-balance",
	"l-metric-local",
	"session-affinity:3,load-balance,lora-affinity",
	"vtc-basic",
	"vtc-basic:2,least-request",
	"cost",
	"cost:3,least-kv-cache",
	/* From here on the best score need not win, or nobody may. */
	"least-load-pulling",
	"pack-load",
	"power-of-two",
	"least-request-top-k",
	"session-affinity",
	"slo",
	"slo-least-load-pulling",
	"slo-least-load",
	"slo-pack-load",
	"dualmap",
	"prefix-cache-preble",
	"prefix-cache-preble:3,least-request",
};

enum { CASE_BY_SCORE = 23 };

enum { CASE_STRATEGIES = sizeof(case_strategy) / sizeof(case_strategy[0]) };

struct route_case {
	uint32_t n, profile, strategy;
	uint32_t free_row; /* removed again when below n */
	double threshold, factor;
	double table[CASE_COLUMNS][CASE_ROWS];
	double over[CASE_OVERLAYS][CASE_ROWS];
	aibrix_column overlay[CASE_OVERLAYS];
	uint32_t rows[CASE_ROWS];
	aibrix_route_request request;
	aibrix_route *route;
	aibrix_fleet *fleet;
};

/* Few different numbers, so that ties are common, and the odd ones. */
static double
case_number(uint8_t byte)
{
	static const double odd[] = {NAN,       NAN,   INFINITY, -1,
				     -INFINITY, 1e308, 5e-324,   -2147483648.0,
				     9.2e18,    0.5};

	return byte < 240 ? byte % 12 : odd[byte % 10];
}

static int
case_router(struct route_case *c, struct reader *r)
{
	aibrix_route_opts opts = {
		.size = sizeof(opts),
		.profile = c->profile,
		.strategy = case_strategy[c->strategy],
		.flags = AIBRIX_ROUTE_IMBALANCE_SET | AIBRIX_ROUTE_STDDEV_SET,
	};

	c->threshold = read_u8(r) % 12;
	c->factor = read_u8(r) % 7 - 2;
	opts.imbalance_abs = c->threshold;
	opts.stddev_factor = c->factor;
	opts.queue_weight = read_u8(r) % 3;
	return aibrix_route_new(&opts, &c->route);
}

/* The fleet with its rows in order, or in the opposite one. */
static aibrix_fleet *
case_fleet(const struct route_case *c, int reversed)
{
	aibrix_fleet *fleet;
	int err = aibrix_fleet_new(NULL, &fleet);

	if (err)
		return NULL;
	for (uint32_t i = 0; !err && i < c->n; i++) {
		uint32_t from = reversed ? c->n - 1 - i : i, row;
		aibrix_owner owner = {from / 2, from % 2, 0};

		err = aibrix_fleet_add(fleet, &owner, &row);
		for (uint32_t k = 0; !err && k < CASE_COLUMNS; k++)
			err = aibrix_fleet_set(fleet, row, case_column[k],
					       c->table[k][from], 0);
	}
	if (!err && c->free_row < c->n)
		err = aibrix_fleet_remove(
			fleet, reversed ? c->n - 1 - c->free_row : c->free_row);
	if (err) {
		aibrix_fleet_free(fleet);
		return NULL;
	}
	return fleet;
}

static void
case_request(struct route_case *c, struct reader *r)
{
	uint32_t overlays = read_u8(r) % (CASE_OVERLAYS + 1);
	uint32_t skip = read_u8(r), n = 0;

	c->request.size = sizeof(c->request);
	c->request.n_overlay = overlays;
	c->request.overlay = c->overlay;
	c->request.block_tokens = read_u8(r) % 20;
	c->request.prompt_tokens = read_u8(r) * 5;
	c->request.n_blocks = read_u8(r) % 14;
	c->request.entropy = read_u64(r);
	c->request.session_key = "key";
	c->request.session_key_len = skip % 4;
	c->request.prefix_key = skip % 5;
	for (uint32_t k = 0; k < CASE_OVERLAYS; k++) {
		c->overlay[k] = (aibrix_column){
			case_column[read_u8(r) % CASE_COLUMNS],
			aibrix_fleet_rows(c->fleet), c->over[k]};
		for (uint32_t i = 0; i < c->n; i++)
			c->over[k][i] = case_number(read_u8(r));
	}
	for (uint32_t i = 0; i < c->n; i++)
		if (i != c->free_row && (skip == 0 || i % 8 != skip % 8))
			c->rows[n++] = i;
	if (skip % 3 != 0) {
		c->request.rows = c->rows;
		c->request.n_rows = n;
	}
}

static int
case_read(struct route_case *c, const uint8_t *bytes, size_t len)
{
	struct reader r = reader_on(bytes, len);

	memset(c, 0, sizeof(*c));
	c->n = read_u8(&r) % (CASE_ROWS + 1);
	c->profile = read_u8(&r) % 2;
	c->strategy = read_u8(&r) % CASE_STRATEGIES;
	c->free_row = read_u8(&r) % 64;
	for (uint32_t k = 0; k < CASE_COLUMNS; k++)
		for (uint32_t i = 0; i < c->n; i++)
			c->table[k][i] = case_number(read_u8(&r));
	if (case_router(c, &r) != AIBRIX_OK)
		return 0;
	c->fleet = case_fleet(c, 0);
	if (!c->fleet)
		return 0;
	case_request(c, &r);
	return 1;
}

static void
case_free(struct route_case *c)
{
	aibrix_route_free(c->route);
	aibrix_fleet_free(c->fleet);
}

/* What the request sees of row: the overlay, else the table. */
static double
case_value(const struct route_case *c, uint32_t column, uint32_t row)
{
	for (uint32_t k = 0; k < c->request.n_overlay; k++)
		if (c->overlay[k].id == column)
			return c->over[k][row];
	for (uint32_t k = 0; k < CASE_COLUMNS; k++)
		if (case_column[k] == column)
			return c->table[k][row];
	return NAN;
}

/* The usable candidates, in order. */
static uint32_t
case_candidates(const struct route_case *c, uint32_t *rows)
{
	uint32_t n = c->request.rows ? c->request.n_rows : c->n, count = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t row = c->request.rows ? c->rows[i] : i;
		double health = case_value(c, AIBRIX_COL_HEALTH_RATIO, row);

		if (row != c->free_row && !(health <= 0))
			rows[count++] = row;
	}
	return count;
}

static double
case_count(const struct route_case *c, uint32_t row)
{
	double x = case_value(c, AIBRIX_COL_REQUESTS_RUNNING, row);

	return isfinite(x) ? x : 0;
}

static uint64_t
case_percent(const struct route_case *c, uint32_t row, int *matched)
{
	double x = case_value(c, AIBRIX_COL_PREFIX_BLOCKS, row);
	uint64_t n = c->request.n_blocks, held = 0;

	if (isfinite(x) && x >= 1)
		held = x > (double)n ? n : (uint64_t)x;
	*matched = held > 0;
	return held ? 100 * held / n : 0;
}

struct matched {
	uint64_t percent;
	double count;
	uint32_t row;
};

static int
matched_compare(const void *a, const void *b)
{
	const struct matched *x = a, *y = b;

	if (x->percent != y->percent)
		return x->percent > y->percent ? -1 : 1;
	return (x->count > y->count) - (x->count < y->count);
}

static double
case_deviation(const struct route_case *c, const uint32_t *rows, uint32_t n,
	       double *mean)
{
	double sum = 0, squares = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += case_count(c, rows[i]);
	*mean = sum / n;
	for (uint32_t i = 0; i < n; i++)
		squares += (case_count(c, rows[i]) - *mean) *
			   (case_count(c, rows[i]) - *mean);
	return n > 1 ? sqrt(squares / (n - 1)) : 0;
}

/* AIBrix's rule step by step; one bit per allowed winner. */
static uint32_t
case_compat_prefix(const struct route_case *c, const uint32_t *rows, uint32_t n)
{
	struct matched list[CASE_ROWS];
	double min = INFINITY, max = -INFINITY, mean, limit;
	uint32_t n_list = 0, set = 0;
	int matched;

	for (uint32_t i = 0; i < n; i++) {
		min = fmin(min, case_count(c, rows[i]));
		max = fmax(max, case_count(c, rows[i]));
	}
	for (uint32_t i = 0; i < n; i++) {
		struct matched m = {case_percent(c, rows[i], &matched),
				    case_count(c, rows[i]), rows[i]};

		if (matched && (!(max - min > c->threshold) || m.count == min))
			list[n_list++] = m;
	}
	limit = c->factor * case_deviation(c, rows, n, &mean);
	limit += mean;
	qsort(list, n_list, sizeof(list[0]), matched_compare);
	for (uint32_t i = 0; i < n_list; i++) {
		if (!(list[i].count <= limit))
			continue;
		for (uint32_t k = i; k < n_list; k++)
			if (matched_compare(&list[i], &list[k]) == 0)
				set |= 1u << list[k].row;
		return set;
	}
	for (uint32_t i = 0; i < n; i++)
		if (case_count(c, rows[i]) == min)
			set |= 1u << rows[i];
	return set;
}

static int
same_score(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static int
same_result(const aibrix_route_result *a, const aibrix_route_result *b)
{
	return a->row == b->row && a->owner.pod == b->owner.pod &&
	       a->owner.rank == b->owner.rank &&
	       same_score(a->score, b->score) && a->reason == b->reason &&
	       a->candidates == b->candidates && a->ties == b->ties;
}

/* Explain shows the candidates, the winner among them, and nobody better
 * where the strategy picks by score alone. */
static const char *
case_explained(const struct route_case *c, const uint32_t *rows, uint32_t n,
	       const aibrix_route_result *pick)
{
	aibrix_route_score scores[CASE_ROWS];
	uint32_t count, lower, found = 0;
	int by_score =
		c->strategy < CASE_BY_SCORE &&
		(c->profile == AIBRIX_PROFILE_DEFAULT || c->strategy != 0);
	/* AIBrix's own, where it combines. */
	double slack = c->profile == AIBRIX_PROFILE_DEFAULT ? 0 : 1e-9;

	if (aibrix_route_explain(c->route, c->fleet, &c->request, 0, scores,
				 CASE_ROWS, &count, &lower))
		return "explain fails where pick does not";
	if (count != n || pick->candidates != n)
		return "explain, pick and model count other candidates";
	for (uint32_t i = 0; i < n; i++) {
		double s = scores[i].score;

		if (scores[i].row != rows[i] || scores[i].scored == !!isnan(s))
			return "explain lists another candidate";
		if (scores[i].row == pick->row) {
			found = 1;
			if (!same_score(s, pick->score))
				return "the winner's score is not explained";
		} else if (by_score && !isnan(s) &&
			   (isnan(pick->score) ||
			    (lower ? s < pick->score - slack
				   : s > pick->score + slack))) {
			return "a better candidate lost";
		}
	}
	return found ? NULL : "the winner is not explained";
}

/* Default profile: neither the order of the list nor that of the table
 * matters. */
static const char *
case_order(struct route_case *c, const aibrix_route_result *pick)
{
	struct route_case other = *c;
	aibrix_route_result result = {.size = sizeof(result)};
	uint32_t n = c->request.n_rows;
	int err;

	for (uint32_t i = 0; i < n; i++)
		other.rows[i] = c->rows[n - 1 - i];
	if (c->request.rows)
		other.request.rows = other.rows;
	if (aibrix_route_pick(c->route, c->fleet, &other.request, 0, &result) ||
	    !same_result(pick, &result))
		return "the order of candidates changes the answer";

	/* A hole at the end would change the length of the overlays. */
	if (c->free_row < c->n)
		return NULL;
	other.fleet = case_fleet(c, 1);
	if (!other.fleet)
		return NULL;
	other.request.overlay = other.overlay;
	for (uint32_t k = 0; k < CASE_OVERLAYS; k++) {
		other.overlay[k].values = other.over[k];
		for (uint32_t i = 0; i < c->n; i++)
			other.over[k][i] = c->over[k][c->n - 1 - i];
	}
	for (uint32_t i = 0; i < n; i++)
		other.rows[i] = c->n - 1 - c->rows[i];
	err = aibrix_route_pick(c->route, other.fleet, &other.request, 0,
				&result);
	aibrix_fleet_free(other.fleet);
	result.row = c->n - 1 - result.row;
	return err || !same_result(pick, &result)
		       ? "the order of rows changes the answer"
		       : NULL;
}

/* Whether nobody with room, a known load or an address is an answer. */
static int
case_may_refuse(const struct route_case *c, int err)
{
	const char *name = case_strategy[c->strategy];

	if (strcmp(name, "least-load-pulling") == 0 ||
	    strcmp(name, "pack-load") == 0 || memcmp(name, "slo", 3) == 0)
		return err == AIBRIX_E_NOT_FOUND || err == AIBRIX_E_UNAVAILABLE;
	return c->profile == AIBRIX_PROFILE_COMPAT &&
	       err == AIBRIX_E_NOT_FOUND &&
	       (strcmp(name, "least-load") == 0 ||
		strcmp(name, "session-affinity") == 0);
}

static const char *
case_check(struct route_case *c, int fault)
{
	aibrix_route_result pick = {.size = sizeof(pick)};
	aibrix_route_result again = {.size = sizeof(again)};
	uint32_t rows[CASE_ROWS], n = case_candidates(c, rows), i = 0;
	const char *wrong;
	uint64_t later = 0;
	int err = aibrix_route_pick(c->route, c->fleet, &c->request, 0, &pick);

	if (n == 0)
		return err == AIBRIX_E_NOT_FOUND ? NULL : "nobody was picked";
	if (err)
		return case_may_refuse(c, err)
			       ? NULL
			       : "a usable candidate was not picked";
	if (fault)
		pick.row = rows[(pick.row == rows[0]) % n];
	while (i < n && rows[i] != pick.row)
		i++;
	if (i == n)
		return "the winner is not usable";
	if (pick.ties < 1 || pick.ties > n)
		return "impossible number of ties";
	/* Only a warm-up and a row's end of work know what time it is. */
	if (strcmp(case_strategy[c->strategy], "least-request-top-k") != 0 &&
	    !strstr(case_strategy[c->strategy], "cost"))
		later = 9;
	if (aibrix_route_pick(c->route, c->fleet, &c->request, later, &again) ||
	    !same_result(&pick, &again))
		return "the same question has two answers";
	wrong = case_explained(c, rows, n, &pick);
	if (!wrong && c->profile == AIBRIX_PROFILE_DEFAULT)
		wrong = case_order(c, &pick);
	if (!wrong && c->profile == AIBRIX_PROFILE_COMPAT && c->strategy == 0 &&
	    !(case_compat_prefix(c, rows, n) >> pick.row & 1))
		wrong = "AIBrix would not pick the winner";
	return wrong;
}

/* NULL: all is well; else what is wrong. */
static const char *
route_case_run(const uint8_t *bytes, size_t len, int fault)
{
	struct route_case c;
	const char *wrong = NULL;

	if (case_read(&c, bytes, len))
		wrong = case_check(&c, fault);
	case_free(&c);
	return wrong;
}

#endif
