/*
 * A batch of KV events, one event at a time.
 *
 *	[ time, [ event, event, ... ], rank ]
 *	          |
 *	          +-- fields, as they come: hashes and tokens into scratch,
 *	          |   the rest as spans of the batch (event_fields.c)
 *	          +-- does it make sense, and for us? (here)
 *	          '-- content hashes (event_contents.c)
 *
 * Made for: engines send a batch at each step, thousands a second over a
 * fleet, of 1 to 1000 blocks; four bytes in five are tokens.  Nothing is
 * built in between: tokens go from the wire into one array, are hashed there
 * and forgotten.  The arrays stay from batch to batch, and each is bounded
 * by the bytes of a batch, since an element takes a byte.
 *
 * An event that cannot be used is skipped by its framing, from its start
 * once more: so the reader of fields may stop wherever it likes.
 */

#include <aibrix/event.h>

#include <string.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "event/event_internal.h"

enum { EVENTS_DEFAULT = 65536 };

static const uint64_t BYTES_DEFAULT = (uint64_t)64 << 20;
static const uint64_t BYTES_MAX = (uint64_t)1 << 30;

static int
sizes_load(aibrix_event_decoder *d, const aibrix_event_opts *opts)
{
	const uint32_t block = aibrix_hash_block_tokens(opts->hash);
	const uint32_t engine = opts->engine_block_tokens;

	if (!block && !(opts->flags & AIBRIX_EVENT_NO_HASHES))
		return AIBRIX_E_INVAL;
	d->block_tokens = block ? block : engine;
	d->engine_tokens = engine ? engine : block;
	if (!d->block_tokens || d->engine_tokens % d->block_tokens)
		return AIBRIX_E_INVAL;
	d->split = d->engine_tokens / d->block_tokens;
	if (d->split > SPLIT_MAX || opts->max_bytes > BYTES_MAX)
		return AIBRIX_E_INVAL;
	d->max_bytes = opts->max_bytes ? opts->max_bytes : BYTES_DEFAULT;
	d->max_events = opts->max_events ? opts->max_events : EVENTS_DEFAULT;
	return AIBRIX_OK;
}

int
aibrix_event_new(const aibrix_event_opts *opts, aibrix_event_decoder **out)
{
	aibrix_event_decoder *d, plan;
	aibrix_event_opts o;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts,
				  STRUCT_UPTO(aibrix_event_opts, alloc));
	if (err)
		return err;
	if (o.flags & ~(AIBRIX_EVENT_FOLD_FIRST | AIBRIX_EVENT_NO_HASHES))
		return AIBRIX_E_ABI;
	memset(&plan, 0, sizeof(plan));
	err = aibrix__allocator_load(&plan.alloc, o.alloc);
	if (!err)
		err = sizes_load(&plan, &o);
	if (err)
		return err;
	d = aibrix__alloc(&plan.alloc, 1, sizeof(*d));
	if (!d)
		return AIBRIX_E_NOMEM;
	*d = plan;
	d->hash = o.hash;
	d->flags = o.flags;
	*out = d;
	return AIBRIX_OK;
}

void
aibrix_event_free(aibrix_event_decoder *d)
{
	aibrix_allocator alloc;

	if (!d)
		return;
	alloc = d->alloc;
	aibrix__free(&alloc, d->tokens, d->tokens_cap, sizeof(*d->tokens));
	aibrix__free(&alloc, d->names, d->names_cap, sizeof(*d->names));
	aibrix__free(&alloc, d->hashes, d->hashes_cap, sizeof(*d->hashes));
	aibrix__free(&alloc, d, 1, sizeof(*d));
}

/* What stands before the events. */
struct head {
	uint32_t n_fields, n_events;
	double time_s;
};

static int
head_read(struct cursor *c, struct head *h)
{
	struct value v;

	if (!value_read(c, &v) || v.kind != VALUE_ARRAY || v.n < 2)
		return 0;
	h->n_fields = v.n;
	if (!value_read(c, &v))
		return 0;
	switch (v.kind) {
	case VALUE_FLOAT: h->time_s = v.real; break;
	case VALUE_UINT: h->time_s = (double)v.number; break;
	case VALUE_INT: h->time_s = (double)(int64_t)v.number; break;
	default: return 0;
	}
	if (!value_read(c, &v) || v.kind != VALUE_ARRAY || v.n > cursor_left(c))
		return 0;
	h->n_events = v.n;
	return 1;
}

