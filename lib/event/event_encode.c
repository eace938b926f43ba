/*
 * Batches as engines write them: for caches of ours that announce their
 * blocks, and for tests.
 *
 * A batch is the same bytes as vLLM's, which msgspec writes: integers in
 * their shortest form, fields in the order of the struct.  An array has all
 * fields of its struct, nil where there is nothing: readers that are as
 * strict as msgspec refuse one that ends before lora_name.  A map leaves out
 * what has its default (vllm/distributed/kv_events.py: extra_keys and what
 * follows it).
 *
 * Four bytes in five are tokens.  They are written without a branch on their
 * size, which could not be predicted: eight bytes each, of which the next one
 * overwrites what was too much.  What does not fit is counted only.
 */

#include <string.h>

#include "base/versioned.h"
#include "event/event_internal.h"

struct output {
	uint8_t *at;
	uint64_t room, n;
};

static void
out_bytes(struct output *o, const void *bytes, size_t n)
{
	if (n && o->n <= o->room && n <= o->room - o->n)
		memcpy(o->at + o->n, bytes, n);
	o->n += n;
}

/* A tag and width bytes, big-endian. */
static void
out_wide(struct output *o, uint8_t tag, uint64_t x, size_t width)
{
	uint8_t bytes[9] = {tag};

	for (size_t i = 0; i < width; i++)
		bytes[1 + i] = (uint8_t)(x >> (8 * (width - 1 - i)));
	out_bytes(o, bytes, 1 + width);
}

static void
out_tag(struct output *o, uint8_t tag)
{
	out_wide(o, tag, 0, 0);
}

static void
out_uint(struct output *o, uint64_t x)
{
	if (x < 0x80)
		out_tag(o, (uint8_t)x);
	else if (x <= UINT8_MAX)
		out_wide(o, 0xcc, x, 1);
	else if (x <= UINT16_MAX)
		out_wide(o, 0xcd, x, 2);
	else if (x <= UINT32_MAX)
		out_wide(o, 0xce, x, 4);
	else
		out_wide(o, 0xcf, x, 8);
}

static void
out_array(struct output *o, uint64_t n)
{
	if (n < 16)
		out_tag(o, (uint8_t)(0x90 | n));
	else if (n <= UINT16_MAX)
		out_wide(o, 0xdc, n, 2);
	else
		out_wide(o, 0xdd, n, 4);
}

static void
be_store(uint8_t *at, uint64_t x)
{
	for (size_t i = 0; i < 8; i++)
		at[i] = (uint8_t)(x >> (56 - 8 * i));
}

/* Tag and number as the first bytes of a word, by how many steps of size the
 * number is above: 0x80, 0x100, 0x10000. */
static uint8_t *
token_put(uint8_t *at, uint32_t x)
{
	static const uint8_t tags[] = {0, 0xcc, 0xcd, 0xce};
	uint32_t steps = (x >= 0x80) + (x >= 0x100) + (x >= 0x10000);
	uint32_t width = steps + (x >= 0x10000);

	be_store(at,
		 (uint64_t)tags[steps] << 56 | (uint64_t)x << (56 - 8 * width));
	return at + 1 + width;
}

enum { WORD = 8 };

static void
out_tokens(struct output *o, const uint32_t *tokens, uint64_t n)
{
	uint64_t i = 0;

	out_array(o, n);
	if (o->n <= o->room) {
		uint8_t *at = o->at + o->n, *end = o->at + o->room;

		while (i < n && end - at >= WORD)
			at = token_put(at, tokens[i++]);
		o->n = (uint64_t)(at - o->at);
	}
	for (; i < n; i++)
		out_uint(o, tokens[i]);
}

/* NULL: nil. */
static void
out_text(struct output *o, const char *text)
{
	size_t n;

	if (!text) {
		out_tag(o, 0xc0);
		return;
	}
	n = strlen(text);
	if (n < 32)
		out_tag(o, (uint8_t)(0xa0 | n));
	else if (n <= UINT8_MAX)
		out_wide(o, 0xd9, n, 1);
	else
		out_wide(o, 0xda, n, 2); /* TEXT_MAX */
	out_bytes(o, text, n);
}

static void
out_real(struct output *o, double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	out_wide(o, 0xcb, bits, 8);
}

static const char *const type_names[] = {
	[AIBRIX_EVENT_STORED] = "BlockStored",
	[AIBRIX_EVENT_REMOVED] = "BlockRemoved",
	[AIBRIX_EVENT_CLEARED] = "AllBlocksCleared",
};

static const char *const medium_names[AIBRIX_TIERS] = {"GPU", "CPU", "DISK",
						       "EXTERNAL"};

static void
out_key(struct output *o, int maps, const char *key)
{
	if (maps)
		out_text(o, key);
}

static void
out_names(struct output *o, int maps, const aibrix_event *e)
{
	out_key(o, maps, "block_hashes");
	out_array(o, e->n);
	for (uint32_t i = 0; i < e->n; i++)
		out_uint(o, e->names[i]);
}

static void
out_medium(struct output *o, int maps, const aibrix_event *e)
{
	out_key(o, maps, "medium");
	out_text(o, medium_names[e->tier]);
}

/* What every stored event has. */
static void
out_blocks(struct output *o, int maps, const aibrix_event *e)
{
	out_names(o, maps, e);
	out_key(o, maps, "parent_block_hash");
	if (e->flags & AIBRIX_INDEX_HAS_PARENT)
		out_uint(o, e->parent);
	else
		out_tag(o, 0xc0);
	out_key(o, maps, "token_ids");
	out_tokens(o, e->tokens, e->n_tokens);
	out_key(o, maps, "block_size");
	out_uint(o, e->block_tokens);
	out_key(o, maps, "lora_id");
	out_tag(o, 0xc0);
	out_medium(o, maps, e);
}

