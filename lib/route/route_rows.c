/*
 * Which rows are asked: in use, of the request's, healthy, not too busy.
 *
 * A pick may not allocate, and strategies walk over the candidates several
 * times: up to 1024 of them are listed on the stack by the first walk; a
 * larger fleet is walked by its bits each time.  The usual fleet has no holes
 * and no sick rows: 64 of them are then listed without a branch a row.
 */

#include "base/arch.h"
#include "route/route_internal.h"

/* Requests running, for its capacity in the default profile; what is not
 * known is 0 in compat and never too much otherwise. */
static double
ask_load(const struct route_ask *ask, uint32_t row)
{
	double load = ask->running ? ask->running[row] : NAN;

	if (ask->route->profile == AIBRIX_PROFILE_COMPAT)
		return isfinite(load) ? load : 0;
	if (!isfinite(load))
		return NAN;
	if (ask->capacity && ask->capacity[row] > 0)
		load /= ask->capacity[row];
	return load < 0 ? 0 : load;
}

int
aibrix__route_walk(const struct route_ask *ask, uint32_t *at, uint32_t *row)
{
	const uint32_t *rows = ask->request.rows;
	uint32_t n = rows ? ask->request.n_rows : ask->fleet.rows;

	while (*at < n) {
		uint32_t r = rows ? rows[*at] : *at;

		++*at;
		/* NaN: nobody has judged it, so it is healthy. */
		if (fleet_view_used(&ask->fleet, r) &&
		    !(ask->health && ask->health[r] <= 0) &&
		    !(ask->ceiling < INFINITY &&
		      ask_load(ask, r) > ask->ceiling)) {
			*row = r;
			return 1;
		}
	}
	return 0;
}

static int
any_sick(const double *health, uint32_t n)
{
	int sick = 0;

	for (uint32_t i = 0; i < n; i++)
		sick |= health[i] <= 0;
	return sick;
}

/* n rows from first on, all of them in use; how many are listed. */
static uint32_t
list_run(const double *health, uint32_t first, uint32_t n,
	 uint32_t *restrict list)
{
	uint32_t listed = 0;

	if (!health || !any_sick(health + first, n)) {
		for (uint32_t i = 0; i < n; i++)
			list[i] = first + i;
		return n;
	}
	for (uint32_t i = 0; i < n; i++) {
		list[listed] = first + i;
		listed += !(health[first + i] <= 0);
	}
	return listed;
}

/* All rows in use, by the bits of the fleet: the usual call. */
static void
ask_list_all(struct route_ask *ask)
{
	uint32_t n = 0;

	for (uint32_t word = 0; word * 64 < ask->fleet.rows; word++) {
		uint64_t used = ask->fleet.used[word];
		uint32_t first = word * 64, run;

		for (; used; used = run < 64 ? used >> run : 0, first += run) {
			run = lowest_bit(used);
			first += run;
			used >>= run;
			run = ~used ? lowest_bit(~used) : 64;
			n += list_run(ask->health, first, run, &ask->list[n]);
		}
	}
	ask->n = n;
	ask->dense = n && ask->list[n - 1] - ask->list[0] == n - 1;
}

void
aibrix__route_list(struct route_ask *ask)
{
	uint32_t at = 0, row;

	ask->n = 0;
	ask->listed = 1;
	ask->dense = 0;
	if (!ask->request.rows && ask->fleet.count <= ROUTE_LISTED &&
	    ask->ceiling == INFINITY) {
		ask_list_all(ask);
		return;
	}
	while (aibrix__route_walk(ask, &at, &row)) {
		if (ask->n < ROUTE_LISTED)
			ask->list[ask->n] = row;
		ask->n++;
	}
	ask->listed = ask->n <= ROUTE_LISTED;
}

/*
 * AIBrix's pre-filter: with one row far ahead, only those at the minimum are
 * left, which sends the next burst to one row.  Default: those that are not
 * further above the minimum than the fleet may be apart.
 */
void
aibrix__route_filter(struct route_ask *ask)
{
	const double apart = ask->route->imbalance_filter;
	double low = INFINITY, high = -INFINITY;
	uint32_t at = 0, row;

	while (ask_next(ask, &at, &row)) {
		double load = ask_load(ask, row);

		low = load < low ? load : low;
		high = load > high ? load : high;
	}
	if (!(high - low > apart))
		return;
	ask->ceiling = ask->route->profile == AIBRIX_PROFILE_COMPAT
			       ? low
			       : low + apart;
	aibrix__route_list(ask);
}

uint32_t
aibrix__route_batch(const struct route_ask *ask, uint32_t *at,
		    uint32_t room[ROUTE_BATCH], const uint32_t **rows)
{
	uint32_t n = 0;

	if (ask->listed) {
		n = ask->n - *at < ROUTE_BATCH ? ask->n - *at : ROUTE_BATCH;
		*rows = ask->list + *at;
		*at += n;
		return n;
	}
	while (n < ROUTE_BATCH && aibrix__route_walk(ask, at, &room[n]))
		n++;
	*rows = room;
	return n;
}
