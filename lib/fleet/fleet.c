/*
 * The table of owners and metrics.
 *
 *	            column 0   column 1   ...   column 127
 *	row 0        12.0       NaN              (none)
 *	row 1        (free: NaN everywhere)
 *	row 2         3.0       4096             (none)
 *
 * Made for: a few hundred rows, a handful of the 128 columns in use, written
 * by whoever scrapes and counts, read as a whole for each request.  So a
 * column is one array of doubles in row order, allocated when it is first
 * used, with the times of its values in a second array: a decision streams
 * over the columns it needs and over nothing else.
 *
 * NaN is the only mark of "not known", and free rows hold NaN in all
 * columns: a reader of a column needs no second mask, and a row handed to
 * its next owner needs no clearing.
 */

#include <aibrix/fleet.h>

#include <math.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "fleet/fleet_internal.h"
#include "fleet/fleet_view.h"

enum { DEFAULT_ROWS = 1024 };

/* Both arrays hold at least as many rows as the fleet, or none at all. */
struct column {
	double *values;
	uint64_t *set_ns; /* of values that are not NaN */
	size_t values_cap, set_cap;
};

struct aibrix_fleet {
	aibrix_allocator alloc;
	uint32_t max_rows;
	struct row_set rows;
	struct owner_map map;
	aibrix_owner *owners; /* by row */
	size_t owners_cap;
	struct column columns[AIBRIX_COL_MAX];
};

int
aibrix_fleet_new(const aibrix_fleet_opts *opts, aibrix_fleet **out)
{
	aibrix_fleet_opts o;
	aibrix_allocator alloc;
	aibrix_fleet *fleet;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts,
				  STRUCT_UPTO(aibrix_fleet_opts, alloc));
	if (!err)
		err = aibrix__allocator_load(&alloc, o.alloc);
	if (err)
		return err;
	if (o.max_rows > FLEET_MAX_ROWS)
		return AIBRIX_E_INVAL;

	fleet = aibrix__alloc(&alloc, 1, sizeof(*fleet));
	if (!fleet)
		return AIBRIX_E_NOMEM;
	fleet->alloc = alloc;
	fleet->max_rows = o.max_rows ? o.max_rows : DEFAULT_ROWS;
	*out = fleet;
	return AIBRIX_OK;
}

void
aibrix_fleet_free(aibrix_fleet *fleet)
{
	aibrix_allocator alloc;

	if (!fleet)
		return;
	alloc = fleet->alloc;
	for (uint32_t i = 0; i < AIBRIX_COL_MAX; i++) {
		struct column *c = &fleet->columns[i];

		aibrix__free(&alloc, c->values, c->values_cap,
			     sizeof(*c->values));
		aibrix__free(&alloc, c->set_ns, c->set_cap, sizeof(*c->set_ns));
	}
	aibrix__free(&alloc, fleet->map.cells, fleet->map.cap,
		     sizeof(*fleet->map.cells));
	aibrix__free(&alloc, fleet->owners, fleet->owners_cap,
		     sizeof(*fleet->owners));
	aibrix__free(&alloc, fleet, 1, sizeof(*fleet));
}

/* Room for rows values, the new ones not known.  The times come first: a
 * column exists once it has values. */
static int
column_reserve(aibrix_fleet *fleet, struct column *c, uint32_t rows)
{
	size_t old = c->values_cap;
	int err = aibrix__grow(&fleet->alloc, &c->set_ns, &c->set_cap, rows,
			       sizeof(*c->set_ns));

	if (!err)
		err = aibrix__grow(&fleet->alloc, &c->values, &c->values_cap,
				   rows, sizeof(*c->values));
	if (err)
		return err;
	for (size_t i = old; i < c->values_cap; i++)
		c->values[i] = NAN;
	return AIBRIX_OK;
}

/* Room for count owners and for rows in everything that is by row.  A
 * failure halfway leaves spare room behind, which is not visible. */
static int
fleet_reserve(aibrix_fleet *fleet, uint32_t rows, uint32_t count)
{
	int err =
		aibrix__grow(&fleet->alloc, &fleet->owners, &fleet->owners_cap,
			     rows, sizeof(*fleet->owners));

	if (!err)
		err = aibrix__owners_reserve(&fleet->map, &fleet->alloc,
					     fleet->owners, count);
	for (uint32_t i = 0; !err && i < AIBRIX_COL_MAX; i++)
		if (fleet->columns[i].values)
			err = column_reserve(fleet, &fleet->columns[i], rows);
	return err;
}

int
aibrix_fleet_add(aibrix_fleet *fleet, const aibrix_owner *owner, uint32_t *row)
{
	uint32_t at;
	int err;

	if (!fleet || !owner || !row || owner->spare)
		return AIBRIX_E_INVAL;
	at = aibrix__owners_find(&fleet->map, fleet->owners, owner);
	if (at != FLEET_MAX_ROWS) {
		*row = at;
		return AIBRIX_E_STATE;
	}
	at = aibrix__rows_lowest_free(&fleet->rows);
	if (at >= fleet->max_rows)
		return AIBRIX_E_FULL;
	err = fleet_reserve(fleet, at + 1, fleet->rows.count + 1);
	if (err)
		return err;

	fleet->owners[at] = *owner;
	aibrix__owners_add(&fleet->map, fleet->owners, at);
	aibrix__rows_add(&fleet->rows, at);
	*row = at;
	return AIBRIX_OK;
}

