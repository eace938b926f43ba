/*
 * GPU profiles: matrices over the logarithms of sizes.
 *
 * A profile comes from a shared store, so it is read as hostile bytes: a
 * limit for the text and for each dimension, then one allocation of exactly
 * the four matrices.
 *
 * Unlike AIBrix (pkg/cache/pending_load_provider.go): a request whose latency
 * is not measured has no load, and that is said; there it takes nothing.
 */

#include <aibrix/gpu_profile.h>

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/decimal.h"
#include "base/json.h"
#include "base/versioned.h"

enum { SIZES_MAX = AIBRIX_GPU_PROFILE_SIZES_MAX };

enum { TPUT, E2E, TTFT, TPOT, MATRICES };

struct side {
	double log[SIZES_MAX]; /* of sizes, ascending */
	uint32_t n;
};

struct aibrix_gpu_profile {
	aibrix_allocator alloc;
	struct side output, input;
	aibrix_gpu_facts facts;
	double *matrix; /* MATRICES of output.n rows of input.n */
	char name[AIBRIX_GPU_PROFILE_NAME_MAX + 1];
};

static size_t
cells_of(const aibrix_gpu_profile *p)
{
	return (size_t)p->output.n * p->input.n;
}

/* A number that is finite and not negative; NaN for null. */
static int
number_read(const struct json *value, double *out)
{
	if (value->type == JSON_NULL) {
		*out = NAN;
		return AIBRIX_OK;
	}
	if (value->type != JSON_NUMBER ||
	    aibrix__decimal_read(value->at, value->n, out) != AIBRIX_OK ||
	    !(*out >= 0) || isinf(*out))
		return AIBRIX_E_PARSE;
	return AIBRIX_OK;
}

/* A member of an object; NaN when it is missing. */
static int
member_read(const struct json *object, const char *name, double *out,
	    struct json *at)
{
	struct json value;

	*out = NAN;
	if (!aibrix__json_find(object, name, &value))
		return AIBRIX_OK;
	*at = value;
	return number_read(&value, out);
}

static int
side_read(const struct json *array, struct side *side, struct json *at)
{
	struct json_walk walk = aibrix__json_walk(array);
	struct json value;
	double last = 0, x;

	*at = *array;
	if (array->type != JSON_ARRAY)
		return AIBRIX_E_PARSE;
	while (aibrix__json_next(&walk, NULL, &value)) {
		*at = value;
		/* NaN fails too. */
		if (side->n == SIZES_MAX || number_read(&value, &x) ||
		    !(x > last))
			return AIBRIX_E_PARSE;
		last = x;
		side->log[side->n++] = log2(x);
	}
	return side->n ? AIBRIX_OK : AIBRIX_E_PARSE;
}

static int
sides_read(aibrix_gpu_profile *p, const struct json *object, struct json *at)
{
	struct json indexes, side;
	struct json_walk walk;
	int err;

	if (!aibrix__json_find(object, "indexes", &indexes))
		return AIBRIX_E_PARSE;
	*at = indexes;
	walk = aibrix__json_walk(&indexes);
	if (indexes.type != JSON_ARRAY ||
	    !aibrix__json_next(&walk, NULL, &side))
		return AIBRIX_E_PARSE;
	err = side_read(&side, &p->output, at);
	if (err)
		return err;
	*at = indexes;
	if (!aibrix__json_next(&walk, NULL, &side))
		return AIBRIX_E_PARSE;
	err = side_read(&side, &p->input, at);
	if (err)
		return err;
	*at = indexes;
	return aibrix__json_next(&walk, NULL, &side) ? AIBRIX_E_PARSE
						     : AIBRIX_OK;
}

static int
row_read(const struct json *array, double *row, uint32_t n, struct json *at)
{
	struct json_walk walk = aibrix__json_walk(array);
	struct json value;
	uint32_t i = 0;

	*at = *array;
	if (array->type != JSON_ARRAY)
		return AIBRIX_E_PARSE;
	for (; aibrix__json_next(&walk, NULL, &value); i++) {
		*at = value;
		if (i == n || number_read(&value, &row[i]))
			return AIBRIX_E_PARSE;
	}
	return i == n ? AIBRIX_OK : AIBRIX_E_PARSE;
}

/* One that is missing is not known. */
static int
matrix_read(aibrix_gpu_profile *p, const struct json *object, const char *name,
	    double *matrix, struct json *at)
{
	struct json rows, row;
	struct json_walk walk;
	uint32_t i = 0;
	int err;

	for (size_t k = 0; k < cells_of(p); k++)
		matrix[k] = NAN;
	if (!aibrix__json_find(object, name, &rows) || rows.type == JSON_NULL)
		return AIBRIX_OK;
	*at = rows;
	if (rows.type != JSON_ARRAY)
		return AIBRIX_E_PARSE;
	walk = aibrix__json_walk(&rows);
	for (; aibrix__json_next(&walk, NULL, &row); i++) {
		*at = row;
		if (i == p->output.n)
			return AIBRIX_E_PARSE;
		err = row_read(&row, matrix + (size_t)i * p->input.n,
			       p->input.n, at);
		if (err)
			return err;
	}
	return i == p->output.n ? AIBRIX_OK : AIBRIX_E_PARSE;
}

