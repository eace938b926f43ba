/* CRC-32C with SSE4.2's crc32: eight bytes every three cycles. */

#include "base/crc32c.h"

#include <nmmintrin.h>
#include <string.h>

uint32_t
aibrix__crc32c_hw(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t word, wide = crc;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	for (; n; n--)
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}
