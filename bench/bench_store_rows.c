/* Rows of costs that were measured in turn. */

#include "bench_store.h"

uint32_t
store_rounds(const struct options *o)
{
	return o->b.quick ? 3 : 15;
}

static int
row_cpu(const struct store_row *row)
{
	return strcmp(row->unit, UNIT_CPU) == 0;
}

/* The cost in one round, and what is printed of it. */
static double
row_cost(const struct store_row *row, const struct costs *c, uint32_t round)
{
	if (!c)
		return NAN;
	return row_cpu(row) ? c->cpu[round] : c->s[round];
}

static double
row_value(const struct store_row *row, double cost)
{
	return row_cpu(row) ? cost : 1 / cost;
}

void
row_print(const struct options *o, const struct store_row *row,
	  const struct costs *ours, const struct costs *peer)
{
	struct bench_row r = {
		.name = row->name, .unit = row->unit, .note = row->note};
	struct bench_result out = {NAN, NAN, NAN, NAN, NAN, 0};
	double mine[ROUNDS_MOST], its[ROUNDS_MOST], ratio[ROUNDS_MOST];
	uint32_t n = store_rounds(o);

	for (uint32_t i = 0; i < n; i++) {
		double x = row_cost(row, ours, i);
		double y = row_cost(row, peer, i);

		mine[i] = row_value(row, x);
		its[i] = row_value(row, y);
		ratio[i] = y / x;
	}
	if (ours) {
		qsort(mine, n, sizeof(*mine), bench_order);
		out.value = bench_share(mine, n, 0.5);
		out.p10 = bench_share(mine, n, 0.1);
		out.p90 = bench_share(mine, n, 0.9);
		out.n = n;
	}
	if (peer) {
		qsort(its, n, sizeof(*its), bench_order);
		out.peer_value = bench_share(its, n, 0.5);
	}
	if (ours && peer) {
		qsort(ratio, n, sizeof(*ratio), bench_order);
		out.ratio = bench_share(ratio, n, 0.5);
	}
	bench_print(&o->b, &r, peer ? row->peer : NULL, &out);
}