int
aibrix_fleet_remove(aibrix_fleet *fleet, uint32_t row)
{
	if (!fleet)
		return AIBRIX_E_INVAL;
	if (!aibrix__rows_has(&fleet->rows, row))
		return AIBRIX_E_NOT_FOUND;
	for (uint32_t i = 0; i < AIBRIX_COL_MAX; i++)
		if (fleet->columns[i].values)
			fleet->columns[i].values[row] = NAN;
	aibrix__owners_remove(&fleet->map, fleet->owners, row);
	aibrix__rows_remove(&fleet->rows, row);
	return AIBRIX_OK;
}

int
aibrix_fleet_find(const aibrix_fleet *fleet, const aibrix_owner *owner,
		  uint32_t *row)
{
	uint32_t at;

	if (!fleet || !owner || !row)
		return AIBRIX_E_INVAL;
	at = aibrix__owners_find(&fleet->map, fleet->owners, owner);
	if (at == FLEET_MAX_ROWS)
		return AIBRIX_E_NOT_FOUND;
	*row = at;
	return AIBRIX_OK;
}

int
aibrix_fleet_owner(const aibrix_fleet *fleet, uint32_t row, aibrix_owner *owner)
{
	if (!fleet || !owner)
		return AIBRIX_E_INVAL;
	if (!aibrix__rows_has(&fleet->rows, row))
		return AIBRIX_E_NOT_FOUND;
	*owner = fleet->owners[row];
	return AIBRIX_OK;
}

uint32_t
aibrix_fleet_rows(const aibrix_fleet *fleet)
{
	return fleet ? fleet->rows.rows : 0;
}

uint32_t
aibrix_fleet_count(const aibrix_fleet *fleet)
{
	return fleet ? fleet->rows.count : 0;
}

int
aibrix_fleet_set(aibrix_fleet *fleet, uint32_t row, uint32_t column,
		 double value, uint64_t now_ns)
{
	struct column *c;
	int err;

	if (!fleet || column >= AIBRIX_COL_MAX)
		return AIBRIX_E_INVAL;
	if (!aibrix__rows_has(&fleet->rows, row))
		return AIBRIX_E_NOT_FOUND;
	c = &fleet->columns[column];
	if (!c->values && isnan(value))
		return AIBRIX_OK;
	err = column_reserve(fleet, c, fleet->rows.rows);
	if (err)
		return err;
	c->values[row] = value;
	c->set_ns[row] = now_ns;
	return AIBRIX_OK;
}

int
aibrix_fleet_set_column(aibrix_fleet *fleet, uint32_t column,
			const double *values, uint32_t rows, uint64_t now_ns)
{
	struct column *c;
	int err;

	if (!fleet || column >= AIBRIX_COL_MAX || rows != fleet->rows.rows ||
	    (rows && !values))
		return AIBRIX_E_INVAL;
	c = &fleet->columns[column];
	err = column_reserve(fleet, c, rows);
	if (err)
		return err;
	for (uint32_t i = 0; i < rows; i++) {
		if (!aibrix__rows_has(&fleet->rows, i))
			continue;
		c->values[i] = values[i];
		c->set_ns[i] = now_ns;
	}
	return AIBRIX_OK;
}

int
aibrix_fleet_get(const aibrix_fleet *fleet, uint32_t row, uint32_t column,
		 uint64_t now_ns, double *value, uint64_t *age_ns)
{
	const struct column *c;
	uint64_t age = AIBRIX_FOREVER;
	double x = NAN;

	if (!fleet || !value || column >= AIBRIX_COL_MAX)
		return AIBRIX_E_INVAL;
	if (!aibrix__rows_has(&fleet->rows, row))
		return AIBRIX_E_NOT_FOUND;
	c = &fleet->columns[column];
	if (c->values)
		x = c->values[row];
	if (!isnan(x))
		age = now_ns > c->set_ns[row] ? now_ns - c->set_ns[row] : 0;
	*value = x;
	if (age_ns)
		*age_ns = age;
	return AIBRIX_OK;
}

const double *
aibrix_fleet_column(const aibrix_fleet *fleet, uint32_t column)
{
	if (!fleet || column >= AIBRIX_COL_MAX)
		return NULL;
	return fleet->columns[column].values;
}

const uint64_t *
aibrix__fleet_times(const aibrix_fleet *fleet, uint32_t column)
{
	return fleet->columns[column].set_ns;
}

struct fleet_view
aibrix__fleet_view(const aibrix_fleet *fleet)
{
	return (struct fleet_view){fleet->owners, fleet->rows.used,
				   fleet->rows.rows, fleet->rows.count};
}