static int
name_read(aibrix_gpu_profile *p, const struct json *object, struct json *at)
{
	struct json value;
	size_t n;

	if (!aibrix__json_find(object, "gpu", &value) ||
	    value.type == JSON_NULL)
		return AIBRIX_OK;
	*at = value;
	if (aibrix__json_text(&value, p->name, AIBRIX_GPU_PROFILE_NAME_MAX, &n))
		return AIBRIX_E_PARSE;
	/* A name is text, as C has it. */
	return memchr(p->name, 0, n) ? AIBRIX_E_PARSE : AIBRIX_OK;
}

static int
targets_read(aibrix_gpu_profile *p, const struct json *object, struct json *at)
{
	aibrix_gpu_facts *f = &p->facts;
	struct json slos = {.type = JSON_NULL};
	int err;

	if (aibrix__json_find(object, "slos", &slos) &&
	    slos.type != JSON_NULL && slos.type != JSON_OBJECT) {
		*at = slos;
		return AIBRIX_E_PARSE;
	}
	/* Nothing is found in what is no object. */
	err = member_read(&slos, "percentile", &f->percentile, at);
	if (!err)
		err = member_read(&slos, "tput", &f->tput, at);
	if (!err)
		err = member_read(&slos, "tt", &f->tt, at);
	if (!err)
		err = member_read(&slos, "e2e", &f->e2e, at);
	if (!err)
		err = member_read(&slos, "ttft", &f->ttft, at);
	if (!err)
		err = member_read(&slos, "tpat", &f->tpat, at);
	if (!err)
		err = member_read(&slos, "tpot", &f->tpot, at);
	return err;
}

static int
matrices_read(aibrix_gpu_profile *p, const struct json *object, struct json *at)
{
	static const char *const names[MATRICES] = {[TPUT] = "tputs",
						    [E2E] = "e2e",
						    [TTFT] = "ttft",
						    [TPOT] = "tpot"};
	int err = AIBRIX_OK;

	p->matrix = aibrix__alloc(&p->alloc, MATRICES * cells_of(p),
				  sizeof(*p->matrix));
	if (!p->matrix)
		return AIBRIX_E_NOMEM;
	for (int i = 0; i < MATRICES && !err; i++)
		err = matrix_read(p, object, names[i],
				  p->matrix + (size_t)i * cells_of(p), at);
	return err;
}

static int
profile_fill(aibrix_gpu_profile *p, const struct json *object, struct json *at)
{
	int err;

	*at = *object;
	if (object->type != JSON_OBJECT)
		return AIBRIX_E_PARSE;
	err = sides_read(p, object, at);
	if (!err)
		err = name_read(p, object, at);
	if (!err)
		err = member_read(object, "cost", &p->facts.cost, at);
	if (!err)
		err = member_read(object, "created", &p->facts.created, at);
	if (!err)
		err = targets_read(p, object, at);
	if (!err)
		err = matrices_read(p, object, at);
	p->facts.size = sizeof(p->facts);
	p->facts.outputs = p->output.n;
	p->facts.inputs = p->input.n;
	return err;
}

int
aibrix_gpu_profile_read(const char *text, uint64_t bytes,
			const aibrix_allocator *alloc, uint64_t *err_offset,
			aibrix_gpu_profile **out)
{
	struct json object, at;
	aibrix_allocator own;
	aibrix_gpu_profile *p;
	size_t offset = 0;
	int err;

	if (!text || !out)
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&own, alloc);
	if (err)
		return err;
	err = bytes > AIBRIX_GPU_PROFILE_BYTES_MAX
		      ? AIBRIX_E_PARSE
		      : aibrix__json_read(text, (size_t)bytes, &object,
					  &offset);
	if (err) {
		if (err_offset)
			*err_offset = offset;
		return err;
	}
	p = aibrix__alloc(&own, 1, sizeof(*p));
	if (!p)
		return AIBRIX_E_NOMEM;
	p->alloc = own;
	err = profile_fill(p, &object, &at);
	if (err) {
		aibrix_gpu_profile_free(p);
		if (err_offset && err == AIBRIX_E_PARSE)
			*err_offset = (uint64_t)(at.at - text);
		return err;
	}
	*out = p;
	return AIBRIX_OK;
}

void
aibrix_gpu_profile_free(aibrix_gpu_profile *profile)
{
	aibrix_allocator a;

	if (!profile)
		return;
	a = profile->alloc;
	aibrix__free(&a, profile->matrix, MATRICES * cells_of(profile),
		     sizeof(*profile->matrix));
	aibrix__free(&a, profile, 1, sizeof(*profile));
}

