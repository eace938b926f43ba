/* What the files of this folder share. */
#ifndef EVENT_INTERNAL_H
#define EVENT_INTERNAL_H

#include <aibrix/event.h>

#include "event/event_msgpack.h"

enum {
	HASH_BYTES_MAX = 64, /* of an engine hash in its bytes form */
	TEXT_MAX = 4096,     /* LoRA, salt, identifier: as the hash has it */
	ITEMS_MAX = 64,      /* in an engine block */
	SPLIT_MAX = 256      /* index blocks in an engine block */
};

/* What became of an event.  From SKIPPED on it is left out, and the number
 * picks the counter. */
enum outcome {
	TAKEN,
	SKIPPED,
	MALFORMED = SKIPPED,
	UNKNOWN_TYPE,
	UNKNOWN_MEDIUM,
	WRONG_BLOCK_SIZE,
	WRONG_TOKENS,
	BIGRAMS,
	TOO_LARGE,
	UNHASHABLE,
	NO_MEMORY
};

/* A run of bytes in the batch; at NULL: not there. */
struct span {
	const uint8_t *at;
	size_t n;
};

/* The fields of one event as they came, in whatever order. */
struct fields {
	uint32_t type; /* 0: not stated */
	uint32_t n_names;
	int has_names, has_parent, has_lora_id;
	uint64_t parent, block_size, lora_id;
	size_t n_tokens;
	uint32_t tier, group, kind;
	struct span lora, salt, extra;

	/* What is made of them, in the decoder's memory. */
	const char *lora_text, *salt_text;
	int has_contents;
};

struct aibrix_event_decoder {
	aibrix_allocator alloc;
	const aibrix_hash *hash;
	uint32_t flags, engine_tokens, block_tokens, split, max_events;
	uint64_t max_bytes;

	/* The batch: in is at its next event. */
	struct cursor in;
	uint32_t events_left;
	int open;
	uint32_t extra_left; /* elements of the batch behind the events */

	/* Scratch, grown as events need it. */
	uint32_t *tokens;
	uint64_t *names, *hashes;
	size_t tokens_cap, names_cap, hashes_cap;
	aibrix_block_item items[2 * ITEMS_MAX];
	char lora[TEXT_MAX + 1], salt[TEXT_MAX + 1], tuple_salt[TEXT_MAX + 1];

	aibrix_event_stat stat;
};

/* Read the fields of one event; names lie behind the first held ones of
 * d->names, which are kept. */
enum outcome aibrix__fields_read(aibrix_event_decoder *d, struct cursor *c,
				 size_t held, struct fields *f);

/* The hashes of d->names and the tokens of d->tokens; at most n. */
enum outcome aibrix__names_read(aibrix_event_decoder *d, struct cursor *c,
				size_t held, struct fields *f);
enum outcome aibrix__tokens_read(aibrix_event_decoder *d, struct cursor *c,
				 struct fields *f);
/* A number, or bytes to be folded, as a name. */
int aibrix__name_of(const aibrix_event_decoder *d, const struct value *v,
		    uint64_t *name);

/* LoRA and salt as texts with their NUL. */
enum outcome aibrix__texts_find(aibrix_event_decoder *d, struct fields *f);

/* Content hashes of an event with tokens into d->hashes. */
enum outcome aibrix__contents_make(aibrix_event_decoder *d,
				   const struct fields *f);

/* Each of n engine names at names becomes split names, the last its own. */
void aibrix__names_split(uint64_t *names, uint32_t n, uint32_t split);

/* Leave the next event of the batch out. */
int aibrix__event_skip(aibrix_event_decoder *d, enum outcome why);

/* The next event of the batch; OK, E_NOT_FOUND, E_PARSE (broken or
 * malformed), E_UNSUPPORTED, E_NOMEM.  Its names lie at d->names + held. */
int aibrix__event_take(aibrix_event_decoder *d, size_t held, aibrix_event *out);

#endif
