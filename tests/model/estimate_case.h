/*
 * Bytes become requests that are sent, get their first token, end or vanish,
 * over rows that change hands and a clock that jumps; a list of what is under
 * way says what must wait where.  Shared by the model test and the fuzz
 * target.
 */
#ifndef TESTS_ESTIMATE_CASE_H
#define TESTS_ESTIMATE_CASE_H

#include <math.h>
#include <string.h>

#include <aibrix/estimate.h>

#include "base/bytes.h"

enum { CASE_ROWS = 5, CASE_CHARGES = 24 };

struct estimate_case {
	aibrix_fleet *fleet;
	aibrix_estimate *estimate;
	aibrix_charge charges[CASE_CHARGES];
	uint64_t pods[CASE_CHARGES];  /* who was charged; 0: nothing waits */
	uint64_t row_pods[CASE_ROWS]; /* numbered as they come */
	uint64_t ids[CASE_ROWS];      /* some come again */
	uint64_t next_pod, now;
};

static const char *
case_add_row(struct estimate_case *c, uint32_t want, int again)
{
	uint64_t pod = ++c->next_pod;
	aibrix_owner owner = {again ? c->ids[want] : pod, 0, 0};
	uint32_t row;

	if (aibrix_fleet_add(c->fleet, &owner, &row) != AIBRIX_OK ||
	    row != want)
		return "no row";
	c->row_pods[row] = pod;
	c->ids[row] = owner.pod;
	return NULL;
}

static int
case_waits(const struct estimate_case *c, uint32_t i, uint32_t row)
{
	return c->pods[i] && c->charges[i].work.row == row &&
	       c->pods[i] == c->row_pods[row];
}

static const char *
case_check(const struct estimate_case *c, int fault)
{
	aibrix_route_model model = {.size = sizeof(model)};
	double numbers[11];

	for (uint32_t row = 0; row < CASE_ROWS; row++) {
		aibrix_estimate_row read = {.size = sizeof(read)};
		double sum = fault;

		for (uint32_t i = 0; i < CASE_CHARGES; i++)
			if (case_waits(c, i, row))
				sum += c->charges[i].seconds;
		if (aibrix_estimate_read(c->estimate, c->fleet, row, &read) !=
		    AIBRIX_OK)
			return "a row cannot be read";
		if (!(fabs(read.pending_s - sum) <= 1e-6 * (1 + sum)))
			return "another sum waits than was charged";
		if (!(read.slowness > 0 && isfinite(read.slowness)) ||
		    !(read.error > 0 && read.error < 1))
			return "an absurd row";
	}
	if (aibrix_estimate_model(c->estimate, c->fleet, c->now, &model) !=
	    AIBRIX_OK)
		return "no model";
	memcpy(numbers, &model.first_s, sizeof(numbers));
	for (uint32_t i = 0; i < 11; i++)
		if (!(numbers[i] >= 0 && isfinite(numbers[i])))
			return "an absurd model";
	return model.busy_ratio < 1 ? NULL : "busy for ever";
}

static int
case_send(struct estimate_case *c, struct reader *r, uint32_t i)
{
	aibrix_work work = {.row = read_u8(r) % CASE_ROWS};

	work.computed = read_u64(r) >> read_u8(r) % 64;
	work.cached = read_u8(r) * 100u;
	work.pulled = read_u8(r);
	work.running = read_u8(r);
	work.flags = read_u8(r) % 2;
	return aibrix_estimate_routed(c->estimate, c->fleet, &work, c->now,
				      &c->charges[i]);
}

static const char *
case_step(struct estimate_case *c, struct reader *r)
{
	uint32_t what = read_u8(r), i = read_u8(r) % CASE_CHARGES, row;
	int waits = c->pods[i] != 0, err = AIBRIX_OK;

	row = c->charges[i].work.row;
	switch (what % 8) {
	case 0:
	case 1:
		if (waits)
			break;
		if (case_send(c, r, i) == AIBRIX_OK)
			c->pods[i] = c->row_pods[c->charges[i].work.row];
		return NULL;
	case 2:
	case 3:
		err = aibrix_estimate_first_token(c->estimate, c->fleet,
						  &c->charges[i], c->now);
		break;
	case 4:
		err = aibrix_estimate_gone(c->estimate, c->fleet,
					   &c->charges[i], c->now);
		break;
	case 5:
		(void)!aibrix_estimate_done(c->estimate, &c->charges[i],
					    read_u64(r) >> read_u8(r) % 64,
					    c->now);
		return NULL;
	case 6: c->now += read_u64(r) >> read_u8(r) % 64; return NULL;
	default:
		row = read_u8(r) % CASE_ROWS;
		if (aibrix_fleet_remove(c->fleet, row) != AIBRIX_OK)
			return "a row that does not go";
		return case_add_row(c, row, what & 8);
	}
	if (what % 8 < 2)
		return NULL;
	/* It works where something waits, for whom it was sent to. */
	waits = waits && case_waits(c, i, row);
	if (err != (waits ? AIBRIX_OK : AIBRIX_E_NOT_FOUND))
		return "a charge is settled wrongly";
	c->pods[i] = 0;
	return NULL;
}

static inline const char *
estimate_case_run(const uint8_t *bytes, size_t len, int fault)
{
	struct reader r = reader_on(bytes, len);
	struct estimate_case c = {.now = 1};
	const char *wrong = NULL;

	if (aibrix_fleet_new(NULL, &c.fleet) != AIBRIX_OK ||
	    aibrix_estimate_new(NULL, &c.estimate) != AIBRIX_OK)
		wrong = "set-up";
	for (uint32_t row = 0; !wrong && row < CASE_ROWS; row++)
		wrong = case_add_row(&c, row, 0);
	while (!wrong && r.at < r.end && r.ok) {
		wrong = case_step(&c, &r);
		if (!wrong)
			wrong = case_check(&c, fault);
	}
	aibrix_estimate_free(c.estimate);
	aibrix_fleet_free(c.fleet);
	return wrong;
}

#endif
