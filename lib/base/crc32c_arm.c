/* CRC-32C with the ARMv8 CRC extension. */

#include "base/crc32c.h"

#include <arm_acle.h>
#include <string.h>

uint32_t
aibrix__crc32c_hw(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t word;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		crc = __crc32cd(crc, word);
	}
	for (; n; n--)
		crc = __crc32cb(crc, *p++);
	return crc;
}
