#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4) of bytes after crc, which is
 * 0 at the start: crc("ab") == crc32c(crc("a"), "b").  cpu is the object's
 * aibrix__cpu().
 */
uint32_t aibrix__crc32c(uint32_t cpu, uint32_t crc, const void *bytes,
			size_t n);

/* With the processor's instruction; call it only where cpu has CPU_CRC32C.
 * Takes and gives the inverted register. */
uint32_t aibrix__crc32c_hw(uint32_t crc, const uint8_t *p, size_t n);

#endif
