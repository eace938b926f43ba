/*
 * Lengths of answers: a histogram for each length of prompt, over a window.
 *
 *	slots of 10 s    3 | 4 | 5        counts, by (input, output)
 *	all              sum of the slots
 *
 * A slot that has grown old is subtracted from the sum, so a guess reads one
 * row and costs nothing for the window.  Slots know their time, so a pause
 * of any length is no work.
 *
 * Unlike AIBrix (pkg/cache/output_predictor.go): the guess is a quantile or
 * a mean, not a draw.  A drawn length makes the same request urgent now and
 * not the next time it is asked, and a queue ordered by it is in no order.
 */

#include <aibrix/output.h>

#include <math.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "base/versioned.h"

#define SLOT_NS ((uint64_t)10000000000)
#define WINDOW_DEFAULT_NS (24 * SLOT_NS)
#define WINDOW_MAX_NS (360 * SLOT_NS)
#define TOKENS_DEFAULT ((uint64_t)1048576)
#define TOKENS_MAX ((uint64_t)1 << 32)

enum { BUCKETS_MAX = 33 };

struct aibrix_output {
	aibrix_allocator alloc;
	uint32_t inputs, outputs, slots;
	uint64_t now;     /* in slots of time, the latest seen */
	uint32_t *counts; /* slots of inputs rows of outputs */
	uint64_t *sums;   /* inputs rows of outputs */
	uint64_t *times;  /* of each slot */
};

static size_t
cells_of(const aibrix_output *o)
{
	return (size_t)o->inputs * o->outputs;
}

/* Buckets for lengths up to max. */
static uint32_t
buckets_for(uint64_t max)
{
	return (uint32_t)ceil(log2((double)max + 1));
}

static int
opts_load(aibrix_output_opts *own, aibrix_allocator *alloc,
	  const aibrix_output_opts *opts)
{
	int err;

	err = aibrix__struct_load(own, sizeof(*own), opts,
				  STRUCT_UPTO(aibrix_output_opts, alloc));
	if (err)
		return err;
	if (own->max_input == 0)
		own->max_input = TOKENS_DEFAULT;
	if (own->max_output == 0)
		own->max_output = TOKENS_DEFAULT;
	if (own->window_ns == 0)
		own->window_ns = WINDOW_DEFAULT_NS;
	if (own->max_input > TOKENS_MAX || own->max_output > TOKENS_MAX ||
	    own->window_ns > WINDOW_MAX_NS || own->spare)
		return AIBRIX_E_INVAL;
	return aibrix__allocator_load(alloc, own->alloc);
}

int
aibrix_output_new(const aibrix_output_opts *opts, aibrix_output **out)
{
	aibrix_allocator alloc;
	aibrix_output_opts own;
	aibrix_output *o;
	int err = out ? opts_load(&own, &alloc, opts) : AIBRIX_E_INVAL;

	if (err)
		return err;
	o = aibrix__alloc(&alloc, 1, sizeof(*o));
	if (!o)
		return AIBRIX_E_NOMEM;
	o->alloc = alloc;
	o->inputs = buckets_for(own.max_input);
	o->outputs = buckets_for(own.max_output);
	o->slots = (uint32_t)((own.window_ns + SLOT_NS - 1) / SLOT_NS);
	o->counts = aibrix__alloc(&alloc, o->slots * cells_of(o),
				  sizeof(*o->counts));
	o->sums = aibrix__alloc(&alloc, cells_of(o), sizeof(*o->sums));
	o->times = aibrix__alloc(&alloc, o->slots, sizeof(*o->times));
	if (!o->counts || !o->sums || !o->times) {
		aibrix_output_free(o);
		return AIBRIX_E_NOMEM;
	}
	*out = o;
	return AIBRIX_OK;
}

void
aibrix_output_free(aibrix_output *output)
{
	aibrix_allocator a;

	if (!output)
		return;
	a = output->alloc;
	aibrix__free(&a, output->counts, output->slots * cells_of(output),
		     sizeof(*output->counts));
	aibrix__free(&a, output->sums, cells_of(output), sizeof(*output->sums));
	aibrix__free(&a, output->times, output->slots, sizeof(*output->times));
	aibrix__free(&a, output, 1, sizeof(*output));
}

static uint32_t
bucket_of(uint64_t tokens, uint32_t buckets)
{
	uint32_t b = tokens ? (uint32_t)lround(log2((double)tokens)) : 0;

	return b < buckets ? b : buckets - 1;
}

static void
slot_clear(aibrix_output *o, uint32_t slot)
{
	uint32_t *counts = o->counts + slot * cells_of(o);

	for (size_t i = 0; i < cells_of(o); i++) {
		o->sums[i] -= counts[i];
		counts[i] = 0;
	}
}

