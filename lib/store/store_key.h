/* Bytes as text, and what a name in a file system may be made of. */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include <stdint.h>

#include <aibrix/key_text.h>

/* Two lower-case digits for each byte, without a NUL. */
void aibrix__hex_write(const void *bytes, uint64_t n, char *out);

/* May text, of 1 to max bytes, name one directory?  Its length, or 0. */
uint32_t aibrix__name_check(const char *text, uint32_t max);

#endif
