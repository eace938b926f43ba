/*
 * Content hashes of the blocks of one event, equal to those that
 * aibrix_hash_blocks gives for the prompt.
 *
 * Besides tokens an engine announces for each block what else made its hash:
 *
 *	extra_keys  [ nil, ["adapter", ["image", -3]], ... ]     one per block
 *
 * in vLLM's order: the LoRA's name, pairs of an item's identifier and its
 * start counted from the block's start (older engines: the identifier
 * alone), in block 0 of a prompt the cache salt, then digests of prompt
 * embeddings.  Texts say nothing of what they are, so:
 *   - the first element is the LoRA if the event has one, and it is its name
 *     or a number (older engines), or any text when the event gave no name;
 *   - the last text is the salt in block 0 of a prompt;
 *   - another text, and the bytes of a digest, are an item that starts with
 *     the block;
 *   - what we cannot read is an item named by its msgpack: a block with
 *     something unknown must not be taken for a plain one.
 *
 * Blocks without items, nearly all, are hashed in runs.
 *
 * An engine block that is split passes an item to all blocks from its start
 * on: its end is not announced.
 */

#include <string.h>

#include "base/alloc.h"
#include "event/event_internal.h"

static const uint64_t OFFSET_MAX = (uint64_t)1 << 48; /* far from any end */

/* What one engine block carries: items with offsets from its start. */
struct tuple {
	uint32_t n_items;
	const char *salt;
};

/* The blocks of one event on their way to hashes. */
struct naming {
	aibrix_event_decoder *d;
	const struct fields *f;
	struct cursor extra;
	size_t lora_bytes;
	uint64_t done; /* index blocks that have a hash */
};

static int
text_copy(char text[TEXT_MAX + 1], struct span from)
{
	if (from.n > TEXT_MAX || memchr(from.at, 0, from.n))
		return 0;
	memcpy(text, from.at, from.n);
	text[from.n] = '\0';
	return 1;
}

static void
decimal_format(char *text, uint64_t x)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + x % 10);
	while (x /= 10);
	while (n)
		*text++ = digits[--n];
	*text = '\0';
}

/* The first element of the first block that has any; 0: there is none. */
static int
first_extra(const struct fields *f, struct value *v)
{
	struct cursor c;
	uint32_t n;

	if (!f->extra.at)
		return 0;
	c = (struct cursor){f->extra.at, f->extra.at + f->extra.n};
	if (!value_read(&c, v) || v->kind != VALUE_ARRAY)
		return 0;
	for (n = v->n; n; n--) {
		if (!value_read(&c, v))
			return 0;
		if (v->kind == VALUE_ARRAY && v->n)
			return value_read(&c, v);
		if (v->kind != VALUE_NIL && v->kind != VALUE_ARRAY)
			return 0;
	}
	return 0;
}

static enum outcome
lora_find(aibrix_event_decoder *d, struct fields *f)
{
	struct span name = f->lora;
	struct value first;

	if (!name.at && !f->has_lora_id)
		return TAKEN;
	if (!name.at && first_extra(f, &first) && first.kind == VALUE_STR &&
	    first.n)
		name = (struct span){first.bytes, first.n};
	if (!name.at)
		decimal_format(d->lora, f->lora_id);
	else if (!text_copy(d->lora, name))
		return MALFORMED;
	f->lora_text = d->lora;
	return TAKEN;
}

enum outcome
aibrix__texts_find(aibrix_event_decoder *d, struct fields *f)
{
	if (f->salt.at) {
		if (!text_copy(d->salt, f->salt))
			return MALFORMED;
		f->salt_text = d->salt;
	}
	return lora_find(d, f);
}

static int
is_lora(const struct naming *x, const struct value *v)
{
	const char *lora = x->f->lora_text;

	if (!lora)
		return 0;
	if (v->kind == VALUE_UINT)
		return 1;
	return v->kind == VALUE_STR && v->n == x->lora_bytes &&
	       memcmp(v->bytes, lora, v->n) == 0;
}

