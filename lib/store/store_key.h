/* Bytes as text, and what a name in a file system may be made of. */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include <stdint.h>

#include <aibrix/key_text.h>

/* Two lower-case digits for each byte, without a NUL. */
void aibrix__hex_write(const void *bytes, uint64_t n, char *out);

/* Not isalnum: what it takes depends on the locale. */
static inline int
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/* May text, of 1 to max bytes, name one directory?  Its length, or 0. */
static inline uint32_t
name_check(const char *text, uint32_t max)
{
	uint32_t n = 0;

	if (text[0] == '.')
		return 0;
	while (n <= max && is_name_byte(text[n]))
		n++;
	return n <= max && text[n] == '\0' ? n : 0;
}

#endif