int
aibrix_event_open(aibrix_event_decoder *d, const void *bytes, uint64_t n,
		  aibrix_event_batch *batch)
{
	const uint8_t *at = bytes;
	aibrix_event_batch out = {0};
	struct cursor c;
	struct head h;

	if (!d || (n && !bytes))
		return AIBRIX_E_INVAL;
	d->open = 0;
	c = (struct cursor){at, n <= d->max_bytes && n ? at + n : at};
	if (!head_read(&c, &h) || h.n_events > d->max_events) {
		d->stat.bad_batches++;
		return AIBRIX_E_PARSE;
	}
	out.n_events = h.n_events;
	out.time_s = h.time_s;
	if (batch) {
		int err = aibrix__struct_store(
			batch, &out, sizeof(out),
			STRUCT_UPTO(aibrix_event_batch, time_s));

		if (err)
			return err;
	}
	d->stat.batches++;
	d->in = c;
	d->events_left = h.n_events;
	d->extra_left = h.n_fields - 2;
	d->open = 1;
	return AIBRIX_OK;
}

/* E_NOT_FOUND: none; E_PARSE: what is there is no rank. */
static int
rank_read(struct cursor *c, uint32_t n_fields, uint32_t *rank)
{
	struct value v;

	if (!n_fields)
		return AIBRIX_E_NOT_FOUND;
	if (!value_read(c, &v))
		return AIBRIX_E_PARSE;
	if (v.kind == VALUE_NIL)
		return AIBRIX_E_NOT_FOUND;
	if (v.kind != VALUE_UINT || v.number > UINT32_MAX)
		return AIBRIX_E_PARSE;
	*rank = (uint32_t)v.number;
	return AIBRIX_OK;
}

int
aibrix_event_rank(const void *bytes, uint64_t n, uint32_t *rank)
{
	const uint8_t *at = bytes;
	struct cursor c = {at, at};
	struct head h;

	if (!rank || (n && !bytes) || n > SIZE_MAX)
		return AIBRIX_E_INVAL;
	if (n)
		c.end = at + n;
	if (!head_read(&c, &h) || !aibrix__values_skip(&c, h.n_events))
		return AIBRIX_E_PARSE;
	return rank_read(&c, h.n_fields - 2, rank);
}

static int
batch_end(aibrix_event_decoder *d)
{
	uint32_t rank;

	d->open = 0;
	if (rank_read(&d->in, d->extra_left, &rank) == AIBRIX_E_PARSE)
		d->stat.bad_ranks++;
	return AIBRIX_E_NOT_FOUND;
}

static void
skip_count(aibrix_event_stat *s, enum outcome why)
{
	switch (why) {
	case TAKEN: break;
	case MALFORMED: s->malformed++; break;
	case UNKNOWN_TYPE: s->unknown_types++; break;
	case UNKNOWN_MEDIUM: s->unknown_media++; break;
	case WRONG_BLOCK_SIZE: s->wrong_block_size++; break;
	case WRONG_TOKENS: s->wrong_tokens++; break;
	case BIGRAMS: s->bigrams++; break;
	case TOO_LARGE: s->too_large++; break;
	case UNHASHABLE: s->unhashable++; break;
	case NO_MEMORY: s->no_memory++; break;
	}
}

static int
skip_status(enum outcome why)
{
	switch (why) {
	case MALFORMED:
	case WRONG_TOKENS: return AIBRIX_E_PARSE;
	case NO_MEMORY: return AIBRIX_E_NOMEM;
	default: return AIBRIX_E_UNSUPPORTED;
	}
}

