/*
 * The fields of one event, in both encodings.
 *
 *	["BlockStored", hashes, parent, tokens, ...]        by position
 *	{"type": "BlockStored", "block_hashes": ..., ...}   by name
 *
 * Both end in field_read, which knows what each field may hold.  A map may
 * name its type last: its fields are read without knowing whose they are.
 *
 * Sources: vllm/distributed/kv_events.py; sglang's kv_events.py, which has
 * added fields of its own.
 */

#include <string.h>

#include "event/event_internal.h"

enum field {
	FIELD_TYPE,
	FIELD_HASHES,
	FIELD_PARENT,
	FIELD_TOKENS,
	FIELD_BLOCK_SIZE,
	FIELD_LORA_ID,
	FIELD_MEDIUM,
	FIELD_LORA_NAME,
	FIELD_EXTRA,
	FIELD_GROUP,
	FIELD_KIND,
	FIELD_SALT,
	FIELD_NONE,   /* known, of no use here */
	FIELD_UNKNOWN /* counted */
};

struct word {
	const char *text;
	uint32_t n, meaning;
};

#define WORD(text, meaning)                                                    \
	{                                                                      \
		text, sizeof(text) - 1, meaning                                \
	}

static const struct word keys[] = {
	WORD("type", FIELD_TYPE),
	WORD("block_hashes", FIELD_HASHES),
	WORD("parent_block_hash", FIELD_PARENT),
	WORD("token_ids", FIELD_TOKENS),
	WORD("block_size", FIELD_BLOCK_SIZE),
	WORD("lora_id", FIELD_LORA_ID),
	WORD("medium", FIELD_MEDIUM),
	WORD("lora_name", FIELD_LORA_NAME),
	WORD("extra_keys", FIELD_EXTRA),
	WORD("group_idx", FIELD_GROUP),
	WORD("kv_cache_spec_kind", FIELD_KIND),
	WORD("kv_cache_spec_sliding_window", FIELD_NONE),
	WORD("cache_salt", FIELD_SALT),
	WORD("session_id", FIELD_NONE),
	WORD("attn_dp_rank", FIELD_NONE),
	WORD("locality", FIELD_NONE),
	WORD("ownership", FIELD_NONE),
	WORD("metadata", FIELD_NONE),
	{NULL, 0, FIELD_UNKNOWN},
};

static const struct word types[] = {
	WORD("BlockStored", AIBRIX_EVENT_STORED),
	WORD("BlockRemoved", AIBRIX_EVENT_REMOVED),
	WORD("AllBlocksCleared", AIBRIX_EVENT_CLEARED),
	{NULL, 0, 0},
};

static const struct word media[] = {
	WORD("GPU", AIBRIX_TIER_DEVICE),
	WORD("CPU", AIBRIX_TIER_HOST),
	WORD("CPU_PINNED", AIBRIX_TIER_HOST),
	WORD("DISK", AIBRIX_TIER_DISK),
	WORD("STORAGE", AIBRIX_TIER_DISK),
	WORD("EXTERNAL", AIBRIX_TIER_EXTERNAL),
	{NULL, 0, AIBRIX_TIERS},
};

static const struct word kinds[] = {
	WORD("full_attention", AIBRIX_GROUP_FULL),
	WORD("mla_attention", AIBRIX_GROUP_FULL),
	WORD("sink_full_attention", AIBRIX_GROUP_FULL),
	{NULL, 0, AIBRIX_GROUP_OTHER},
};

/* Behind the tag, by type; what is behind the last is not known. */
static const uint8_t stored_fields[] = {
	FIELD_HASHES,  FIELD_PARENT, FIELD_TOKENS,    FIELD_BLOCK_SIZE,
	FIELD_LORA_ID, FIELD_MEDIUM, FIELD_LORA_NAME, FIELD_EXTRA,
	FIELD_GROUP,   FIELD_KIND,   FIELD_NONE,
};
static const uint8_t removed_fields[] = {FIELD_HASHES, FIELD_MEDIUM,
					 FIELD_GROUP};

