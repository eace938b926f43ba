/* UTF-8 as RFC 3629 has it. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * The character that n bytes begin with; returns its length, 0 when there is
 * none: cut off, longer than need be, a surrogate, or beyond U+10FFFF.
 */
static inline size_t
utf8_read(const char *text, size_t n, uint32_t *point)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *at = (const uint8_t *)text;
	size_t more;
	uint32_t x;

	if (n == 0)
		return 0;
	more = *at < 0x80 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
	if ((*at >= 0x80 && *at < 0xc2) || *at > 0xf4 || more >= n)
		return 0;
	x = more ? *at & (0x3fu >> more) : *at;
	for (size_t i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		x = x << 6 | (at[i] & 0x3f);
	}
	if (x < least[more] || x > 0x10ffff || (x >= 0xd800 && x <= 0xdfff))
		return 0;
	*point = x;
	return more + 1;
}

/* point, which utf8_read could have given; returns its length. */
static inline size_t
utf8_write(uint32_t point, char out[4])
{
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = point < 0x80      ? 1
		   : point < 0x800   ? 2
		   : point < 0x10000 ? 3
				     : 4;

	for (size_t i = n; --i > 0; point >>= 6)
		out[i] = (char)(0x80 | (point & 0x3f));
	out[0] = (char)(lead[n] | point);
	return n;
}

#endif
