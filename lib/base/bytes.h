/*
 * Bounded little-endian reader and writer.
 *
 * Both remember the first overrun (ok becomes 0 and stays so): a parser
 * reads all its fields and asks once at the end.  After an overrun reads
 * give zero and writes do nothing.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *at, *end;
	int ok;
};

struct writer {
	uint8_t *at, *end;
	int ok;
};

static inline struct reader
reader_on(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	return (struct reader){p, p ? p + n : p, 1};
}

static inline struct writer
writer_on(void *bytes, size_t n)
{
	uint8_t *p = bytes;

	return (struct writer){p, p ? p + n : p, 1};
}

/* n bytes in place, or NULL. */
static inline const uint8_t *
read_bytes(struct reader *r, size_t n)
{
	const uint8_t *at = r->at;

	if (!r->ok || (size_t)(r->end - at) < n) {
		r->ok = 0;
		return NULL;
	}
	r->at += n;
	return at;
}

static inline uint64_t
read_le(struct reader *r, size_t n)
{
	const uint8_t *at = read_bytes(r, n);
	uint64_t x = 0;

	for (size_t i = 0; at && i < n; i++)
		x |= (uint64_t)at[i] << (8 * i);
	return x;
}

static inline uint8_t
read_u8(struct reader *r)
{
	return (uint8_t)read_le(r, 1);
}

static inline uint16_t
read_u16(struct reader *r)
{
	return (uint16_t)read_le(r, 2);
}

static inline uint32_t
read_u32(struct reader *r)
{
	return (uint32_t)read_le(r, 4);
}

static inline uint64_t
read_u64(struct reader *r)
{
	return read_le(r, 8);
}

static inline void
write_bytes(struct writer *w, const void *bytes, size_t n)
{
	if (!w->ok || (size_t)(w->end - w->at) < n) {
		w->ok = 0;
		return;
	}
	if (n)
		memcpy(w->at, bytes, n);
	w->at += n;
}

static inline void
write_le(struct writer *w, uint64_t x, size_t n)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(x >> (8 * i));
	write_bytes(w, bytes, n);
}

static inline void
write_u8(struct writer *w, uint8_t x)
{
	write_le(w, x, 1);
}

static inline void
write_u16(struct writer *w, uint16_t x)
{
	write_le(w, x, 2);
}

static inline void
write_u32(struct writer *w, uint32_t x)
{
	write_le(w, x, 4);
}

static inline void
write_u64(struct writer *w, uint64_t x)
{
	write_le(w, x, 8);
}

#endif