static const struct layout {
	const uint8_t *fields;
	uint32_t n, at_least; /* AIBrix asks for 5 and 2 with the tag */
} layouts[] = {
	[AIBRIX_EVENT_STORED] = {stored_fields, sizeof(stored_fields), 4},
	[AIBRIX_EVENT_REMOVED] = {removed_fields, sizeof(removed_fields), 1},
	[AIBRIX_EVENT_CLEARED] = {NULL, 0, 0},
};

/* The meaning of a text; of the NULL behind the last word if there is none. */
static uint32_t
word_find(const struct word *words, const struct value *v)
{
	for (; words->text; words++)
		if (words->n == v->n &&
		    memcmp(words->text, v->bytes, v->n) == 0)
			break;
	return words->meaning;
}

/* A text, or nil for none; 0: neither. */
static int
text_of(const struct value *v, struct span *text)
{
	if (v->kind != VALUE_NIL && v->kind != VALUE_STR)
		return 0;
	*text = (struct span){NULL, 0};
	if (v->kind == VALUE_STR && v->n)
		*text = (struct span){v->bytes, v->n};
	return 1;
}

static enum outcome
type_read(const struct value *v, struct fields *f)
{
	if (v->kind != VALUE_STR)
		return MALFORMED;
	f->type = word_find(types, v);
	return f->type ? TAKEN : UNKNOWN_TYPE;
}

static enum outcome
medium_read(const struct value *v, struct fields *f)
{
	struct span text;

	if (!text_of(v, &text))
		return MALFORMED;
	f->tier = text.at ? word_find(media, v) : AIBRIX_TIER_DEVICE;
	return f->tier < AIBRIX_TIERS ? TAKEN : UNKNOWN_MEDIUM;
}

static enum outcome
kind_read(const struct value *v, struct fields *f)
{
	struct span text;

	if (!text_of(v, &text))
		return MALFORMED;
	f->kind = text.at ? word_find(kinds, v) : AIBRIX_GROUP_FULL;
	return TAKEN;
}

static enum outcome
group_read(const struct value *v, struct fields *f)
{
	f->group = 0;
	if (v->kind == VALUE_NIL)
		return TAKEN;
	if (v->kind != VALUE_UINT || v->number >= AIBRIX_INDEX_GROUPS)
		return MALFORMED;
	f->group = (uint32_t)v->number;
	return TAKEN;
}

/* nil and -1 are "none". */
static enum outcome
lora_id_read(const struct value *v, struct fields *f)
{
	f->has_lora_id = v->kind == VALUE_UINT;
	f->lora_id = f->has_lora_id ? v->number : 0;
	if (v->kind == VALUE_INT || v->kind == VALUE_NIL)
		return TAKEN;
	return f->has_lora_id ? TAKEN : MALFORMED;
}

static enum outcome
parent_read(aibrix_event_decoder *d, const struct value *v, struct fields *f)
{
	f->has_parent = v->kind != VALUE_NIL;
	if (f->has_parent && !aibrix__name_of(d, v, &f->parent))
		return MALFORMED;
	return TAKEN;
}

static enum outcome
block_size_read(const struct value *v, struct fields *f)
{
	if (v->kind != VALUE_UINT && v->kind != VALUE_NIL)
		return MALFORMED;
	f->block_size = v->kind == VALUE_UINT ? v->number : 0;
	return TAKEN;
}

/* Kept as they lie: what they mean is known when all fields are. */
static enum outcome
extra_read(struct cursor *c, struct fields *f)
{
	const uint8_t *start = c->at;

	if (!aibrix__value_skip(c))
		return MALFORMED;
	f->extra = (struct span){NULL, 0};
	if (*start != 0xc0)
		f->extra = (struct span){start, (size_t)(c->at - start)};
	return TAKEN;
}

static enum outcome
small_field_read(aibrix_event_decoder *d, struct cursor *c, uint32_t field,
		 struct fields *f)
{
	struct value v;

