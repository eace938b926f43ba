/* Session ids: base64 (RFC 4648, padded) of an address, as AIBrix's. */

#include <string.h>

#include <aibrix/route.h>

int
aibrix_route_session_id(const char *address, char *out, uint64_t cap,
			uint64_t *n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint64_t len, at = 0;

	if (!address || (cap && !out) || !n)
		return AIBRIX_E_INVAL;
	len = strlen(address);
	*n = (len + 2) / 3 * 4;
	if (*n >= cap)
		return AIBRIX_E_SPACE;
	for (uint64_t i = 0; i < len; i += 3) {
		uint32_t left = len - i < 3 ? (uint32_t)(len - i) : 3;
		uint32_t bits = 0;

		for (uint32_t k = 0; k < 3; k++)
			bits = bits << 8 |
			       (k < left ? (unsigned char)address[i + k] : 0);
		for (uint32_t k = 0; k < 4; k++)
			out[at++] = k <= left
					    ? digits[bits >> (18 - 6 * k) & 63]
					    : '=';
	}
	out[at] = 0;
	return AIBRIX_OK;
}