static enum outcome
item_push(struct naming *x, struct tuple *t, struct span id, int64_t offset)
{
	aibrix_event_decoder *d = x->d;

	if (!id.n || id.n > TEXT_MAX)
		return MALFORMED;
	if (t->n_items == ITEMS_MAX)
		return TOO_LARGE;
	d->items[t->n_items++] =
		(aibrix_block_item){id.at, (uint32_t)id.n, 0, offset};
	return TAKEN;
}

/* [identifier, offset]; 0: something else, and the cursor is anywhere. */
static int
pair_read(struct cursor *c, struct span *id, int64_t *offset)
{
	struct value v;

	if (!value_read(c, &v) || v.kind != VALUE_ARRAY || v.n != 2)
		return 0;
	if (!value_read(c, &v) || (v.kind != VALUE_STR && v.kind != VALUE_BIN))
		return 0;
	*id = (struct span){v.bytes, v.n};
	if (!value_read(c, &v) ||
	    (v.kind != VALUE_INT && v.kind != VALUE_UINT) ||
	    v.number + OFFSET_MAX > 2 * OFFSET_MAX)
		return 0;
	*offset = (int64_t)v.number;
	return 1;
}

static enum outcome
element_read(struct naming *x, struct tuple *t)
{
	struct cursor c = x->extra;
	const uint8_t *start = c.at;
	struct span id;
	int64_t offset;
	struct value v;

	if (pair_read(&c, &id, &offset)) {
		x->extra = c;
		return item_push(x, t, id, offset);
	}
	c.at = start;
	if (!aibrix__value_skip(&x->extra) || !value_read(&c, &v))
		return MALFORMED;
	id = (struct span){start, (size_t)(x->extra.at - start)};
	if (v.kind == VALUE_STR || v.kind == VALUE_BIN)
		id = (struct span){v.bytes, v.n};
	return item_push(x, t, id, 0);
}

/* Block 0 of a prompt: the last item that was a bare text is the salt. */
static enum outcome
salt_take(struct naming *x, struct tuple *t, uint32_t bare)
{
	aibrix_event_decoder *d = x->d;
	aibrix_block_item *item = &d->items[bare];
	const struct span text = {item->id, item->id_bytes};

	if (!text_copy(d->tuple_salt, text))
		return MALFORMED;
	t->salt = d->tuple_salt;
	t->n_items--;
	memmove(item, item + 1, (t->n_items - bare) * sizeof(*item));
	return TAKEN;
}

/* n elements of one block's tuple. */
static enum outcome
elements_read(struct naming *x, struct tuple *t, uint32_t n, int first)
{
	uint32_t bare = UINT32_MAX;

	for (uint32_t i = 0; i < n; i++) {
		struct cursor c = x->extra;
		enum outcome out;
		struct value v;

		if (!value_read(&c, &v))
			return MALFORMED;
		if (i == 0 && is_lora(x, &v)) {
			x->extra = c;
			continue;
		}
		if (v.kind == VALUE_STR)
			bare = t->n_items;
		out = element_read(x, t);
		if (out != TAKEN)
			return out;
	}
	return first && bare != UINT32_MAX ? salt_take(x, t, bare) : TAKEN;
}

static enum outcome
tuple_read(struct naming *x, struct tuple *t, int first)
{
	struct value v;

	*t = (struct tuple){0, NULL};
	if (x->f->extra.at) {
		enum outcome out;

		if (!value_read(&x->extra, &v))
			return MALFORMED;
		if (v.kind != VALUE_NIL && v.kind != VALUE_ARRAY)
			return MALFORMED;
		if (v.kind == VALUE_ARRAY) {
			out = elements_read(x, t, v.n, first);
			if (out != TAKEN)
				return out;
		}
	}
	if (first && x->f->salt_text)
		t->salt = x->f->salt_text;
	return TAKEN;
}

