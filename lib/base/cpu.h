/* What the processor can do, asked when an object is created and kept in
 * it: no writable static, and no slow cpuid on a hot path. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdint.h>

enum {
	CPU_SHA256 = 1, /* SHA-NI with SSE4.1, or ARMv8 SHA2 */
	CPU_CRC32C = 2, /* SSE4.2, or ARMv8 CRC */
	CPU_AVX2 = 4,
	CPU_AVX512 = 8 /* F, BW, DQ and VL, with the system's support */
};

uint32_t aibrix__cpu(void);

#endif
