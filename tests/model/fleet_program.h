/*
 * A byte string is a program over a fleet; a plain array is the reference.
 * Shared by the model test and the fuzz target.
 *
 *	op % 8   0,1 add owner   2 remove row   3,4 set   5 set column
 *	         6 compare by owner              7 nothing, or the planted fault
 */
#ifndef TESTS_FLEET_PROGRAM_H
#define TESTS_FLEET_PROGRAM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <aibrix/fleet.h>

#include "base/bytes.h"

enum { MODEL_ROWS = 150, MODEL_COLUMNS = 4, MODEL_STEPS = 4096 };

struct fleet_model {
	int used[MODEL_ROWS];
	aibrix_owner owner[MODEL_ROWS];
	double value[MODEL_ROWS][MODEL_COLUMNS];
	uint64_t set_ns[MODEL_ROWS][MODEL_COLUMNS];
};

/* Columns far apart, the last one among them. */
static const uint32_t model_column[MODEL_COLUMNS] = {0, 41, 96, 127};

static uint32_t
model_rows(const struct fleet_model *m)
{
	uint32_t rows = 0;

	for (uint32_t i = 0; i < MODEL_ROWS; i++)
		if (m->used[i])
			rows = i + 1;
	return rows;
}

/* MODEL_ROWS: absent; owner NULL: the lowest free row. */
static uint32_t
model_find(const struct fleet_model *m, const aibrix_owner *owner)
{
	for (uint32_t i = 0; i < MODEL_ROWS; i++) {
		if (!owner && !m->used[i])
			return i;
		if (owner && m->used[i] && m->owner[i].pod == owner->pod &&
		    m->owner[i].rank == owner->rank)
			return i;
	}
	return MODEL_ROWS;
}

static int
same_double(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static int
step_add(aibrix_fleet *fleet, struct fleet_model *m, const aibrix_owner *owner)
{
	uint32_t has = model_find(m, owner), at = model_find(m, NULL);
	uint32_t row = UINT32_MAX;
	int err = aibrix_fleet_add(fleet, owner, &row);

	if (has != MODEL_ROWS)
		return err == AIBRIX_E_STATE && row == has;
	if (at == MODEL_ROWS)
		return err == AIBRIX_E_FULL && row == UINT32_MAX;
	m->used[at] = 1;
	m->owner[at] = *owner;
	for (uint32_t c = 0; c < MODEL_COLUMNS; c++)
		m->value[at][c] = NAN;
	return err == AIBRIX_OK && row == at;
}

static int
step_remove(aibrix_fleet *fleet, struct fleet_model *m, uint32_t row)
{
	int err = aibrix_fleet_remove(fleet, row);

	if (row >= MODEL_ROWS || !m->used[row])
		return err == AIBRIX_E_NOT_FOUND;
	m->used[row] = 0;
	return err == AIBRIX_OK;
}

static int
step_set(aibrix_fleet *fleet, struct fleet_model *m, uint32_t row, uint32_t c,
	 double value, uint64_t now)
{
	int err = aibrix_fleet_set(fleet, row, model_column[c], value, now);

	if (row >= MODEL_ROWS || !m->used[row])
		return err == AIBRIX_E_NOT_FOUND;
	m->value[row][c] = value;
	m->set_ns[row][c] = now;
	return err == AIBRIX_OK;
}

static int
step_set_column(aibrix_fleet *fleet, struct fleet_model *m, uint32_t c,
		double first, uint64_t now)
{
	uint32_t rows = model_rows(m);
	double values[MODEL_ROWS];

	for (uint32_t i = 0; i < rows; i++) {
		values[i] = first + i;
		m->value[i][c] = values[i];
		m->set_ns[i][c] = now;
	}
	return aibrix_fleet_set_column(fleet, model_column[c], values, rows,
				       now) == AIBRIX_OK;
}

static int
row_agrees(const aibrix_fleet *fleet, const struct fleet_model *m, uint32_t row,
	   uint64_t now)
{
	aibrix_owner owner;
	double value;
	uint64_t age;
	int err = aibrix_fleet_owner(fleet, row, &owner);

	if (!m->used[row])
		return err == AIBRIX_E_NOT_FOUND;
	if (err || owner.pod != m->owner[row].pod ||
	    owner.rank != m->owner[row].rank)
		return 0;
	for (uint32_t c = 0; c < MODEL_COLUMNS; c++) {
		err = aibrix_fleet_get(fleet, row, model_column[c], now, &value,
				       &age);
		if (err || !same_double(value, m->value[row][c]))
			return 0;
		if (age !=
		    (isnan(value) ? AIBRIX_FOREVER : now - m->set_ns[row][c]))
			return 0;
	}
	return 1;
}

static int
fleet_agrees(const aibrix_fleet *fleet, const struct fleet_model *m,
	     uint64_t now)
{
	uint32_t rows = model_rows(m), count = 0;

	for (uint32_t i = 0; i < MODEL_ROWS; i++) {
		count += m->used[i] != 0;
		if (!row_agrees(fleet, m, i, now))
			return 0;
	}
	for (uint32_t c = 0; c < MODEL_COLUMNS; c++) {
		const double *column =
			aibrix_fleet_column(fleet, model_column[c]);

		for (uint32_t i = 0; column && i < rows; i++)
			if (!same_double(column[i],
					 m->used[i] ? m->value[i][c] : NAN))
				return 0;
	}
	return aibrix_fleet_rows(fleet) == rows &&
	       aibrix_fleet_count(fleet) == count;
}

static int
step(aibrix_fleet *fleet, struct fleet_model *m, struct reader *r, int fault,
     uint64_t now)
{
	uint32_t op = read_u8(r), a = read_u8(r), b = read_u8(r), row = 0;
	aibrix_owner owner = {a, b % 2, 0};
	double value = b % 5 ? (double)b : (double)NAN;

	switch (op % 8) {
	case 0:
	case 1: return step_add(fleet, m, &owner);
	case 2: return step_remove(fleet, m, a);
	case 3:
	case 4: return step_set(fleet, m, a, b % MODEL_COLUMNS, value, now);
	case 5: return step_set_column(fleet, m, a % MODEL_COLUMNS, b, now);
	case 6:
		if (aibrix_fleet_find(fleet, &owner, &row) != AIBRIX_OK)
			row = MODEL_ROWS;
		return row == model_find(m, &owner);
	default:
		if (fault && m->used[0])
			m->value[0][0] = 12345;
		return 1;
	}
}

/* 1: fleet and model agreed after each step; -1: out of memory. */
static int
fleet_program_run(const uint8_t *bytes, size_t n, int fault)
{
	aibrix_fleet_opts opts = {.size = sizeof(opts), .max_rows = MODEL_ROWS};
	struct reader r = reader_on(bytes, n);
	struct fleet_model m;
	aibrix_fleet *fleet;
	int ok = 1;

	memset(&m, 0, sizeof(m));
	if (aibrix_fleet_new(&opts, &fleet) != AIBRIX_OK)
		return -1;
	for (uint64_t now = 1; ok && r.at != r.end && now < MODEL_STEPS;
	     now++) {
		ok = step(fleet, &m, &r, fault, now);
		if (ok && (now % 16 == 0 || r.at == r.end || fault))
			ok = fleet_agrees(fleet, &m, now);
		if (!r.ok)
			break;
	}
	aibrix_fleet_free(fleet);
	return ok;
}

#endif