/* Hash index blocks [done, end), which carry nothing but the LoRA. */
static enum outcome
run_hash(struct naming *x, uint64_t end)
{
	const uint64_t size = x->d->block_tokens;
	const aibrix_prompt prompt = {
		.size = sizeof(prompt),
		.tokens = x->d->tokens + x->done * size,
		.n_tokens = (end - x->done) * size,
		.lora = x->f->lora_text,
	};
	uint64_t n;
	int err;

	if (end == x->done)
		return TAKEN;
	err = aibrix_hash_blocks(x->d->hash, &prompt, 0, x->d->hashes + x->done,
				 NULL, end - x->done, &n);
	x->done = end;
	return err ? UNHASHABLE : TAKEN;
}

/* The items of the block that starts at offset start of the engine's, put
 * behind the engine block's own; how many. */
static uint32_t
items_shift(struct naming *x, const struct tuple *t, int64_t start)
{
	aibrix_event_decoder *d = x->d;
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n_items; i++) {
		aibrix_block_item item = d->items[i];

		item.offset -= start;
		if (item.offset < (int64_t)d->block_tokens)
			d->items[t->n_items + n++] = item;
	}
	return n;
}

/* The next index block, the j-th of its engine block. */
static enum outcome
block_hash(struct naming *x, const struct tuple *t, uint32_t j)
{
	aibrix_event_decoder *d = x->d;
	aibrix_block block = {.size = sizeof(block),
			      .n_items = t->n_items,
			      .tokens =
				      x->d->tokens + x->done * d->block_tokens,
			      .items = d->items,
			      .lora = x->f->lora_text,
			      .salt = j ? NULL : t->salt};

	if (d->split > 1 && t->n_items) {
		block.n_items = items_shift(x, t, (int64_t)j * d->block_tokens);
		block.items = d->items + t->n_items;
	}
	if (aibrix_hash_block(d->hash, &block, &d->hashes[x->done]))
		return UNHASHABLE;
	x->done++;
	return TAKEN;
}

/* Engine block b, unless it is one of a run. */
static enum outcome
engine_block_hash(struct naming *x, uint32_t b)
{
	const uint32_t split = x->d->split;
	struct tuple t;
	enum outcome out;

	out = tuple_read(x, &t, b == 0 && !x->f->has_parent);
	if (out != TAKEN || (!t.n_items && !t.salt))
		return out;
	out = run_hash(x, (uint64_t)b * split);
	for (uint32_t j = 0; out == TAKEN && j < split; j++)
		out = block_hash(x, &t, j);
	return out;
}

/* The tuples of all blocks, of which there must be as many as blocks. */
static int
extra_open(struct naming *x)
{
	const struct span extra = x->f->extra;
	struct value v;

	x->extra = (struct cursor){extra.at, extra.at + extra.n};
	return value_read(&x->extra, &v) && v.kind == VALUE_ARRAY &&
	       v.n == x->f->n_names;
}

enum outcome
aibrix__contents_make(aibrix_event_decoder *d, const struct fields *f)
{
	struct naming x = {.d = d, .f = f};
	const uint64_t blocks = (uint64_t)f->n_names * d->split;
	const int plain = !f->extra.at;
	enum outcome out = TAKEN;

	if (f->lora_text)
		x.lora_bytes = strlen(f->lora_text);
	if (aibrix__grow(&d->alloc, &d->hashes, &d->hashes_cap, blocks,
			 sizeof(*d->hashes)) != AIBRIX_OK)
		return NO_MEMORY;
	if (!plain && !extra_open(&x))
		return MALFORMED;
	/* Without tuples only block 0 can be special. */
	for (uint32_t b = 0; out == TAKEN && b < (plain ? 1 : f->n_names); b++)
		out = engine_block_hash(&x, b);
	return out == TAKEN ? run_hash(&x, blocks) : out;
}