static void
out_extra(struct output *o, const aibrix_event *e)
{
	if (e->extra)
		out_bytes(o, e->extra, e->extra_bytes);
	else
		out_tag(o, 0xc0);
}

/* Group 0 is what a reader assumes. */
static void
out_group(struct output *o, const aibrix_event *e)
{
	if (e->group)
		out_uint(o, e->group);
	else
		out_tag(o, 0xc0);
}

static const char *
kind_name(const aibrix_event *e)
{
	return e->kind == AIBRIX_GROUP_FULL ? NULL : "sliding_window";
}

static void
stored_array(struct output *o, const aibrix_event *e)
{
	out_array(o, 12);
	out_text(o, type_names[e->type]);
	out_blocks(o, 0, e);
	out_text(o, e->lora);
	out_extra(o, e);
	out_group(o, e);
	out_text(o, kind_name(e));
	out_tag(o, 0xc0); /* the window's size: not known here */
}

static void
stored_map(struct output *o, const aibrix_event *e)
{
	const char *kind = kind_name(e);

	out_tag(o, (uint8_t)(0x80 | (8 + !!e->extra + !!e->group + !!kind +
				     !!e->salt)));
	out_text(o, "type");
	out_text(o, type_names[e->type]);
	out_blocks(o, 1, e);
	out_text(o, "lora_name");
	out_text(o, e->lora);
	if (e->extra) {
		out_text(o, "extra_keys");
		out_extra(o, e);
	}
	if (e->group) {
		out_text(o, "group_idx");
		out_group(o, e);
	}
	if (kind) {
		out_text(o, "kv_cache_spec_kind");
		out_text(o, kind);
	}
	if (e->salt) {
		out_text(o, "cache_salt");
		out_text(o, e->salt);
	}
}

static void
removed_write(struct output *o, int maps, const aibrix_event *e)
{
	out_tag(o, (uint8_t)(maps ? 0x83 + !!e->group : 0x94));
	out_key(o, maps, "type");
	out_text(o, type_names[e->type]);
	out_names(o, maps, e);
	out_medium(o, maps, e);
	if (maps && !e->group)
		return;
	out_key(o, maps, "group_idx");
	out_group(o, e);
}

static void
event_write(struct output *o, int maps, const aibrix_event *e)
{
	if (e->type == AIBRIX_EVENT_CLEARED) {
		out_tag(o, maps ? 0x81 : 0x91);
		out_key(o, maps, "type");
		out_text(o, type_names[e->type]);
	} else if (e->type == AIBRIX_EVENT_REMOVED) {
		removed_write(o, maps, e);
	} else if (maps) {
		stored_map(o, e);
	} else {
		stored_array(o, e);
	}
}

static int
text_ok(const char *text)
{
	return !text || strnlen(text, TEXT_MAX + 1) <= TEXT_MAX;
}

/* One value, whole. */
static int
extra_ok(const void *extra, uint64_t n)
{
	const uint8_t *at = extra;
	struct cursor c = {at, at};

	if (!n || !extra)
		return !n && !extra;
	c.end = at + n;
	return aibrix__value_skip(&c) && c.at == c.end;
}

static int
event_ok(const aibrix_event *e, int maps)
{
	if (e->type < AIBRIX_EVENT_STORED || e->type > AIBRIX_EVENT_CLEARED ||
	    e->tier >= AIBRIX_TIERS || e->group >= AIBRIX_INDEX_GROUPS ||
	    e->kind > AIBRIX_GROUP_OTHER || e->spare ||
	    e->flags & ~(uint32_t)AIBRIX_INDEX_HAS_PARENT)
		return 0;
	if ((e->n && !e->names) || (e->n_tokens && !e->tokens) ||
	    e->n_tokens > UINT32_MAX)
		return 0;
	return text_ok(e->lora) && text_ok(e->salt) && (maps || !e->salt) &&
	       extra_ok(e->extra, e->extra_bytes);
}

static int
encoding_load(aibrix_event_encoding *x, const aibrix_event_encoding *from)
{
	int err = aibrix__struct_load(
		x, sizeof(*x), from, STRUCT_UPTO(aibrix_event_encoding, spare));

	if (err)
		return err;
	if (x->flags & ~(AIBRIX_EVENT_MAPS | AIBRIX_EVENT_HAS_RANK))
		return AIBRIX_E_ABI;
	return x->spare ? AIBRIX_E_INVAL : AIBRIX_OK;
}

int
aibrix_event_encode(const aibrix_event_encoding *encoding,
		    const aibrix_event *events, uint32_t n_events, void *out,
		    uint64_t cap, uint64_t *n)
{
	struct output o = {out, out ? cap : 0, 0};
	aibrix_event_encoding x;
	int err, maps, ranked;

	if (!n || (n_events && !events) || (cap && !out))
		return AIBRIX_E_INVAL;
	err = encoding_load(&x, encoding);
	if (err)
		return err;
	maps = !!(x.flags & AIBRIX_EVENT_MAPS);
	ranked = !!(x.flags & AIBRIX_EVENT_HAS_RANK);
	for (uint32_t i = 0; i < n_events; i++)
		if (!event_ok(&events[i], maps))
			return AIBRIX_E_INVAL;
	out_array(&o, 2 + (uint64_t)ranked);
	out_real(&o, x.time_s);
	out_array(&o, n_events);
	for (uint32_t i = 0; i < n_events; i++)
		event_write(&o, maps, &events[i]);
	if (ranked)
		out_uint(&o, x.rank);
	*n = o.n;
	return o.n > cap ? AIBRIX_E_SPACE : AIBRIX_OK;
}