/* The clock goes on; what is older than the window leaves the sums. */
static void
now_set(aibrix_output *o, uint64_t now_ns)
{
	uint64_t now = now_ns / SLOT_NS;

	if (now <= o->now)
		return;
	for (uint32_t i = 0; i < o->slots; i++)
		if (o->times[i] + o->slots <= now) {
			slot_clear(o, i);
			o->times[i] = now;
		}
	o->now = now;
}

int
aibrix_output_add(aibrix_output *output, uint64_t input_tokens,
		  uint64_t output_tokens, uint32_t n, uint64_t now_ns)
{
	aibrix_output *o = output;
	uint32_t slot, *count;
	size_t cell;

	if (!o)
		return AIBRIX_E_INVAL;
	now_set(o, now_ns);
	slot = (uint32_t)(o->now % o->slots);
	o->times[slot] = o->now;
	cell = (size_t)bucket_of(input_tokens, o->inputs) * o->outputs +
	       bucket_of(output_tokens, o->outputs);
	count = &o->counts[slot * cells_of(o) + cell];
	if (n > UINT32_MAX - *count)
		n = UINT32_MAX - *count;
	*count += n;
	o->sums[cell] += n;
	return AIBRIX_OK;
}

/* Counts by length of answers to prompts like this, or to all. */
static uint64_t
row_read(const aibrix_output *o, uint64_t input_tokens, int all,
	 uint64_t row[BUCKETS_MAX])
{
	uint32_t from = bucket_of(input_tokens, o->inputs);
	uint64_t total = 0;

	for (uint32_t c = 0; c < o->outputs; c++) {
		row[c] = 0;
		for (uint32_t r = 0; r < o->inputs; r++)
			if (all || r == from)
				row[c] += o->sums[(size_t)r * o->outputs + c];
		total += row[c];
	}
	return total;
}

static double
row_mean(const uint64_t *row, uint32_t n, uint64_t total)
{
	double sum = 0;

	for (uint32_t c = 0; c < n; c++)
		sum += (double)row[c] * ldexp(1, (int)c);
	return sum / (double)total;
}

/* A bucket reaches from 2^(c - 1/2) to 2^(c + 1/2), the first from 0; within
 * it the logarithm is taken as even. */
static double
row_quantile(const uint64_t *row, uint32_t n, uint64_t total, double quantile)
{
	double want = quantile * (double)total, below = 0, part = 1;
	uint32_t c = 0, last = 0;

	for (; c < n; c++) {
		if (row[c] == 0)
			continue;
		last = c;
		if (below + (double)row[c] >= want)
			break;
		below += (double)row[c];
	}
	if (c < n)
		part = (want - below) / (double)row[c];
	return last ? exp2((double)last - 0.5 + part) : 1;
}

int
aibrix_output_guess_at(aibrix_output *output, uint64_t input_tokens,
		       double quantile, uint64_t max_tokens, uint64_t now_ns,
		       aibrix_output_guess *guess)
{
	aibrix_output *o = output;
	aibrix_output_guess own = {.size = sizeof(own)};
	uint64_t row[BUCKETS_MAX];

	if (!o || !guess || quantile < 0 || quantile > 1)
		return AIBRIX_E_INVAL;
	now_set(o, now_ns);
	own.answers = row_read(o, input_tokens, 0, row);
	if (own.answers == 0) {
		own.all = 1;
		own.answers = row_read(o, input_tokens, 1, row);
	}
	if (own.answers == 0)
		return AIBRIX_E_NOT_FOUND;
	own.tokens = isnan(quantile) ? row_mean(row, o->outputs, own.answers)
				     : row_quantile(row, o->outputs,
						    own.answers, quantile);
	if (max_tokens && own.tokens > (double)max_tokens)
		own.tokens = (double)max_tokens;
	return aibrix__struct_store(guess, &own, sizeof(own),
				    STRUCT_UPTO(aibrix_output_guess, tokens));
}

int
aibrix_output_draw(aibrix_output *output, uint64_t input_tokens,
		   uint64_t entropy, uint64_t now_ns, uint64_t *tokens)
{
	aibrix_output *o = output;
	uint64_t row[BUCKETS_MAX], total, at;
	uint32_t c = 0;

	if (!o || !tokens)
		return AIBRIX_E_INVAL;
	now_set(o, now_ns);
	total = row_read(o, input_tokens, 0, row);
	if (total == 0) {
		*tokens = 1;
		return AIBRIX_OK;
	}
	/* The bias is below total / 2^64. */
	at = mix64(entropy) % total;
	for (; at >= row[c]; c++)
		at -= row[c];
	*tokens = (uint64_t)1 << c;
	return AIBRIX_OK;
}