	if (!value_read(c, &v))
		return MALFORMED;
	switch (field) {
	case FIELD_TYPE: return type_read(&v, f);
	case FIELD_PARENT: return parent_read(d, &v, f);
	case FIELD_BLOCK_SIZE: return block_size_read(&v, f);
	case FIELD_LORA_ID: return lora_id_read(&v, f);
	case FIELD_MEDIUM: return medium_read(&v, f);
	case FIELD_LORA_NAME: return text_of(&v, &f->lora) ? TAKEN : MALFORMED;
	case FIELD_GROUP: return group_read(&v, f);
	case FIELD_KIND: return kind_read(&v, f);
	default: return text_of(&v, &f->salt) ? TAKEN : MALFORMED;
	}
}

static enum outcome
field_read(aibrix_event_decoder *d, struct cursor *c, uint32_t field,
	   size_t held, struct fields *f)
{
	switch (field) {
	case FIELD_HASHES: return aibrix__names_read(d, c, held, f);
	case FIELD_TOKENS: return aibrix__tokens_read(d, c, f);
	case FIELD_EXTRA: return extra_read(c, f);
	case FIELD_UNKNOWN: d->stat.unknown_fields++; break;
	case FIELD_NONE: break;
	default: return small_field_read(d, c, field, f);
	}
	return aibrix__value_skip(c) ? TAKEN : MALFORMED;
}

static enum outcome
array_read(aibrix_event_decoder *d, struct cursor *c, uint32_t n, size_t held,
	   struct fields *f)
{
	const struct layout *layout;
	enum outcome out;

	if (!n)
		return MALFORMED;
	out = field_read(d, c, FIELD_TYPE, held, f);
	if (out != TAKEN)
		return out;
	layout = &layouts[f->type];
	if (--n < layout->at_least)
		return MALFORMED;
	for (uint32_t i = 0; i < n; i++) {
		out = field_read(
			d, c, i < layout->n ? layout->fields[i] : FIELD_UNKNOWN,
			held, f);
		if (out != TAKEN)
			return out;
	}
	return TAKEN;
}

/* One by one: clearing 150 bytes at once costs more than half a removal. */
static void
fields_clear(struct fields *f)
{
	const struct span none = {NULL, 0};

	f->type = 0;
	f->n_names = 0;
	f->has_names = f->has_parent = f->has_lora_id = 0;
	f->parent = f->block_size = f->lora_id = 0;
	f->n_tokens = 0;
	f->tier = f->group = f->kind = 0;
	f->lora = f->salt = f->extra = none;
	f->lora_text = f->salt_text = NULL;
	f->has_contents = 0;
}

/* A map may name what its type does not have. */
static void
fields_keep(struct fields *f)
{
	const struct fields all = *f;

	if (f->type == AIBRIX_EVENT_STORED)
		return;
	fields_clear(f);
	f->type = all.type;
	if (f->type == AIBRIX_EVENT_CLEARED)
		return;
	f->has_names = all.has_names;
	f->n_names = all.n_names;
	f->tier = all.tier;
	f->group = all.group;
}

/* What is in a value whose head has been read. */
static int
rest_skip(struct cursor *c, const struct value *head)
{
	uint64_t n = head->kind == VALUE_ARRAY ? head->n : 0;

	if (head->kind == VALUE_MAP)
		n = 2 * (uint64_t)head->n;
	return aibrix__values_skip(c, n);
}

static enum outcome
map_read(aibrix_event_decoder *d, struct cursor *c, uint32_t n, size_t held,
	 struct fields *f)
{
	struct value key;

	for (uint32_t i = 0; i < n; i++) {
		enum outcome out;
		uint32_t field = FIELD_UNKNOWN;

		if (!value_read(c, &key) || !rest_skip(c, &key))
			return MALFORMED;
		if (key.kind == VALUE_STR)
			field = word_find(keys, &key);
		out = field_read(d, c, field, held, f);
		if (out != TAKEN)
			return out;
	}
	fields_keep(f);
	return f->type ? TAKEN : MALFORMED;
}

enum outcome
aibrix__fields_read(aibrix_event_decoder *d, struct cursor *c, size_t held,
		    struct fields *f)
{
	struct value v;

	fields_clear(f);
	if (!value_read(c, &v))
		return MALFORMED;
	if (v.kind == VALUE_ARRAY)
		return array_read(d, c, v.n, held, f);
	if (v.kind == VALUE_MAP)
		return map_read(d, c, v.n, held, f);
	return MALFORMED;
}