const char *
aibrix_gpu_profile_name(const aibrix_gpu_profile *profile)
{
	return profile ? profile->name : "";
}

int
aibrix_gpu_profile_facts(const aibrix_gpu_profile *profile,
			 aibrix_gpu_facts *facts)
{
	if (!profile || !facts)
		return AIBRIX_E_INVAL;
	return aibrix__struct_store(facts, &profile->facts,
				    sizeof(profile->facts),
				    STRUCT_UPTO(aibrix_gpu_facts, tpot));
}

static uint32_t
side_find(const struct side *side, int64_t tokens)
{
	double x = log2((double)tokens); /* of 0: below all */
	uint32_t low = 0, high = side->n - 1;

	/* log[low] <= x < log[high], unless x is beyond them. */
	if (x <= side->log[low])
		return low;
	if (x >= side->log[high])
		return high;
	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (side->log[mid] <= x)
			low = mid;
		else
			high = mid;
	}
	return x < (side->log[low] + side->log[high]) / 2 ? low : high;
}

int
aibrix_gpu_profile_cell(const aibrix_gpu_profile *profile,
			int64_t output_tokens, int64_t input_tokens,
			uint32_t *output, uint32_t *input)
{
	if (!profile || !output || !input || output_tokens < 0 ||
	    input_tokens < 0)
		return AIBRIX_E_INVAL;
	*output = side_find(&profile->output, output_tokens);
	*input = side_find(&profile->input, input_tokens);
	return AIBRIX_OK;
}

int
aibrix_gpu_profile_at(const aibrix_gpu_profile *profile, uint32_t output,
		      uint32_t input, aibrix_gpu_cell *cell)
{
	aibrix_gpu_cell own = {.size = sizeof(own)};
	const double *at;
	size_t cells;

	if (!profile || !cell || output >= profile->output.n ||
	    input >= profile->input.n)
		return AIBRIX_E_INVAL;
	cells = cells_of(profile);
	at = profile->matrix + (size_t)output * profile->input.n + input;
	own.requests_per_s = at[TPUT * cells];
	own.e2e_s = at[E2E * cells];
	own.ttft_s = at[TTFT * cells];
	own.tpot_s = at[TPOT * cells];
	return aibrix__struct_store(cell, &own, sizeof(own),
				    STRUCT_UPTO(aibrix_gpu_cell, tpot_s));
}

/* The cell of a request, read. */
static int
cell_of(const aibrix_gpu_profile *p, int64_t output_tokens,
	int64_t input_tokens, aibrix_gpu_cell *cell)
{
	uint32_t output, input;
	int err;

	err = aibrix_gpu_profile_cell(p, output_tokens, input_tokens, &output,
				      &input);
	if (err)
		return err;
	cell->size = sizeof(*cell);
	return aibrix_gpu_profile_at(p, output, input, cell);
}

int
aibrix_gpu_profile_load(const aibrix_gpu_profile *profile,
			int64_t output_tokens, int64_t input_tokens,
			double *load)
{
	aibrix_gpu_cell cell;
	double share;
	int err;

	if (!load)
		return AIBRIX_E_INVAL;
	err = cell_of(profile, output_tokens, input_tokens, &cell);
	if (err)
		return err;
	if (cell.requests_per_s <= 0)
		return AIBRIX_E_UNSUPPORTED;
	/* NaN fails too. */
	if (!(cell.requests_per_s * cell.e2e_s > 0))
		return AIBRIX_E_NOT_FOUND;
	share = 1 / (cell.requests_per_s * cell.e2e_s);
	if (isinf(share))
		return AIBRIX_E_UNSUPPORTED;
	*load = share;
	return AIBRIX_OK;
}

/* AIBrix reads a target of 0 as none; NaN is none here. */
static int
is_set(double target)
{
	return target > 0;
}

int
aibrix_gpu_profile_rank(const aibrix_gpu_profile *profile,
			int64_t output_tokens, int64_t input_tokens,
			double elapsed_s, double *rank)
{
	const aibrix_gpu_facts *f;
	aibrix_gpu_cell cell;
	double target, expected;
	int err;

	if (!rank || !isfinite(elapsed_s))
		return AIBRIX_E_INVAL;
	err = cell_of(profile, output_tokens, input_tokens, &cell);
	if (err)
		return err;
	f = &profile->facts;
	expected = cell.e2e_s;
	if (is_set(f->tpot)) {
		target = f->tpot * (double)output_tokens;
		target += is_set(f->ttft) ? f->ttft : 0;
	} else if (is_set(f->ttft)) {
		target = f->ttft;
		expected = cell.ttft_s;
	} else if (is_set(f->tpat)) {
		target = f->tpat *
			 ((double)input_tokens + (double)output_tokens);
	} else {
		target = is_set(f->e2e) ? f->e2e : NAN;
	}
	if (!isfinite(expected - target))
		return AIBRIX_E_NOT_FOUND;
	*rank = elapsed_s + expected - target;
	return AIBRIX_OK;
}