/* A stored event: do its parts fit each other, and us? */
static enum outcome
stored_check(aibrix_event_decoder *d, struct fields *f)
{
	enum outcome out;

	out = aibrix__texts_find(d, f);
	if (out != TAKEN)
		return out;
	if (f->block_size > UINT32_MAX)
		return WRONG_BLOCK_SIZE;
	/* Other groups announce more tokens than hashes x block size. */
	if (f->kind != AIBRIX_GROUP_FULL || !f->n_tokens)
		return TAKEN;
	if (f->block_size != d->engine_tokens)
		return WRONG_BLOCK_SIZE;
	if (f->n_tokens != (uint64_t)f->n_names * d->engine_tokens)
		return WRONG_TOKENS;
	if (d->flags & AIBRIX_EVENT_NO_HASHES)
		return TAKEN;
	f->has_contents = 1;
	return aibrix__contents_make(d, f);
}

static enum outcome
event_read(aibrix_event_decoder *d, struct cursor *c, size_t held,
	   struct fields *f)
{
	enum outcome out = aibrix__fields_read(d, c, held, f);

	if (out != TAKEN || f->type == AIBRIX_EVENT_CLEARED)
		return out;
	if (!f->has_names)
		return MALFORMED;
	if (f->type == AIBRIX_EVENT_STORED)
		out = stored_check(d, f);
	if (d->split > 1 && f->n_names)
		aibrix__names_split(d->names + held, f->n_names, d->split);
	return out;
}

/* Fields that the type does not have are zero already. */
static void
event_write(const aibrix_event_decoder *d, size_t held, const struct fields *f,
	    aibrix_event *e)
{
	e->type = f->type;
	e->flags = f->has_parent ? AIBRIX_INDEX_HAS_PARENT : 0;
	e->tier = f->tier;
	e->group = f->group;
	e->kind = f->kind;
	e->n = f->n_names * d->split;
	e->parent = f->has_parent ? f->parent : 0;
	e->names = f->n_names ? d->names + held : NULL;
	e->hashes = f->has_contents ? d->hashes : NULL;
	e->tokens = f->n_tokens ? d->tokens : NULL;
	e->n_tokens = f->n_tokens;
	e->block_tokens = (uint32_t)f->block_size;
	e->spare = 0;
	e->lora = f->lora_text;
	e->salt = f->salt_text;
	e->extra = f->extra.at;
	e->extra_bytes = f->extra.n;
}

static void
taken_count(aibrix_event_stat *s, const aibrix_event *e)
{
	switch (e->type) {
	case AIBRIX_EVENT_STORED:
		s->stored++;
		s->stored_blocks += e->n;
		s->without_tokens += e->n && !e->n_tokens;
		break;
	case AIBRIX_EVENT_REMOVED:
		s->removed++;
		s->removed_blocks += e->n;
		break;
	default: s->cleared++; break;
	}
}

int
aibrix__event_skip(aibrix_event_decoder *d, enum outcome why)
{
	if (!aibrix__value_skip(&d->in)) {
		d->stat.broken_batches++;
		d->stat.lost += d->events_left;
		d->events_left = 0;
		d->extra_left = 0;
		return AIBRIX_E_PARSE;
	}
	d->events_left--;
	skip_count(&d->stat, why);
	return skip_status(why);
}

int
aibrix__event_take(aibrix_event_decoder *d, size_t held, aibrix_event *e)
{
	struct cursor c = d->in;
	struct fields f;
	enum outcome out;

	if (!d->open)
		return AIBRIX_E_STATE;
	if (!d->events_left)
		return batch_end(d);
	out = event_read(d, &c, held, &f);
	if (out == TAKEN) {
		event_write(d, held, &f, e);
		d->in = c;
		d->events_left--;
		taken_count(&d->stat, e);
		return AIBRIX_OK;
	}
	if (out == NO_MEMORY)
		return AIBRIX_E_NOMEM;
	return aibrix__event_skip(d, out);
}

int
aibrix_event_next(aibrix_event_decoder *d, aibrix_event *out)
{
	if (!d || !out)
		return AIBRIX_E_INVAL;
	return aibrix__event_take(d, 0, out);
}

int
aibrix_event_stats(const aibrix_event_decoder *d, aibrix_event_stat *stat)
{
	if (!d || !stat)
		return AIBRIX_E_INVAL;
	return aibrix__struct_store(stat, &d->stat, sizeof(d->stat),
				    STRUCT_UPTO(aibrix_event_stat, refused));
}
