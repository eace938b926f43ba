/* Batches by hand: a small msgpack writer, hex, and a decoder to read them. */
#ifndef TESTS_EVENT_TOOLS_H
#define TESTS_EVENT_TOOLS_H

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/event.h>

struct wire {
	uint8_t bytes[8192];
	size_t n;
};

static inline void
wire_bytes(struct wire *w, const void *bytes, size_t n)
{
	cr_assert_leq(n, sizeof(w->bytes) - w->n);
	if (n)
		memcpy(w->bytes + w->n, bytes, n);
	w->n += n;
}

static inline void
wire_tag(struct wire *w, uint8_t tag)
{
	wire_bytes(w, &tag, 1);
}

/* tag and x in width bytes. */
static inline void
wire_wide(struct wire *w, uint8_t tag, uint64_t x, uint32_t width)
{
	wire_tag(w, tag);
	while (width--)
		wire_tag(w, (uint8_t)(x >> (8 * width)));
}

static inline void
wire_nil(struct wire *w)
{
	wire_tag(w, 0xc0);
}

/* In its shortest form, as engines write it. */
static inline void
wire_uint(struct wire *w, uint64_t x)
{
	if (x < 0x80)
		wire_tag(w, (uint8_t)x);
	else if (x <= UINT8_MAX)
		wire_wide(w, 0xcc, x, 1);
	else if (x <= UINT16_MAX)
		wire_wide(w, 0xcd, x, 2);
	else if (x <= UINT32_MAX)
		wire_wide(w, 0xce, x, 4);
	else
		wire_wide(w, 0xcf, x, 8);
}

static inline void
wire_int(struct wire *w, int64_t x)
{
	wire_wide(w, 0xd3, (uint64_t)x, 8);
}

static inline void
wire_array(struct wire *w, uint32_t n)
{
	if (n < 16)
		wire_tag(w, (uint8_t)(0x90 | n));
	else
		wire_wide(w, 0xdc, n, 2);
}

static inline void
wire_map(struct wire *w, uint32_t n)
{
	wire_wide(w, 0xde, n, 2);
}

static inline void
wire_text(struct wire *w, const char *text)
{
	size_t n = strlen(text);

	wire_wide(w, 0xda, n, 2);
	wire_bytes(w, text, n);
}

static inline void
wire_bin(struct wire *w, const void *bytes, uint8_t n)
{
	wire_wide(w, 0xc4, n, 1);
	wire_bytes(w, bytes, n);
}

/* Numbers first, first + 1, ..., n of them. */
static inline void
wire_range(struct wire *w, uint64_t first, uint32_t n)
{
	wire_array(w, n);
	for (uint32_t i = 0; i < n; i++)
		wire_uint(w, first + i);
}

/* The head of a batch of n events without a rank. */
static inline void
wire_batch(struct wire *w, uint32_t n)
{
	w->n = 0;
	wire_array(w, 2);
	wire_uint(w, 1);
	wire_array(w, n);
}

/* The first five of a stored event's n elements, as an array: blocks of
 * block tokens named name, name + 1, ... with tokens counted up from token. */
static inline void
wire_stored(struct wire *w, uint32_t n, uint64_t name, uint32_t blocks,
	    uint64_t token, uint32_t block)
{
	wire_array(w, n);
	wire_text(w, "BlockStored");
	wire_range(w, name, blocks);
	wire_nil(w);
	wire_range(w, token, blocks * block);
	wire_uint(w, block);
}

static inline struct wire
wire_of_hex(const char *hex)
{
	static const char digits[] = "0123456789abcdef";
	struct wire w = {.n = 0};

	for (; *hex; hex += 2)
		wire_tag(&w, (uint8_t)((strchr(digits, hex[0]) - digits) << 4 |
				       (strchr(digits, hex[1]) - digits)));
	return w;
}

static inline void
wire_hex(struct wire *w, const char *hex)
{
	struct wire more = wire_of_hex(hex);

	wire_bytes(w, more.bytes, more.n);
}

static inline aibrix_hash *
new_hash(uint32_t block_tokens)
{
	const aibrix_hash_opts opts = {.size = sizeof(opts),
				       .block_tokens = block_tokens};
	aibrix_hash *hash = NULL;

	cr_assert_eq(aibrix_hash_new(&opts, &hash), AIBRIX_OK);
	return hash;
}

static inline aibrix_event_decoder *
new_decoder(const aibrix_hash *hash, uint32_t flags)
{
	const aibrix_event_opts opts = {
		.size = sizeof(opts), .flags = flags, .hash = hash};
	aibrix_event_decoder *decoder = NULL;

	cr_assert_eq(aibrix_event_new(&opts, &decoder), AIBRIX_OK);
	return decoder;
}

static inline aibrix_event_stat
stat_of(const aibrix_event_decoder *decoder)
{
	aibrix_event_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_event_stats(decoder, &stat), AIBRIX_OK);
	return stat;
}

/* The only event of a batch. */
static inline aibrix_event
one_event(aibrix_event_decoder *decoder, const struct wire *w)
{
	aibrix_event event = {0};

	cr_assert_eq(aibrix_event_open(decoder, w->bytes, w->n, NULL),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_event_next(decoder, &event), AIBRIX_OK);
	return event;
}

/* The status of the first event of a batch. */
static inline int
first_status(aibrix_event_decoder *decoder, const struct wire *w)
{
	aibrix_event event;

	cr_assert_eq(aibrix_event_open(decoder, w->bytes, w->n, NULL),
		     AIBRIX_OK);
	return aibrix_event_next(decoder, &event);
}

#endif
