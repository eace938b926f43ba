/* Copies without anything around them, built with -march=native: what memory
 * allows.  n is a multiple of 64 and dst aligned to it. */
#ifndef RAW_COPY_H
#define RAW_COPY_H

#include <stddef.h>

void raw_memcpy(void *dst, const void *src, size_t n);
void raw_movsb(void *dst, const void *src, size_t n);
void raw_stream(void *dst, const void *src, size_t n);
void raw_stream_ahead(void *dst, const void *src, size_t n);

/* How many of these are not memcpy by another name on this machine. */
int raw_copies(void);

#endif
